"""Servers that misbehave on purpose, a few bytes each: no fake HTTP library would let us."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


Send = Callable[[socket.socket], None]


@contextmanager
def server(send: Send) -> Iterator[str]:
    """Read a request, send what the test wants, and close."""
    listener = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def answer(connection: socket.socket) -> None:
        with connection:
            try:
                read_request(connection)
                send(connection)
            except OSError:
                return

    def listen() -> None:
        while not ended.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    threading.Thread(target=listen, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        ended.set()
        listener.close()


def read_request(connection: socket.socket) -> None:
    """Read all of it: closing a socket with unread bytes resets the connection, and the reply is lost."""
    with connection.makefile("rb") as stream:
        length = 0
        while (line := stream.readline().lower()).strip():
            if line.startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        stream.read(length)


def whole(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> Send:
    """Send a whole reply, and say that the connection ends with it: asking again, nobody uses it then."""
    ends = [b"Content-Length: %d" % len(body), b"Connection: close", b"", b""]
    head = [b"HTTP/1.1 " + status, *headers, *ends]
    return lambda connection: connection.sendall(b"\r\n".join(head) + body)


def trickling(start: bytes, each: bytes) -> Send:
    """Send a byte again and again."""

    def send(connection: socket.socket) -> None:
        connection.sendall(start)
        while True:
            connection.sendall(each)
            time.sleep(0.02)

    return send
