"""A handler of HTTP requests, served in threads of a test."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_LOOKS_EVERY_SECONDS = 0.01


@contextmanager
def served_in_threads(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Serve at a free port of this machine until the block ends; yields the URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(
        target=server.serve_forever, args=(_LOOKS_EVERY_SECONDS,), daemon=True
    )
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
