"""A proxy that breaks connections in the middle of requests, like a worker's death or a lost network."""

from __future__ import annotations

import random
import socket
import socketserver
import threading
from urllib.parse import urlsplit

PIECE = 65_536


class BreakingProxy(socketserver.ThreadingTCPServer):
    """A proxy that passes data on, but breaks some requests off after any of their bytes.

    Args:
        url: the URL of the server behind it.
        rng: chooses what breaks, and where.
        share: the share of the pieces sent by clients that break; a request comes in one or two.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, url: str, rng: random.Random, share: float = 0.03) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        parsed = urlsplit(url)
        self.behind = (parsed.hostname, parsed.port)
        self._rng = rng
        self._share = share
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return "http://127.0.0.1:{1}".format(*self.server_address)

    def breaks_at(self, length: int) -> int | None:
        """Return how much of a piece is passed on before the connection breaks; None if it does not break."""
        if self._rng.random() >= self._share:
            return None
        # Most often between a request's head and its body, which are separate pieces.
        return self._rng.choice((0, self._rng.randrange(length), length))


class _Connection(socketserver.BaseRequestHandler):
    server: BreakingProxy

    def handle(self) -> None:
        with socket.create_connection(self.server.behind) as server:
            answers = threading.Thread(target=_pass_on, args=(server, self.request))
            answers.start()
            while piece := self.request.recv(PIECE):
                end = self.server.breaks_at(len(piece))
                server.sendall(piece[:end])
                if end is not None:
                    break
            for side in (server, self.request):
                side.shutdown(socket.SHUT_RDWR)
            answers.join()


def _pass_on(server: socket.socket, client: socket.socket) -> None:
    while piece := server.recv(PIECE):
        client.sendall(piece)
