"""A web server that serves one file in every way that servers have."""

import hashlib
from http.server import BaseHTTPRequestHandler

import numpy as np

from helpers.models.files.fetch import SourceFile

CONTENT = np.random.default_rng(1).integers(0, 256, 300_000, np.uint8).tobytes()
SHA256 = hashlib.sha256(CONTENT).hexdigest()
OTHER = bytes(reversed(CONTENT))


class Handler(BaseHTTPRequestHandler):
    """``/KIND``: how the file is served. Every request's path and Range are kept in ``server.asked``."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        wanted = self.headers.get("Range")
        self.server.asked.append((self.path, wanted))
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        getattr(self, self.path[1:].split("/")[0])(start)

    def send(self, body: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def part(self, start: int, body: bytes, stop: int | None = None) -> None:
        """206 for what begins at ``start``; the connection is closed early, before byte ``stop``."""
        whole = len(self.server.content)
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{whole - 1}/{whole}")
        self.send_header("Content-Length", str(whole - start))
        self.end_headers()
        self.wfile.write(body[start:stop])

    def ranges(self, start):
        if start >= len(self.server.content):
            return self.send(b"", 416, Content_Range=f"bytes */{len(self.server.content)}")
        self.part(start, self.server.content)

    def plain(self, start):
        self.send(self.server.content)

    def wrong(self, start):
        self.send(OTHER)

    def wrongparts(self, start):
        self.part(start, OTHER)

    def long(self, start):
        self.send(CONTENT + b"more")

    def unsized(self, start):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(CONTENT + b"more")

    def halting(self, start):
        self.part(start, CONTENT, start + 70_000)

    def stuck(self, start):
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[:50_000])

    def silent(self, start):
        self.server.closing.wait(20)

    def elsewhere(self, start):
        if start:
            self.send(CONTENT[5:], 206, Content_Range=f"bytes 5-{len(CONTENT) - 1}/{len(CONTENT)}")
        else:
            self.send(CONTENT)

    def refuses(self, start):
        if start:
            self.send(b"", 416)
        else:
            self.send(CONTENT)

    def moved(self, start):
        self.send(b"", 302, Location="/ranges")

    def absent(self, start):
        self.send(b"no such file", 404)

    def faulty(self, start):
        self.send(b"", 503)

    def page(self, start):
        self.send(b"<html>Please sign in</html>")

    def nonsense(self, start):
        self.wfile.write(b"hello\r\n\r\n")


def address(server, kind: str) -> str:
    return f"http://127.0.0.1:{server.server_port}/{kind}"


def source(server, *kinds: str, **changes) -> SourceFile:
    known = {"name": "model.bin", "sha256": SHA256, "size_bytes": len(CONTENT)}
    return SourceFile(**known | {"urls": tuple(address(server, kind) for kind in kinds)} | changes)


def visible(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
