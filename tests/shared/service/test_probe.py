import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from shared.service.probe import is_ready

pytestmark = pytest.mark.enable_socket  # the probe asks this machine's port; that is all it does


class Service(BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status if self.path == "/health/ready" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class NotReady(Service):
    status = 503


@pytest.fixture
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), request.param) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("port", "ready"), [(Service, True), (NotReady, False)], indirect=["port"])
def test_the_probe_passes_on_whether_the_service_is_ready(port: int, ready: bool) -> None:
    assert is_ready(port) is ready


def test_nobody_there_is_not_ready() -> None:
    assert not is_ready(1)


def test_the_probe_fails_where_the_service_is_not_ready(repository: Path) -> None:
    command = [sys.executable, "-m", "shared.service.probe"]
    probe = subprocess.run(command, env={"MEDREID_PORT": "1", "PYTHONPATH": str(repository)}, check=False)  # noqa: S603
    assert probe.returncode == 1
