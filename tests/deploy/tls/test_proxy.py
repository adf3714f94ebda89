"""The TLS proxy of deploy/tls in front of the running system."""

from __future__ import annotations

import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import yaml

from deploy.local.programs import free_port
from deploy.local.system import System
from tests.tools import program

pytestmark = [pytest.mark.enable_socket, pytest.mark.allow_hosts(["127.0.0.1"]), pytest.mark.timeout(180)]
FOLDER = Path(__file__).parents[3] / "deploy" / "tls"


CERTIFICATE = (
    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=localhost"
    " -addext subjectAltName=DNS:localhost -keyout tls_key -out tls_certificate"
)
"""As in docs/how-to/containers-tls.md."""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """What the proxy logs."""
    return tmp_path / "log"


@pytest.fixture
def proxied(system: System, tmp_path: Path, log: Path) -> Iterator[httpx.Client]:
    """A caller with every scope who talks to the proxy."""
    with proxy(system.address, tmp_path, log) as client:
        client.headers["authorization"] = f"Bearer {system.admin_key}"
        yield client


@contextmanager
def proxy(gateway: str, folder: Path, log: Path) -> Iterator[httpx.Client]:
    """Run the proxy before the address of a gateway, and yield a client that trusts its certificate."""
    nginx, openssl = program("nginx", "/usr/sbin/nginx"), program("openssl")
    subprocess.run([openssl, *CERTIFICATE.split()[1:]], cwd=folder, check=True, capture_output=True)  # noqa: S603
    port = free_port()
    text = (FOLDER / "nginx.conf").read_text(encoding="utf-8")
    for there, here in {
        "/tmp": str(folder),  # noqa: S108
        "http://gateway:8000": gateway,
        "/run/secrets": str(folder),
        "8443": f"127.0.0.1:{port}",
        "/dev/stdout": str(log),
    }.items():
        assert there in text
        text = text.replace(there, here)
    (folder / "nginx.conf").write_text(text)
    context = ssl.create_default_context(cafile=str(folder / "tls_certificate"))
    with subprocess.Popen([nginx, "-c", str(folder / "nginx.conf"), "-g", "daemon off;"]) as process:  # noqa: S603
        url = f"https://localhost:{port}"
        with httpx.Client(base_url=url, verify=context, timeout=20, trust_env=False) as client:
            wait_for(client)
            yield client
        process.terminate()


def wait_for(client: httpx.Client) -> None:
    for _ in range(100):
        try:
            client.get("/health/live")
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    pytest.fail("the proxy does not answer")


@pytest.mark.allow_hosts(["127.0.0.1", "localhost", "::1"])
def test_calls_go_through_and_no_identifier_is_logged(proxied: httpx.Client, log: Path, picture: bytes) -> None:
    enrolled = proxied.post("/v1/patients/TLS-1/images", files={"file": picture}, data={"modality": "ct"})
    assert enrolled.status_code == 201
    assert enrolled.headers["strict-transport-security"]
    found = proxied.post("/v1/identify", files={"file": picture}, data={"modality": "ct"})
    assert found.json()["candidates"][0]["patient_id"] == "TLS-1"
    assert proxied.delete("/v1/patients/TLS-1").status_code == 200
    assert "TLS-1" not in log.read_text()
    assert len(log.read_text().splitlines()) >= 3


@pytest.mark.allow_hosts(["127.0.0.1", "localhost", "::1"])
def test_the_limit_of_the_proxy_is_that_of_the_gateway(proxied: httpx.Client) -> None:
    answer = proxied.post("/v1/identify", files={"file": bytes(65 * 2**20)})
    assert answer.status_code == 413


@pytest.mark.allow_hosts(["127.0.0.1", "localhost", "::1"])
def test_without_a_gateway_the_answer_is_a_problem_too(tmp_path: Path, log: Path) -> None:
    with proxy(f"http://127.0.0.1:{free_port()}", tmp_path, log) as client:
        answer = client.get("/v1/modalities")
    assert (answer.status_code, answer.json()["status"]) == (503, 503)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "/docs/problems/unavailable"
    assert answer.headers["retry-after"]
    assert answer.headers["strict-transport-security"]


def test_the_proxy_joins_the_public_network_alone() -> None:
    service = yaml.safe_load((FOLDER / "compose.tls.yaml").read_text(encoding="utf-8"))["services"]["tls"]
    assert service["networks"] == ["public"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
