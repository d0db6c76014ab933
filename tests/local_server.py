"""A web server on this machine that misbehaves on demand."""

from __future__ import annotations

import hashlib
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Site:
    """Files by path, what was asked for, and what goes wrong next.

    `faults[path]` is a list, one entry a request: a status to answer with, `("cut", n)` to break off after n bytes,
    None for an honest answer. After the last entry all is well.
    """

    def __init__(self, port: int):
        self.url = f"http://127.0.0.1:{port}"
        self.files: dict[str, bytes] = {}
        self.faults: dict[str, list] = {}
        self.asked: list[tuple[str, str | None]] = []
        self.ranges = self.etags = self.conditions = True
        self.delay = 0.0  # seconds between pieces of 16 kB
        self.pauses: dict[str, int] = {}  # bytes of a path after which the answer waits until `go_on` is set
        self.go_on = threading.Event()

    def ranges_of(self, path: str) -> list[str | None]:
        """Return the Range header of every request for a path."""
        return [header for asked, header in self.asked if asked == path]


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        site: Site = self.server.site
        path = self.path.partition("?")[0]
        asked = self.headers.get("Range")
        site.asked.append((path, asked))
        fault = site.faults.get(path, []) and site.faults[path].pop(0)
        if isinstance(fault, int) or path not in site.files:
            self.send_error(fault or 404)
            return
        body = site.files[path]
        etag = f'"{hashlib.md5(body).hexdigest()}"'
        start = 0
        if asked and site.ranges and (self.headers.get("If-Range", etag) == etag or not site.conditions):
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        if site.etags:
            self.send_header("ETag", etag)
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        end = start + fault[1] if fault else len(body)
        for at in range(start, min(end, len(body)), 2**14):
            if at >= site.pauses.get(path, len(body)):
                site.go_on.wait()
            self.wfile.write(body[at : min(at + 2**14, end)])
            time.sleep(site.delay)
        self.close_connection = True

    def log_message(self, *_):
        pass


@contextmanager
def serve():
    """Run a `Site` until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.handle_error = lambda *_: None  # a client that goes away is part of the tests
    server.daemon_threads = True
    server.site = Site(server.server_port)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server.site
    finally:
        server.site.go_on.set()
        server.shutdown()
        server.server_close()
        thread.join()
