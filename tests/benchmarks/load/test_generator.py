"""The generator and the floor run in processes of their own, as in the bench: Locust patches the standard library."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path

import pytest

from benchmarks.load.plan import Plan, answered, throughput
from benchmarks.load.worker import Worker
from tests.tools import missing

if find_spec("locust") is None:
    missing("needs the tools of the benchmarks: make bench installs them")
pytestmark = [pytest.mark.enable_socket, pytest.mark.allow_hosts(["127.0.0.1"])]
STALL_S = 0.4


class Stalling(BaseHTTPRequestHandler):
    """Answers at once, but the third request waits, and those behind it wait for the lock."""

    lock, seen = threading.Lock(), 0

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        with Stalling.lock:
            Stalling.seen += 1
            if Stalling.seen == 3:
                time.sleep(STALL_S)
        self.send_response(200 if b'name="file"' in body and b"pixels" in body else 400)
        self.send_header("content-length", "0")
        self.send_header("retry-after", "7")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    Stalling.seen = 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), Stalling)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/identify"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def generator() -> Iterator[Worker]:
    with Worker() as worker:
        yield worker


@pytest.fixture
def picture(tmp_path: Path) -> str:
    path = tmp_path / "one.jpg"
    path.write_bytes(b"pixels")
    return str(path)


def test_who_waits_behind_a_stall_in_an_open_loop_has_waited(generator: Worker, url: str, picture: str) -> None:
    samples = generator.run(Plan(url, [picture], seconds=0.5, connections=50, rate=40))
    assert len(samples) == 20
    assert {sample.status for sample in samples} == {200}
    delayed = [sample for sample in samples if sample.took > STALL_S / 2]
    assert len(delayed) >= 6  # a closed loop would have sent one request meanwhile, and called it one slow answer
    assert samples[0].retry_after == "7"


def test_a_closed_loop_waits_for_each_answer(generator: Worker, url: str, picture: str) -> None:
    samples = generator.run(Plan(url, [picture], seconds=1.0, connections=2))
    assert len(samples) > 4
    assert all(sample.at <= 1.0 for sample in samples)
    assert 0 < throughput(samples, 1.0) <= len(samples)
    assert len(answered(samples)) == len(samples)


def test_nobody_there_is_status_nought(generator: Worker, picture: str) -> None:
    samples = generator.run(Plan("http://127.0.0.1:9/identify", [picture], seconds=0.2, rate=5))
    assert {sample.status for sample in samples} == {0}
