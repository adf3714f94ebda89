import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from training.evaluation.bootstrap import Interval
from training.evaluation.recognition_metrics import (
    Scores,
    cumulative_match,
    identification,
    open_set,
    verification,
)


def scores(queries: list[list[float]], impostors: list[list[float]], truth: list[int]) -> Scores:
    return Scores(
        np.array(queries, float),
        np.array(impostors, float).reshape(len(impostors), len(queries[0])),
        np.array(truth),
        [f"q{t}" for t in truth],
        [f"i{n}" for n in range(len(impostors))],
    )


FOUR = scores(
    queries=[[0.9, 0.1, 0.2], [0.6, 0.5, 0.1], [0.3, 0.2, 0.1], [0.1, 0.8, 0.1]],
    impostors=[[0.3, 0.4, 0.2], [0.7, 0.1, 0.1]],
    truth=[0, 1, 2, 1],
)
"""Ranks 1, 2, 3, 1."""


def test_ranks_count_from_one() -> None:
    assert FOUR.ranks.tolist() == [1, 2, 3, 1]


def test_rank_and_precision_figures_are_those_done_by_hand() -> None:
    figures = identification(FOUR)
    assert figures["rank1"].value == 0.5
    assert cumulative_match(FOUR).tolist() == [0.5, 0.75, 1.0]
    assert figures["rank3"].value == 1.0
    assert figures["map"].value == pytest.approx((1 + 1 / 2 + 1 / 3 + 1) / 4)


def test_ties_count_against_the_patient() -> None:
    assert scores([[0.5, 0.5, 0.5]], [], [1]).ranks.tolist() == [3]


def test_constant_scores_find_no_patient() -> None:
    constant = scores([[0.0] * 5] * 4, [[0.0] * 5] * 3, [0, 1, 2, 3])
    assert identification(constant)["rank3"].value == 0.0
    assert compared(constant)["auc"].value == 0.5
    found = open_set(constant, 0.05)
    assert found is not None
    assert found.value == 1.0


def compared(one: Scores) -> dict[str, Interval]:
    figures = verification(one)
    assert figures is not None
    return figures


def test_auc_counts_pairs_and_half_of_the_ties() -> None:
    figures = compared(scores([[0.9, 0.1], [0.5, 0.5]], [], [0, 1]))
    assert figures["auc"].value == pytest.approx((2 + 1.5) / 4)


def test_separable_comparisons_have_no_error() -> None:
    figures = compared(scores([[0.9, 0.1], [0.2, 0.8]], [[0.3, 0.3]], [0, 1]))
    assert figures == {"auc": Interval(1.0, 1.0, 1.0), "eer": Interval(0.0, 0.0, 0.0)}


def test_the_equal_error_is_where_both_errors_are_the_same() -> None:
    figures = compared(scores([[0.9], [0.8], [0.7], [0.3]], [[0.75], [0.2], [0.1], [0.05]], [0, 0, 0, 0]))
    assert figures["eer"].value == 0.25


def test_without_impostor_pairs_nothing_is_verified() -> None:
    assert verification(scores([[0.9]], [], [0])) is None


def test_intervals_narrow_with_the_number_of_people() -> None:
    rng = np.random.default_rng(0)
    widths = []
    for people in (10, 100):
        noisy = np.eye(people) + rng.normal(0, 0.4, (people, people))
        auc = compared(scores(noisy.tolist(), [], list(range(people))))["auc"]
        assert auc.low <= auc.value <= auc.high
        widths.append(auc.high - auc.low)
    assert widths[1] < widths[0]


def test_draws_of_a_single_subject_are_the_sample() -> None:
    """Only one subject has probes, so every draw is the sample, however often it is repeated."""
    auc = compared(scores([[0.9, 0.95], [0.6, 0.1]], [], [0, 0]))["auc"]
    assert (auc.low, auc.high) == (auc.value, auc.value)


def test_fnir_counts_queries_below_the_impostor_threshold() -> None:
    missed = open_set(FOUR, 0.05)  # over 0.7 and first: the first and the last
    assert missed is not None
    assert missed.value == 0.5


def test_fnir_at_larger_fpir_takes_the_next_impostor() -> None:
    tight = scores([[0.6, 0.1], [0.1, 0.35]], [[0.7, 0.0], [0.4, 0.0]], [0, 1])
    assert [figure.value for fpir in (0.0, 0.5) if (figure := open_set(tight, fpir))] == [1.0, 0.5]


def test_first_is_not_enough_and_high_is_not_enough() -> None:
    low_first, high_second = [0.2, 0.1], [0.95, 0.9]
    missed = open_set(scores([low_first, high_second], [[0.5, 0.5]], [0, 1]), 0.05)
    assert missed is not None
    assert missed.value == 1.0


def test_without_impostors_there_is_no_open_set_figure() -> None:
    assert open_set(scores([[0.9, 0.1]], [], [0]), 0.05) is None


def test_few_impostors_widen_the_interval_of_an_open_set_figure() -> None:
    rng = np.random.default_rng(0)
    queries = np.eye(40) * rng.uniform(0.3, 1.0, 40)
    few, many = (
        open_set(
            scores(queries.tolist(), np.tile(rng.uniform(0.3, 0.8, (count, 1)), 40).tolist(), list(range(40))), 0.05
        )
        for count in (5, 500)
    )
    assert few is not None
    assert many is not None
    assert few.high - few.low > many.high - many.low


def test_an_interval_holds_its_figure_and_a_seed_repeats_it() -> None:
    first, again, other = (identification(FOUR, seed)["map"] for seed in (1, 1, 2))
    assert first == again
    assert first.low <= first.value <= first.high
    assert other.value == first.value


PROBES, SUBJECTS = 5, 4
SIMILARITIES = arrays.arrays(np.float64, (PROBES, SUBJECTS), elements=st.floats(-1, 1, width=16))
TRUTH = st.lists(st.integers(0, SUBJECTS - 1), min_size=PROBES, max_size=PROBES)


@settings(deadline=None)
@given(SIMILARITIES, TRUTH, st.permutations(range(SUBJECTS)))
def test_the_order_of_the_gallery_carries_nothing(similarities: np.ndarray, truth: list[int], order: list[int]) -> None:
    moved = scores(similarities[:, order].tolist(), [], [order.index(t) for t in truth])
    assert moved.ranks.tolist() == scores(similarities.tolist(), [], truth).ranks.tolist()


@settings(deadline=None, max_examples=20)
@given(SIMILARITIES, SIMILARITIES, TRUTH)
def test_figures_depend_on_the_order_of_similarities_alone(
    queries: np.ndarray, impostors: np.ndarray, truth: list[int]
) -> None:
    plain = scores(queries.tolist(), impostors.tolist(), truth)
    moved = scores((8 * queries + 3).tolist(), (8 * impostors + 3).tolist(), truth)
    for figure, interval in compared(plain).items():
        assert compared(moved)[figure].value == pytest.approx(interval.value)
    assert moved.ranks.tolist() == plain.ranks.tolist()
