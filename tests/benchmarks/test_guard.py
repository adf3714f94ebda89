from pathlib import Path

import pytest

from benchmarks.guard import Ratios, median, read, verdict, write

BASELINE = Ratios(cpu=0.6, throughput=0.7)


def test_what_is_as_it_was_passes() -> None:
    assert verdict([Ratios(0.58, 0.66)], BASELINE) is None


def test_a_request_that_costs_half_as_much_again_is_caught() -> None:
    assert "CPU" in str(verdict([Ratios(0.6 / 1.5, 0.7)], BASELINE))


def test_throughput_must_fall_in_every_try_to_be_believed() -> None:
    assert "throughput" in str(verdict([Ratios(0.6, 0.4), Ratios(0.6, 0.45)], BASELINE))
    assert verdict([Ratios(0.6, 0.4), Ratios(0.6, 0.68)], BASELINE) is None


def test_one_disturbed_pair_moves_no_median() -> None:
    pairs = [Ratios(0.6, 0.7)] * 5 + [Ratios(0.1, 0.05)]
    assert median(pairs) == Ratios(0.6, 0.7)


def test_the_baseline_is_read_as_it_was_written(tmp_path: Path) -> None:
    write(BASELINE, tmp_path / "guard.toml")
    assert read(tmp_path / "guard.toml") == BASELINE


def test_the_baseline_that_ships_is_plausible() -> None:
    assert all(ratio == pytest.approx(0.7, abs=0.5) for ratio in read())
