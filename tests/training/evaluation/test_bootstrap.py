import numpy as np

from training.evaluation.bootstrap import BOOTSTRAPS, Draws, Interval, to_interval


def test_probes_of_one_subject_are_drawn_together() -> None:
    weights = Draws(["a", "b", "a", "a"], 0).weights
    np.testing.assert_array_equal(weights[:, 0], weights[:, 2])
    assert set(weights.sum(axis=1)) == {2.0, 4.0, 6.0}


def test_as_many_subjects_are_drawn_as_there_are() -> None:
    assert np.all(Draws(list("abcde"), 0).weights.sum(axis=1) == 5)


def test_the_first_draw_is_the_sample_itself() -> None:
    assert Draws(["a", "b"], 0).means([0.25, 0.75])[0] == 0.5


def test_a_subject_with_all_the_probes_leaves_nothing_to_draw() -> None:
    assert Draws(["a", "a", "a"], 0).mean([0.0, 0.0, 1.5]) == Interval(0.5, 0.5, 0.5)


def test_no_subjects_give_no_draws() -> None:
    assert Draws([], 0).weights.shape == (1 + BOOTSTRAPS, 0)


def test_a_seed_repeats_its_draws_and_another_draws_differently() -> None:
    first, again, other = (Draws(list("abcde"), seed).weights for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_interval_holds_95_of_100_draws() -> None:
    assert to_interval(np.array([7.0, *np.linspace(0, 1, 1001)])) == Interval(7.0, 0.025, 0.975)


def test_draws_in_which_a_figure_is_not_defined_are_left_out() -> None:
    assert to_interval(np.array([1.0, np.nan, 1.0, 1.0])) == Interval(1.0, 1.0, 1.0)
