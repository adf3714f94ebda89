import numpy as np
import pytest

from benchmarks.report.estimates import percentiles, ratio_of_medians, slope


def test_a_ratio_of_medians_lies_in_its_interval() -> None:
    ratio = ratio_of_medians([20.0, 22.0, 21.0, 90.0, 20.5], [10.0, 11.0, 10.5, 10.2, 10.4])
    assert ratio.value == pytest.approx(21.0 / 10.4)
    assert ratio.low <= ratio.value <= ratio.high


def test_paired_rounds_cancel_shared_slowness() -> None:
    slow_and_fast = [10.0, 100.0, 40.0, 70.0]
    ratio = ratio_of_medians([2 * x for x in slow_and_fast], slow_and_fast)
    assert (ratio.value, ratio.low, ratio.high) == (2.0, 2.0, 2.0)


def test_noisy_memory_has_no_significant_slope() -> None:
    minutes = np.linspace(0, 10, 200)
    trembling = 500 + np.random.default_rng(1).normal(0, 2, 200)
    still = slope(minutes.tolist(), trembling.tolist())
    grown = slope(minutes.tolist(), (trembling + 3 * minutes).tolist())
    assert still.low <= 0 <= still.high
    assert grown.low > 0
    assert grown.value == pytest.approx(3, abs=0.5)


def test_percentiles_are_milliseconds() -> None:
    assert percentiles([0.1] * 99 + [1.0])["p50"] == 100.0
    assert np.isnan(percentiles([])["p99"])
