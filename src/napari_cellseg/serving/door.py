"""Who sends endless headers is shown out before they fill the memory."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from napari_cellseg.serving.reply import refused

#: As much as h11, uvicorn's other reader of HTTP, takes; SageMaker sends some 2 kB.
MAX_HEADER_BYTES = 64 * 1024


class GuardedProtocol(HttpToolsProtocol):
    """HTTP of which all that is no body, headers first, has a limit.

    A body that comes in chunks has a line beside each, at most as much as itself.
    """

    _n_beside = 0
    _n_body = 0

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
