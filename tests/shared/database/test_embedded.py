from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import psutil
import psycopg
import pytest

from shared.database.__main__ import main
from shared.database.embedded import SETTINGS, EmbeddedServer


@pytest.fixture(scope="module")
def data(server_folder: Path) -> Path:
    """A data folder whose server is stopped between the tests."""
    return server_folder / "embedded" / "data"


@pytest.fixture(autouse=True)
def _signals_as_before() -> Iterator[None]:
    handlers = {sign: signal.getsignal(sign) for sign in (signal.SIGTERM, signal.SIGINT)}
    yield
    for sign, handler in handlers.items():
        signal.signal(sign, handler)


def answers(url: str) -> bool:
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT 1").fetchone() == (1,)


def serve_until(data: Path, end: Callable[[str], None]) -> int:
    """Exit status of the command in this process; `end` gets the URL, in a thread."""
    url_file = data.with_name("url")
    url_file.unlink(missing_ok=True)

    def watch() -> None:
        while not url_file.exists():
            time.sleep(0.05)
        end(url_file.read_text(encoding="utf-8"))

    with ThreadPoolExecutor(1) as thread:
        watching: Future[None] = thread.submit(watch)
        status = main(["serve", "--data", str(data), "--url-file", str(url_file)])
        watching.result()
    return status


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_it_is_told_to_stop(data: Path, sign: signal.Signals) -> None:
    seen: list[bool] = []

    def end(url: str) -> None:
        seen.append(answers(url))
        os.kill(os.getpid(), sign)

    assert serve_until(data, end) == 0
    assert seen == [True]
    assert not (data / "postmaster.pid").exists()


def test_a_dead_server_ends_the_command_and_starts_again(data: Path) -> None:
    children: list[psutil.Process] = []

    def kill(_url: str) -> None:
        postmaster = psutil.Process(int((data / "postmaster.pid").read_text().split()[0]))
        children.extend(postmaster.children())
        postmaster.kill()

    assert serve_until(data, kill) == 1
    psutil.wait_procs(children, timeout=10)
    server = EmbeddedServer(data)
    assert answers(server.url)
    server.stop()


def test_a_process_with_a_dead_servers_pid_is_not_the_server(data: Path) -> None:
    EmbeddedServer(data).stop()
    lines = [str(os.getpid()), str(data), "1700000000", "5432", str(data), "", "1 1", "ready"]
    (data / "postmaster.pid").write_text("\n".join(lines) + "\n")
    server = EmbeddedServer(data)
    assert server.process.pid != os.getpid()
    assert answers(server.url)
    server.stop()


def test_its_settings_hold_for_a_folder_of_before_too(data: Path) -> None:
    EmbeddedServer(data).stop()
    main_file = data / "postgresql.conf"
    lines = main_file.read_text().splitlines(keepends=True)
    main_file.write_text("".join(line for line in lines if not line.startswith("include_if_exists")))
    server = EmbeddedServer(data)
    with psycopg.connect(server.url) as connection:
        assert connection.execute("SHOW shared_buffers").fetchone() == (SETTINGS["shared_buffers"],)
    server.stop()
    EmbeddedServer(data).stop()
    assert main_file.read_text().count("\ninclude_if_exists = ") == 1


def test_a_running_server_is_taken_over(data: Path) -> None:
    first = EmbeddedServer(data)
    second = EmbeddedServer(data)
    assert second.process.pid == first.process.pid
    second.stop()
    first.stop()


def test_no_other_user_of_the_machine_stands_in_the_way(data: Path) -> None:
    EmbeddedServer(data).stop()
    assert (data.parent / ".data.lock").exists()
