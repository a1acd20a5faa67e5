"""Who sends endless headers, or never ends them, is shown out."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from napari_cellseg.serving.requests.reply import refused

#: As much as h11, uvicorn's other reader of HTTP, takes; SageMaker sends some 2 kB.
MAX_HEADER_BYTES = 64 * 1024
#: From the first byte of a request, or from the connection, to the end of its headers.
HEADER_SECONDS = 20.0


class GuardedProtocol(HttpToolsProtocol):
    """HTTP of which all that is no body, headers first, has a limit of size and time.

    A body that comes in chunks has a line beside each, at most as much as itself.
    """

    _n_beside = 0
    _n_body = 0
    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a request, but not for ever."""
        super().connection_made(transport)
        self._wait_for_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._wait_no_more()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Begin with a request."""
        super().on_message_begin()
        self._wait_for_headers()

    def on_headers_complete(self) -> None:
        """Go on with the body, which has limits of its own."""
        self._wait_no_more()
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Read what arrived, and refuse to read more where it is too much."""
        self._n_beside += len(data)
        super().data_received(data)
        allowed = MAX_HEADER_BYTES + self._n_body
        if self._n_beside > allowed and not self.transport.is_closing():
            self._refuse()

    def on_body(self, body: bytes) -> None:
        """Take a part of a body, which is not counted."""
        self._n_beside -= len(body)
        self._n_body += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request; the next one on this line has its own limit."""
        self._n_beside = self._n_body = 0
        super().on_message_complete()

    def _wait_for_headers(self) -> None:
        self._wait_no_more()
        self._late = self.loop.call_later(HEADER_SECONDS, self._hang_up)

    def _wait_no_more(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _hang_up(self) -> None:
        """Close, unless an answer to an earlier request is still on its way."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._wait_for_headers()
        else:
            self.transport.close()

    def _refuse(self) -> None:
        """Say why, unless an answer is on its way already, and hang up."""
        if self.cycle is None or self.cycle.response_complete:
            reply = refused(
                431,
                f"The headers have more than {MAX_HEADER_BYTES // 1024} kB; send an image "
                "as the body of the request.",
            )
            head = (
                "HTTP/1.1 431 Request Header Fields Too Large\r\n"
                f"content-type: {reply.content_type}\r\n"
                f"content-length: {len(reply.body)}\r\nconnection: close\r\n\r\n"
            )
            self.transport.write(head.encode() + reply.body)
        self.transport.close()
