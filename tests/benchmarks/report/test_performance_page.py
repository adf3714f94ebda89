from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.report.acceptance import lines
from benchmarks.report.markdown_tables import page
from benchmarks.report.performance_page import main
from benchmarks.systems.contenders import PEERS, TITLES
from training.evaluation.evaluation_page import BEGIN, END


def contender(throughput: float, p50: float) -> dict[str, Any]:
    return {
        "throughput": [throughput, throughput],
        "p50": [p50, p50],
        "cpu_ms": [1000 / throughput] * 2,
        "failed": 0,
        "open": {"rate": 3.0, "failed": 0, "p50": p50, "p95": 2 * p50, "p99": 3 * p50},
    }


@pytest.fixture
def results() -> dict[str, Any]:
    found = {name: contender(10.0, 60.0) for name in PEERS}
    found |= {"ours": contender(80.0, 10.0), "floor": contender(100.0, 8.0)}
    found["ours"]["waits"] = {"gateway": {"queue": 0.4, "inference": 1.2}}
    del found["floor"]["open"]
    return {
        "comparison": {"global stage": found, "everything": found},
        "memory": {
            "busy": {"ours": {"gateway": 150.0, "database": 350.0}, "flask": {"flask": 1000.0}},
            "at rest": {"ours": {"gateway": 100.0, "database": 350.0}, "flask": {"flask": 1000.0}},
        },
        "readiness": {"gateway": [1.0, 1.4], "ct-service": [2.0, 3.5]},
        "soak": {"failed": 0, "slope": 0.1, "slope_low": -0.2, "slope_high": 0.3},
        "sizing": {"gateway": 9.41},
        "stages": [{"of": "pipeline", "modality": "ct", "stage": "decode", "ms": 0.7}],
        "machine": {"cores": "2"},
    }


def test_each_line_says_whether_it_is_held(results: dict[str, Any]) -> None:
    held = {line.what: line.held for line in lines(results)}
    assert held["throughput, global stage: MedReID / flask"]
    assert held["throughput, everything: MedReID / floor"]
    assert held["memory of all services and the database, busy: MedReID / flask"]
    assert not held["ready after the start of the process, slowest service"]
    assert held["soak: slope of the memory, lower bound of its interval"]


def test_the_page_names_everybody_and_shows_what_was_measured(results: dict[str, Any]) -> None:
    text = page(results)
    assert all(title in text for title in TITLES.values())
    assert "| MedReID: gateway, COMPA, modality services, PostgreSQL | 80.0 (1.00x) | 10.0 | 10 | 20 | 30 |" in text
    assert "| gateway | 9.4 |" in text
    assert "| ready after the start of the process, slowest service | at most 3 | 3.5 s | **no** |" in text


def test_results_take_the_place_between_the_markers(tmp_path: Path, results: dict[str, Any]) -> None:
    for name, found in results.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(found), encoding="utf-8")
    there = tmp_path / "page.md"
    there.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    assert main([str(tmp_path), "--into", str(there)]) == 0
    text = there.read_text(encoding="utf-8")
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert "### The lines" in text


@pytest.mark.parametrize(
    ("missing", "told"),
    [("sizing", "Processor time of one identification"), ("soak", "soak: requests that failed")],
)
def test_a_page_does_not_lose_what_was_not_measured_again(
    tmp_path: Path, results: dict[str, Any], capsys: pytest.CaptureFixture[str], missing: str, told: str
) -> None:
    for name, found in results.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(found), encoding="utf-8")
    there = tmp_path / "page.md"
    there.write_text(f"{BEGIN}\n{END}\n", encoding="utf-8")
    arguments = [str(tmp_path), "--into", str(there)]
    assert main(arguments) == 0
    before = there.read_text(encoding="utf-8")
    assert main(arguments) == 0
    (tmp_path / f"{missing}.json").unlink()
    assert main(arguments) == 2
    assert told in capsys.readouterr().err
    assert there.read_text(encoding="utf-8") == before


def test_a_page_without_markers_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    there = tmp_path / "page.md"
    there.write_text("nothing\n", encoding="utf-8")
    assert main([str(tmp_path), "--into", str(there)]) == 2
    assert "no place" in capsys.readouterr().err
    assert there.read_text(encoding="utf-8") == "nothing\n"
