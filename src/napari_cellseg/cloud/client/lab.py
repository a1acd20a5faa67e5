"""A line to a lab server: a computer on which ``cellseg serve`` runs."""

from __future__ import annotations

from collections.abc import Callable
from http.client import IncompleteRead
from urllib.parse import unquote, urlsplit

import urllib3

from napari_cellseg.cloud.client.line import About, Upload, about_of, check_status
from napari_cellseg.cloud.errors import CloudError
from napari_cellseg.cloud.limits import MAX_ANSWER_BYTES
from napari_cellseg.cloud.wire.envelope import ATTRIBUTES_HEADER, Message
from napari_cellseg.cloud.wire.parts import decode_json
from napari_cellseg.cloud.wire.stream import STREAM_TYPE, read_stream
from napari_cellseg.core.errors import RemoteError
from napari_cellseg.core.jobs import Progress
from napari_cellseg.io.proxies import is_proxy_ignored, proxy_for

CONNECT_SECONDS = 5.0
#: A server of ours says something every second while it works.
READ_SECONDS = 120.0
PIECE_BYTES = 2**18
#: What a server says of itself, or why it does not answer, is far shorter.
MAX_INFO_BYTES = 4 * 2**20


class LabLine:
    """Asks a cellseg server; see `Line`.

    Parameters
    ----------
    address : str
        Such as ``"http://lab-gpu:8080"``.
    token : str
        What the server was started with; "" if it has none.

    Raises
    ------
    RemoteError
        If `address` is none.
    """

    def __init__(self, address: str, token: str = "") -> None:
        self.address = checked_address(address)
        self.name = self.address
        self.max_bytes = MAX_ANSWER_BYTES
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._pool = _pool_for(self.address)

    def about(self) -> About:
        """Ask the server what it is."""
        try:
            answer = self._pool.request(
                "GET",
                f"{self.address}/v1/info",
                headers=self._headers,
                redirect=False,
                preload_content=False,
            )
            body = _read_short(answer)
        except urllib3.exceptions.HTTPError as error:
            raise _error(error, self.address) from error
        check_status(answer.status, body, self.address)
        info = decode_json(Message(body, ""), "model", "device")
        self.max_bytes = int(info.get("max_body_bytes", self.max_bytes))
        return about_of(info, urlsplit(self.address).netloc)

    def ask(
        self, message: Message, accept: str, on_progress: Callable[[Progress], None]
    ) -> Message:
        """Return the answer to a request, once sent."""
        headers = {
            **self._headers,
            "Content-Type": message.content_type,
            "Content-Length": str(len(message.body)),
            "Accept": f"{STREAM_TYPE}, {accept}",
            ATTRIBUTES_HEADER: message.attributes,
        }
        answer = None
        try:
            answer = self._pool.request(
                "POST",
                f"{self.address}/invocations",
                body=Upload(message.body, self.address, on_progress),
                headers=headers,
                redirect=False,
                preload_content=False,
            )
            return self._read(answer, on_progress)
        except urllib3.exceptions.HTTPError as error:
            raise _error(error, self.address) from error
        finally:
            if answer is not None:
                # What was not read to its end must not be read by the next request.
                answer.close()

    def _read(
        self,
        answer: urllib3.BaseHTTPResponse,
        on_progress: Callable[[Progress], None],
    ) -> Message:
        """Return what comes back, as a stream or in one piece."""
        kind = answer.headers.get("Content-Type", "").split(";")[0].strip()
        if kind != STREAM_TYPE or answer.status != 200:
            is_error = answer.status != 200
            body = _read_short(answer) if is_error else _read(answer, MAX_ANSWER_BYTES)
            wanted = answer.headers.get("Retry-After", "")
            check_status(answer.status, body, self.address, wanted)
            return Message(body, kind)
        pieces = iter(lambda: answer.read1(PIECE_BYTES, decode_content=False), b"")  # type: ignore[attr-defined]
        status, message = read_stream(pieces, on_progress, MAX_ANSWER_BYTES)
        check_status(status, message.body, self.address)
        return message

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()


def _read_short(answer: urllib3.BaseHTTPResponse) -> bytes:
    """Return an answer that is no image, or its beginning; close what has more."""
    try:
        return _read(answer, MAX_INFO_BYTES)
    finally:
        answer.close()


def _read(answer: urllib3.BaseHTTPResponse, n_bytes: int) -> bytes:
    """Return so many bytes as they arrive: what is packed as a whole is not expanded."""
    pieces = bytearray()
    while len(pieces) < n_bytes:
        piece = answer.read(
            min(PIECE_BYTES, n_bytes - len(pieces)), decode_content=False
        )
        if not piece:
            break
        pieces += piece
    return bytes(pieces)


def _pool_for(address: str) -> urllib3.PoolManager:
    """Return what asks an address, through a proxy where `io.proxies` says so."""
    timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS)
    proxy = proxy_for(address)
    if not proxy:
        return urllib3.PoolManager(
            retries=False, blocksize=PIECE_BYTES, timeout=timeout
        )
    parts = urlsplit(proxy)
    named = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
    headers = urllib3.make_headers(proxy_basic_auth=named if parts.username else None)
    try:
        return urllib3.ProxyManager(
            f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}",
            proxy_headers=headers,
            retries=False,
            blocksize=PIECE_BYTES,
            timeout=timeout,
        )
    except (urllib3.exceptions.HTTPError, ValueError) as error:
        raise RemoteError(
            f"The proxy for {address} has an address of '{parts.scheme}://'; http:// and "
            "https:// can be used. Correct HTTPS_PROXY, or name the server in NO_PROXY."
        ) from error


def checked_address(address: str) -> str:
    """Return an address without its last slash; raises `RemoteError` if it is none."""
    try:
        parts = urllib3.util.parse_url(address)
    except urllib3.exceptions.LocationParseError:
        parts = urllib3.util.Url()
    if parts.scheme not in ("http", "https") or not parts.authority:
        raise RemoteError(
            f"'{address}' is no address of a server; one such as http://lab-gpu:8080 is "
            "needed."
        )
    return f"{parts.scheme}://{parts.authority}{(parts.path or '').rstrip('/')}"


UNREACHABLE = (
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.NameResolutionError,
)


def _tls_words(error: Exception, address: str) -> str:
    """Return why a server could not show who it is, and what to do."""
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return (
            f"{address} shows a certificate that this computer does not trust ({error}). "
            "If the lab made it itself, ask for its file and name it in SSL_CERT_FILE "
            "before you start this program."
        )
    return (
        f"{address} does not speak TLS ({error}). If it is a server of your own network, "
        "its address begins with http://."
    )


def _proxy_words(error: urllib3.exceptions.ProxyError, address: str) -> str:
    """Return why there is no way through the proxy, and what to do."""
    parts = urlsplit(proxy_for(address))
    shown = f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)
    if " 407 " in f"{error.original_error} ":
        return (
            f"The proxy {shown} wants a name and a password before it lets anything to "
            f"{address}. Set HTTPS_PROXY=http://NAME:PASSWORD@{shown}, or name the server "
            "in NO_PROXY if it stands in your own network."
        )
    return (
        f"The proxy {shown} does not let through to {address} ({error.original_error}). "
        "If the server stands in your own network, name it in NO_PROXY; else check "
        "HTTPS_PROXY."
    )


def _passed_by(address: str) -> str:
    """Return what is to be known of a proxy that was not asked."""
    if not is_proxy_ignored(address):
        return ""
    return (
        " The proxy that is set here was not asked: it would read images and token of a "
        "server at http://. Through it, a server needs a certificate and https://."
    )


def _error(error: urllib3.exceptions.HTTPError, address: str) -> CloudError:
    """Return what went wrong on the way, and what to do."""
    if isinstance(error, urllib3.exceptions.ProxyError):
        return CloudError(
            _proxy_words(error, address), "ProxyConnectionError", is_free=True
        )
    # Being refused is a kind of time-out to urllib3; it is asked for first.
    if isinstance(error, UNREACHABLE):
        words = (
            f"{address} cannot be reached. Check the address, and that 'cellseg serve' "
            f"runs there.{_passed_by(address)}"
        )
        return CloudError(words, "EndpointConnectionError", is_free=True)
    if isinstance(error, urllib3.exceptions.SSLError):
        return CloudError(_tls_words(error, address), "SSLError", is_free=True)
    if isinstance(error, urllib3.exceptions.ConnectTimeoutError):
        words = (
            f"{address} does not answer. Is the server on, and this network the right "
            f"one?{_passed_by(address)}"
        )
        return CloudError(words, "ConnectTimeoutError", is_free=True)
    if isinstance(error, urllib3.exceptions.ReadTimeoutError):
        return CloudError(
            f"{address} has said nothing for {READ_SECONDS:.0f} s. Try a smaller region, "
            "or look at the server's log.",
            "ReadTimeoutError",
        )
    cause = error.args[-1] if error.args else error
    maybe = ""
    # An answer that had begun was in HTTP.
    if address.startswith("http://") and not isinstance(cause, IncompleteRead):
        maybe = (
            " If it is a server with a certificate, its address begins with https://."
        )
    # That a connection was cut needs no word of Python's; anything else may need one.
    is_cut = isinstance(cause, IncompleteRead | ConnectionError)
    how = "before the whole answer was here" if is_cut else f"({cause})"
    return CloudError(
        f"The connection to {address} broke {how}; look whether the server is still on. "
        f"Nothing was changed; try again.{maybe}",
        "ConnectionClosedError",
    )
