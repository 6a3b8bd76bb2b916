"""`dodona serve` with a certificate, which is renewed while it serves."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from cryptography import x509

import dodona
from dodona_server.serving.tls import Certificate, UnusableCertificate
from tests.server.test_command import refusal
from tests.support.patience import patience
from tests.support.processes import ServerProcess

pytestmark = pytest.mark.processes


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    """An authority that clients trust."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    return authority


@pytest.fixture
def files(tmp_path: Path, authority: trustme.CA) -> tuple[Path, Path]:
    """The files of a certificate and its key."""
    files = tmp_path / "server.pem", tmp_path / "server.key"
    write(authority, files)
    return files


def write(authority: trustme.CA, files: tuple[Path, Path]) -> int:
    """Write a new certificate and its key, and return its serial number."""
    issued = authority.issue_cert("localhost", "127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(str(files[0]))
    issued.private_key_pem.write_to_path(str(files[1]))
    return x509.load_pem_x509_certificate(issued.cert_chain_pems[0].bytes()).serial_number


@pytest.fixture
def server(tmp_path: Path, files: tuple[Path, Path]) -> Iterator[ServerProcess]:
    server = ServerProcess(tmp_path, DODONA_TLS_CERT=str(files[0]), DODONA_TLS_KEY=str(files[1])).start()
    yield server
    server.stop()


def served(server: ServerProcess) -> int:
    """The serial number of the certificate that a new connection gets."""
    port = int(server.url.rpartition(":")[2])
    return x509.load_pem_x509_certificate(ssl.get_server_certificate(("127.0.0.1", port)).encode()).serial_number


def wait_for(what, server: ServerProcess) -> None:
    deadline = time.monotonic() + patience(60)
    while not what():
        assert time.monotonic() < deadline, server.log.read_text()
        time.sleep(0.2)


def test_a_worker_runs_trials_and_the_certificate_is_renewed(server, authority, files):
    with dodona.Client(server.url.replace("http:", "https:")) as client:
        study = client.create_study(
            "secret", {"x": dodona.Float(0.0, 1.0)}, metrics={"loss": "minimize"}, algorithm="random_search"
        )
        study.optimize(lambda trial: {"loss": trial.parameters["x"]}, n_trials=3)
        assert study.best_trial.number in (1, 2, 3)
        first = served(server)
        files[1].write_text("no key")
        wait_for(lambda: "the old certificate stays" in server.log.read_text(), server)
        assert served(server) == first
        second = write(authority, files)
        wait_for(lambda: served(server) == second, server)
        assert len(study.trials()) == 3


def test_a_certificate_that_cannot_be_used_is_refused(tmp_path, authority, files):
    (tmp_path / "other").mkdir()
    other = tmp_path / "other" / "cert", tmp_path / "other" / "key"
    write(authority, other)
    serve = ("--tls-cert", str(files[0]))
    missing = "a certificate needs its key, and a key its certificate: --tls-key (DODONA_TLS_KEY) is missing"
    assert refusal(tmp_path, *serve) == missing
    assert "mismatch" in refusal(tmp_path, *serve, "--tls-key", str(other[1])).lower()


def test_the_error_names_the_files(tmp_path, files):
    with pytest.raises(UnusableCertificate) as raised:
        Certificate(files[0], tmp_path / "nowhere").check()
    words = f"cannot use the certificate {files[0]} with the key {tmp_path / 'nowhere'}: No such file or directory"
    assert str(raised.value) == words
