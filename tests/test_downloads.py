"""Downloads from a server of this machine: whole and of the right content, or one reason, and tried once."""

import hashlib
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from integralaction import downloads
from integralaction.downloads import download

CONTENT = bytes(range(256)) * 5000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server() -> Iterator[tuple[str, list[str]]]:
    """The address of a server, and what was asked of it."""
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            if self.path == "/missing":
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            self.wfile.write(CONTENT[:1000] if self.path == "/half" else CONTENT)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}", paths
        running.shutdown()
        thread.join()


def test_a_file_comes_whole(server: tuple[str, list[str]], tmp_path: Path) -> None:
    address, _ = server
    for digest in (DIGEST, DIGEST[:8]):
        download(f"{address}/file", tmp_path / "a/b.onnx", digest)
        assert (tmp_path / "a/b.onnx").read_bytes() == CONTENT
    with pytest.raises(ValueError, match=r"Expected the file with SHA-256 0000.*/file; found"):
        download(f"{address}/file", tmp_path / "c", "0000")
    with pytest.raises(ConnectionError, match=r"1000"):
        download(f"{address}/half", tmp_path / "c", "")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_what_cannot_be_had_is_tried_once(server: tuple[str, list[str]], tmp_path: Path) -> None:
    address, paths = server
    for _ in range(3):
        with pytest.raises(ConnectionError, match="404"):
            download(f"{address}/missing", tmp_path / "c", "")
    assert paths == ["/missing"]


def test_a_server_that_says_nothing_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "CONNECT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(ConnectionError, match=r"no answer|timed out"):
        download(f"http://127.0.0.1:{silent.getsockname()[1]}/file", tmp_path / "c", "")
    assert not list(tmp_path.iterdir())
