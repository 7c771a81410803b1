"""Downloads are complete or not there, and go on where they broke off; archives stay inside."""

from __future__ import annotations

import contextlib
import hashlib
import io
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from neonport.errors import ConfigurationError
from neonport.io.downloads import MissingData, download, unpack

CONTENT = bytes(range(256)) * 40


class Handler(BaseHTTPRequestHandler):
    """Serves CONTENT: whole, from a byte on, or broken off in the middle."""

    asked: list[str | None]

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.asked.append(wanted)
        start = int(wanted[6:-1]) if wanted and self.path != "/whole" else 0
        if self.path == "/none":
            self.send_error(404)
            return
        if start >= len(CONTENT):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        end = 1000 if self.path == "/broken" and not start else len(CONTENT)
        self.wfile.write(CONTENT[start:end])

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    Handler.asked = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()
        thread.join()


def test_a_file_arrives(server: str, tmp_path: Path) -> None:
    target = tmp_path / "file"
    download(f"{server}/file", target, len(CONTENT))
    assert target.read_bytes() == CONTENT
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("size", [len(CONTENT), None])
def test_what_broke_off_is_continued(server: str, tmp_path: Path, size: int | None) -> None:
    target = tmp_path / "file"
    with pytest.raises(MissingData, match="1000 of 10240 bytes"):
        download(f"{server}/broken", target, size)
    assert not target.exists()
    download(f"{server}/broken", target, size)
    assert target.read_bytes() == CONTENT
    assert Handler.asked == [None, "bytes=1000-"]


def test_servers_that_cannot_continue(server: str, tmp_path: Path) -> None:
    target = tmp_path / "file"
    for path, left in (("whole", 5), ("file", 20_000)):
        (tmp_path / "file.part").write_bytes(b"?" * left)
        download(f"{server}/{path}", target)
        assert target.read_bytes() == CONTENT
        target.unlink()


def test_what_is_not_the_file(server: str, tmp_path: Path) -> None:
    target = tmp_path / "file"
    for size in (len(CONTENT) + 1, 100):
        with pytest.raises(MissingData, match=rf"not the {size} of the file"):
            download(f"{server}/file", target, size)
    with pytest.raises(ConfigurationError, match=r"(?s)404.*put it at .*file"):
        download(f"{server}/none", target)
    with pytest.raises(MissingData, match="no address of the web"):
        download(f"file://{tmp_path}/other", target)
    assert not target.exists()


def test_checksums(server: str, tmp_path: Path) -> None:
    target = tmp_path / "file"
    for kind in ("sha256", "md5"):
        right = f"{kind}:{hashlib.new(kind, CONTENT).hexdigest()}"
        with pytest.raises(MissingData, match="another content"):
            download(f"{server}/file", target, len(CONTENT), right[:-1] + "x")
        assert not list(tmp_path.iterdir())
        download(f"{server}/file", target, len(CONTENT), right)
        assert target.read_bytes() == CONTENT
        target.unlink()
    with pytest.raises(ConfigurationError, match="'moon:1' is no checksum"):
        download(f"{server}/file", target, None, "moon:1")


def zipped(path: Path, name: str, attributes: int = 0, content: bytes = b"x") -> None:
    info = zipfile.ZipInfo(name)
    info.external_attr = attributes
    info.compress_type = zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(path, "w") as package:
        package.writestr("good", "x")
        package.writestr(info, content)


def tarred(path: Path, name: str, kind: bytes = tarfile.REGTYPE) -> None:
    with tarfile.open(path, "w:gz") as package:
        for member, sort in (("good", tarfile.REGTYPE), (name, kind)):
            info = tarfile.TarInfo(member)
            info.size, info.type, info.linkname = 1, sort, "good"
            package.addfile(info, io.BytesIO(b"x"))


@pytest.mark.parametrize("write", [zipped, tarred])
def test_archives(tmp_path: Path, write) -> None:
    write(tmp_path / "a", "folder/file")
    unpack(tmp_path / "a", tmp_path / "to")
    assert (tmp_path / "to/folder/file").read_text() == "x"
    data = (tmp_path / "a").read_bytes()
    (tmp_path / "a").write_bytes(data[:30])
    with pytest.raises(ConfigurationError, match="damaged"):
        unpack(tmp_path / "a", tmp_path / "to")
    for place in range(0, len(data), 2):  # a byte is wrong: one error, or none if it says little
        wrong = bytearray(data)
        wrong[place] ^= 0x55
        (tmp_path / "a").write_bytes(wrong)
        with contextlib.suppress(ConfigurationError):
            unpack(tmp_path / "a", tmp_path / "to")


@pytest.mark.parametrize("write", [zipped, tarred])
@pytest.mark.parametrize("name", ["../out", "a/../../out", "/tmp/out", "C:/out", "..\\out"])
def test_members_outside_of_the_folder(tmp_path: Path, write, name: str) -> None:
    write(tmp_path / "a", name)
    with pytest.raises(ConfigurationError, match="no file within its folder"):
        unpack(tmp_path / "a", tmp_path / "to")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_links_and_bombs(tmp_path: Path) -> None:
    tarred(tmp_path / "t", "link", tarfile.SYMTYPE)
    zipped(tmp_path / "z", "link", 0o120777 << 16)
    for name in ("t", "z"):
        with pytest.raises(ConfigurationError, match="no file within"):
            unpack(tmp_path / name, tmp_path / "to")
    zipped(tmp_path / "bomb", "zeros", content=bytes(20_000_000))
    with pytest.raises(ConfigurationError, match="would unpack to"):
        unpack(tmp_path / "bomb", tmp_path / "to")
