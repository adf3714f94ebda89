import stat
import threading
from pathlib import Path

import pytest
import structlog

from shared.service.logfile import LogFile
from shared.service.logs import configure_logs


def test_lines_are_there_at_once_behind_those_of_before(tmp_path: Path) -> None:
    path = tmp_path / "service.log"
    path.write_text("before\n")
    LogFile(path).write("after\n")
    assert path.read_text() == "before\nafter\n"


def test_a_full_file_is_kept_and_a_new_one_begun(tmp_path: Path) -> None:
    path = tmp_path / "service.log"
    log = LogFile(path, most=10)
    for line in ("one 567\n", "two 567\n", "three 7\n"):
        log.write(line)
    assert path.read_text() == "three 7\n"
    assert path.with_name("service.log.1").read_text() == "two 567\n"
    assert len(list(tmp_path.iterdir())) == 2


def test_a_line_longer_than_a_file_is_written_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "service.log"
    LogFile(path, most=3).write("longer\n")
    assert path.read_text() == "longer\n"


def write_all(log: LogFile, lines: list[str]) -> None:
    for line in lines:
        log.write(line)


def test_no_line_is_torn_or_lost_among_threads(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "service.log", most=4000)
    lines = [f"{number:03} {'x' * 20}\n" for number in range(300)]
    parts = [lines[i::4] for i in range(4)]
    threads = [threading.Thread(target=write_all, args=(log, part)) for part in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    written = [line for path in tmp_path.iterdir() for line in path.read_text().splitlines(keepends=True)]
    assert set(written) <= set(lines)
    assert len(written) == len(set(written)) > 150


def test_others_may_not_read_it(tmp_path: Path) -> None:
    LogFile(tmp_path / "service.log")
    assert not (tmp_path / "service.log").stat().st_mode & stat.S_IRWXO


def test_a_disk_that_takes_no_more_stops_nobody(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "service.log")
    log.close()
    log.write("lost\n")
    assert (tmp_path / "service.log").read_text() == ""


def test_a_service_that_is_told_a_file_writes_there_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("test-service", "info", tmp_path / "service.log")
    structlog.get_logger().info("here")
    assert '"event": "here"' in (tmp_path / "service.log").read_text()
    assert capsys.readouterr().out == ""
