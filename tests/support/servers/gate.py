"""A port in front of a server: it passes on what comes until so many messages came, and nothing then."""

import socket
import socketserver
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

_CHUNK_BYTES = 1 << 16


class Gate:
    """Counts what clients send. `breaks_at` is the message with which it closes, None for never."""

    def __init__(self, target_port: int) -> None:
        """Stand in front of a port of this machine."""
        self._target_port = target_port
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._broken = False
        self._breaks_at: int | None = None
        self._on_break: Callable[[], None] = _nothing
        self.messages = 0
        gate = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                gate.pass_on(self.request)

        socketserver.ThreadingTCPServer.allow_reuse_address = True
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]

    @contextmanager
    def serving(self) -> Iterator["Gate"]:
        """Pass on for the time of a block."""
        thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            self._close_all()
            thread.join()

    def break_at(self, message: int, on_break: Callable[[], None]) -> None:
        """Close with this message from now on (0 for at once), after calling a function."""
        with self._lock:
            self.messages, self._breaks_at, self._on_break = 0, message, on_break
        if message == 0:
            self._break()

    @property
    def is_broken(self) -> bool:
        """Whether nobody is let in."""
        return self._broken

    def mend(self) -> None:
        """Let everybody in again."""
        with self._lock:
            self._broken, self._breaks_at = False, None

    def pass_on(self, client: socket.socket) -> None:
        """Be between a client and the server until either ends."""
        if self._broken:
            _reset(client)
            return
        try:
            server = socket.create_connection(("127.0.0.1", self._target_port), timeout=30)
        except OSError:
            _reset(client)
            return
        server.settimeout(None)
        with self._lock:
            self._open |= {client, server}
        back = threading.Thread(target=_copy, args=(server, client, _nothing), daemon=True)
        back.start()
        _copy(client, server, self._count)
        back.join()
        with self._lock:
            self._open -= {client, server}
        server.close()

    def _count(self) -> None:
        with self._lock:
            self.messages += 1
            breaks = self.messages == self._breaks_at
        if breaks:
            self._break()

    def _break(self) -> None:
        self._broken = True
        self._on_break()
        self._close_all()

    def _close_all(self) -> None:
        with self._lock:
            still_open, self._open = self._open, set()
        for each in still_open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


def _copy(source: socket.socket, target: socket.socket, count: Callable[[], None]) -> None:
    with suppress(OSError):
        while chunk := source.recv(_CHUNK_BYTES):
            count()
            target.sendall(chunk)
    for each in (source, target):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


def _reset(client: socket.socket) -> None:
    """End a connection as the kernel does where nobody listens any more."""
    with suppress(OSError):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()


def _nothing() -> None:
    """Do nothing."""
