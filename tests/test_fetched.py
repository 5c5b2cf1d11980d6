"""Models behind an https address: a checksum is mandatory, and decides."""

from __future__ import annotations

import io
import ssl
import threading
from collections.abc import Iterator
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

import salanet
from salanet import fetched, model_file
from salanet.cli.main import main
from salanet.datasets.town import town
from salanet.errors import ConfigError, DataError, FileError

CONTENT = (model_file.FOLDER / "aerial.safetensors").read_bytes()
DIGEST = sha256(CONTENT).hexdigest()
ADDRESS = "https://models.example/v1/my%20model.safetensors"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(fetched.FOLDER, str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that were opened; all have the model."""
    found: list[str] = []

    def opened(address: str) -> Any:
        found.append(address)
        return io.BytesIO(CONTENT)

    monkeypatch.setattr(fetched, "_opened", opened)
    return found


def test_fetched_once_and_kept(asked: list[str], cache: Path) -> None:
    runner = salanet.open_model(f"{ADDRESS}#sha256={DIGEST.upper()}")
    assert runner.config.classes[0] == "ground"
    path = cache / DIGEST / "my_model.safetensors"
    assert path.read_bytes() == CONTENT and runner.path == path
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    salanet.open_model(ADDRESS, sha256=DIGEST)
    assert asked == [ADDRESS]
    path.write_bytes(CONTENT[:-1])  # damaged since: fetched again
    salanet.open_model(ADDRESS, sha256=DIGEST)
    assert asked == [ADDRESS] * 2 and path.read_bytes() == CONTENT


def test_another_file_is_not_kept(asked: list[str], cache: Path) -> None:
    other = "0" * 64
    with pytest.raises(DataError, match=f"its SHA-256 is {DIGEST}; nothing was kept"):
        salanet.open_model(ADDRESS, sha256=other)
    assert len(asked) == 1 and not [p for p in cache.rglob("*") if p.is_file()]


@pytest.mark.parametrize(
    ("address", "digest", "said"),
    [
        (ADDRESS, None, r"say which file it has to be: .*#sha256=DIGEST"),
        (ADDRESS, "abc", "is no SHA-256"),
        (f"{ADDRESS}#md5=abc", None, "is no SHA-256"),
        (ADDRESS.replace("https", "http"), DIGEST, "by https alone"),
        (ADDRESS.replace("https", "ftp"), DIGEST, "by https alone"),
        ("file:///etc/passwd", DIGEST, "by https alone"),
        ("https://models.example/", DIGEST, "ends in .safetensors or .onnx"),
        ("https://models.example/a.pt", DIGEST, "ends in .safetensors or .onnx"),
    ],
)
def test_addresses_that_are_refused(
    asked: list[str], address: str, digest: str | None, said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        salanet.open_model(address, sha256=digest)
    assert not asked


def test_names_stay_in_the_folder(asked: list[str], cache: Path) -> None:
    path = fetched.fetched("https://a.example/x/..%2F..%2Fevil.safetensors", DIGEST)
    assert path.parent == cache / DIGEST and "/" not in path.name and len(asked) == 1


def test_too_large(asked: list[str], cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetched, "MOST", 1000)
    with pytest.raises(DataError, match="cannot be fetched: it is larger than"):
        fetched.fetched(ADDRESS, DIGEST)
    assert asked and not [p for p in cache.rglob("*") if p.is_file()]


def test_from_the_command_line(
    asked: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    salanet.write(tmp_path / "a.laz", town(3, size=12))
    arguments = ["predict", str(tmp_path / "a.laz"), "-o", str(tmp_path / "b.laz"), "-m"]
    assert main([*arguments, f"{ADDRESS}#sha256={DIGEST}"]) == 0
    assert main([*arguments, ADDRESS]) == 2
    said = capsys.readouterr().err
    assert said.count("say which file it has to be") == 1 and len(asked) == 1


def test_checksums_of_files(tmp_path: Path) -> None:
    path = tmp_path / "run" / "best.safetensors"
    path.parent.mkdir()
    path.write_bytes(CONTENT)
    assert salanet.open_model(path, sha256=DIGEST).path == path
    with pytest.raises(DataError, match="is not the file of the checksum"):
        salanet.open_model("rooms", sha256=DIGEST)


def test_folders(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a folder with no model"):
        salanet.open_model(tmp_path)
    for name in ("a", "b"):
        (tmp_path / f"{name}.safetensors").write_bytes(CONTENT)
    with pytest.raises(ConfigError, match=r"several models: a\.safetensors, b\.safetensors"):
        salanet.open_model(str(tmp_path))
    (tmp_path / "best.safetensors").write_bytes(CONTENT)
    assert salanet.open_model(tmp_path).path == tmp_path / "best.safetensors"


def test_a_folder_does_not_hide_a_model_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rooms").mkdir()
    shipped = salanet.open_model("rooms").path
    assert shipped.parent.name == "weights"
    Path("rooms/best.safetensors").write_bytes(shipped.read_bytes())
    assert salanet.open_model("rooms").path == shipped
    assert salanet.open_model("./rooms").path == Path("rooms/best.safetensors")


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server with a certificate that this process trusts."""
    security = pytest.importorskip("distributed.security")
    pytest.importorskip("cryptography")
    made = security.Security.temporary()
    (tmp_path / "cert.pem").write_text(made.tls_ca_file)
    (tmp_path / "key.pem").write_text(made.tls_scheduler_key)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.startswith("/plain"):
                self.send_response(302)
                self.send_header("Location", "http://127.0.0.1/model.safetensors")
                self.end_headers()
            elif self.path.startswith("/cut"):
                self.send_response(200)
                self.send_header("Content-Length", str(len(CONTENT)))
                self.end_headers()
                self.wfile.write(CONTENT[:1000])
            elif self.path.startswith("/model"):
                self.send_response(200)
                self.send_header("Content-Length", str(len(CONTENT)))
                self.end_headers()
                self.wfile.write(CONTENT)
            else:
                self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    running = HTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    running.socket = context.wrap_socket(running.socket, server_side=True)
    threading.Thread(target=running.serve_forever, daemon=True).start()

    def trusting(*_: object, **__: object) -> ssl.SSLContext:
        trusted = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trusted.load_verify_locations(tmp_path / "cert.pem")
        trusted.check_hostname = False
        return trusted

    monkeypatch.setattr(ssl, "create_default_context", trusting)
    yield f"https://127.0.0.1:{running.server_address[1]}"
    running.shutdown()
    running.server_close()


def test_over_tls(server: str, cache: Path) -> None:
    path = fetched.fetched(f"{server}/model.safetensors#sha256={DIGEST}")
    assert path.read_bytes() == CONTENT
    other = "1" * 64
    with pytest.raises(DataError, match="which is not https"):
        fetched.fetched(f"{server}/plain/model.safetensors", other)
    with pytest.raises(DataError, match="cannot be fetched: Not Found"):
        fetched.fetched(f"{server}/none.safetensors", other)
    with pytest.raises(DataError, match=r"its SHA-256 is|cannot be fetched"):
        fetched.fetched(f"{server}/cut.safetensors", DIGEST)
    assert [p for p in cache.rglob("*") if p.is_file()] == [path]


def test_nobody_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetched, "SECONDS", 2.0)
    with pytest.raises(DataError, match=r"https://127\.0\.0\.1:9/a\.safetensors: cannot"):
        fetched.fetched("https://127.0.0.1:9/a.safetensors", DIGEST)


def test_a_file_of_the_name_of_a_folder_is_no_address(tmp_path: Path) -> None:
    with pytest.raises(FileError):
        salanet.open_model(tmp_path / "none.safetensors")
