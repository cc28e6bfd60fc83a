"""A Maven repository on this machine that can break off and tell wrong checksums."""

import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

VERSION = "1.2.3"
_FOLDER = f"/io/camunda/camunda-zeebe/{VERSION}/camunda-zeebe-{VERSION}.tar.gz"


def archive(*, broker: str = "#!/bin/sh\n", extra: tarfile.TarInfo | None = None) -> bytes:
    """A distribution: bin/broker, a licence, something large enough to be cut in the middle."""
    top = f"camunda-zeebe-{VERSION}"
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        _add(tar, f"{top}/bin/broker", broker.encode(), 0o755)
        _add(tar, f"{top}/SOME-LICENSE-1.0.txt", b"Be nice.")
        _add(tar, f"{top}/lib/large.jar", hashlib.shake_128(b"zbtrio").digest(300_000))
        if extra:
            tar.addfile(extra)
    return buffer.getvalue()


def _add(tar: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    member.mode = mode
    tar.addfile(member, io.BytesIO(content))


class Mirror:
    """What is served, how it is broken, and what was asked for."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.checksum: str | None = hashlib.sha1(content).hexdigest()
        self.cut: list[bool] = []
        """For each download to come: whether it breaks off in the middle."""
        self.wrong: list[bool] = []
        """For each download to come: whether a byte of it is wrong."""
        self.held = threading.Event()
        """Until it is set, downloads stop in the middle."""
        self.held.set()
        self.halfway = threading.Event()
        self.asked: list[str] = []
        self.url = ""

    @property
    def downloads(self) -> int:
        """How often the archive was asked for."""
        return self.asked.count(_FOLDER)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        self.asked.append(handler.path)
        if handler.path == _FOLDER:
            self._send_archive(handler)
        elif handler.path == f"{_FOLDER}.sha1" and self.checksum:
            _send(handler, f"{self.checksum}  camunda-zeebe.tar.gz\n".encode())
        else:
            handler.send_error(404)

    def _send_archive(self, handler: BaseHTTPRequestHandler) -> None:
        content = bytearray(self.content)
        if self.wrong and self.wrong.pop(0):
            content[1000] ^= 1
        cut = bool(self.cut) and self.cut.pop(0)
        _send_head(handler, len(content))
        half = len(content) // 2
        handler.wfile.write(content[:half])
        self.halfway.set()
        self.held.wait()
        if not cut:
            handler.wfile.write(content[half:])


def _send(handler: BaseHTTPRequestHandler, content: bytes) -> None:
    _send_head(handler, len(content))
    handler.wfile.write(content)


def _send_head(handler: BaseHTTPRequestHandler, length: int) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(length))
    handler.end_headers()


@contextmanager
def serving(mirror: Mirror) -> Iterator[Mirror]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            try:
                mirror.answer(self)
            except ConnectionError:
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    mirror.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield mirror
    finally:
        mirror.held.set()
        server.shutdown()
        server.server_close()
        thread.join()
