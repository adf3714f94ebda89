from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from shared.identification.calibration import log_likelihood_ratios, normalise_cosines, posterior
from shared.images.recipes import build_recipe
from shared.modalities import load_registry
from shared.models.manifest import Calibration
from training.calibration.identifier_calibration import calibrate
from training.calibration.posterior_fit import (
    GLOBAL,
    START,
    Limits,
    _fit,
    draw_trials,
    fit_calibration,
    keep_limits,
)
from training.configuration import CalibrationSettings, DiscriminantSettings, IdentifierConfiguration
from training.data.dataset import dataset_of
from training.engine.validation import TrackScores

SUBJECTS = [f"p{i}" for i in range(80)]


def normal_scores(queries: int, rng: np.random.Generator) -> TrackScores:
    """Genuine cosines N(0.7, 0.1), impostors N(0.2, 0.1): log LR is linear, slope 50, zero at 0.45."""
    similarities = rng.normal(0.2, 0.1, (queries, len(SUBJECTS)))
    truth = rng.integers(0, len(SUBJECTS), queries)
    similarities[np.arange(queries), truth] = rng.normal(0.7, 0.1, queries)
    return TrackScores("t", SUBJECTS, truth, similarities.astype(np.float32))


@pytest.fixture(scope="module")
def fitted() -> Calibration:
    return fit_calibration([normal_scores(600, np.random.default_rng(0))], seed=1)


def test_the_fit_recovers_the_log_likelihood_ratio(fitted: Calibration) -> None:
    assert fitted.scale == pytest.approx(50, rel=0.25)
    assert -fitted.offset / fitted.scale == pytest.approx(0.45, abs=0.05)


def test_fitted_probabilities_are_calibrated_on_fresh_probes(fitted: Calibration) -> None:
    fresh = normal_scores(1000, np.random.default_rng(7))
    tops, hits = [], []
    for i, (scores, truth) in enumerate(zip(fresh.similarities, fresh.truth, strict=True)):
        stranger = i < 0.5 * len(fresh.truth)
        asked = np.delete(scores, truth) if stranger else scores
        probabilities, _ = posterior(log_likelihood_ratios(asked, np.zeros(len(asked)), fitted), len(asked), fitted)
        tops.append(probabilities.max())
        hits.append(not stranger and int(probabilities.argmax()) == truth)
    assert np.mean(tops) == pytest.approx(np.mean(hits), abs=0.03)


def test_strangers_are_mostly_unknown(fitted: Calibration) -> None:
    rng = np.random.default_rng(3)
    unknown = [
        posterior(log_likelihood_ratios(rng.normal(0.2, 0.1, 200), np.zeros(200), fitted), 200, fitted)[1]
        for _ in range(300)
    ]
    assert np.mean(np.array(unknown) > 0.5) > 0.9


def of_six(queries: int, seed: int, genuine: float, impostor: float) -> TrackScores:
    """A track of six people; all cosines have the deviation 0.1."""
    rng = np.random.default_rng(seed)
    similarities = rng.normal(impostor, 0.1, (queries, 6))
    truth = rng.integers(0, 6, queries)
    similarities[np.arange(queries), truth] = rng.normal(genuine, 0.1, queries)
    return TrackScores("t", SUBJECTS[:6], truth, similarities.astype(np.float32))


def test_half_of_the_probes_are_taken_for_strangers() -> None:
    """Cosines overlap, so the fitted probability of unknown leans on the share of strangers."""
    calibration = fit_calibration([of_six(300, 0, genuine=0.45, impostor=0.3)], seed=1)
    fresh = of_six(500, 1, genuine=0.45, impostor=0.3)
    unknown = [
        posterior(log_likelihood_ratios(row, [None] * len(row), calibration), len(row), calibration)[1]
        for scores, own in zip(fresh.similarities, fresh.truth, strict=True)
        for row in (scores, np.delete(scores, own))
    ]
    assert np.mean(unknown) == pytest.approx(0.5, abs=0.04)


@pytest.mark.parametrize(
    ("own", "least", "most"),
    [pytest.param(0.7, 0.015, 0.025, id="strangers"), pytest.param(0.0, 0.009, 0.017, id="patients")],
)
def test_few_are_taken_for_their_double(own: float, least: float, most: float) -> None:
    """2 % of strangers, and 1 % of patients whose own pictures do not resemble the probe."""
    track = of_six(400, 0, genuine=0.7, impostor=0.2)
    similarities, doubled = track.similarities.copy(), np.arange(0, 400, 8)
    similarities[doubled, track.truth[doubled]] = own
    double = (track.truth[doubled] + 1) % 6
    similarities[doubled, double] = np.random.default_rng(1).normal(0.6, 0.05, len(doubled))
    track = replace(track, similarities=similarities)
    bold = Calibration(scale=50.0, offset=-22.5)
    limited = keep_limits([track], bold, Limits(0.75), np.random.default_rng(2))
    assert strangers_identified(track, bold) > 0.1
    assert least < strangers_identified(track, limited) < most


HALF = Limits(0.75).halved()


def near_strangers(queries: int, rng: np.random.Generator) -> TrackScores:
    """Genuine cosines N(0.8, 0.05), but impostors N(0.45, 0.08): a question whose strangers are more alike."""
    track = normal_scores(queries, rng)
    similarities = rng.normal(0.45, 0.08, track.similarities.shape)
    similarities[np.arange(queries), track.truth] = rng.normal(0.8, 0.05, queries)
    return replace(track, track="near, fold 1 of 1", similarities=similarities.astype(np.float32))


def strangers_identified(track: TrackScores, calibration: Calibration) -> float:
    """The share of probes that reach 0.75 where their patient is not enrolled."""
    asked = [np.delete(row, own) for row, own in zip(track.similarities, track.truth, strict=True)]
    tops = [
        posterior(log_likelihood_ratios(row, [None] * len(row), calibration), len(row), calibration)[0].max()
        for row in asked
    ]
    return float(np.mean(np.array(tops) >= 0.75))


def test_a_track_with_near_strangers_lowers_the_offset() -> None:
    rng = np.random.default_rng(0)
    tracks, fresh = [normal_scores(300, rng), near_strangers(300, rng)], near_strangers(400, rng)
    bold = Calibration(scale=50.0, offset=-22.5)

    cautious = keep_limits(tracks, bold, HALF, rng)

    assert strangers_identified(fresh, bold) > 0.1
    assert strangers_identified(fresh, cautious) < 0.04
    assert bold.offset - 10 < cautious.offset < bold.offset
    assert cautious == bold.model_copy(update={"offset": cautious.offset})


def test_patients_taken_for_others_lower_the_offset() -> None:
    """Some 0.8 % of the questions to half of the people are of patients whose double is enrolled, too."""
    rng = np.random.default_rng(5)
    track = normal_scores(1000, rng)
    similarities, doubled = track.similarities.copy(), np.arange(16)
    similarities[doubled, track.truth[doubled]] = 0.0
    similarities[doubled, (track.truth[doubled] + 1) % len(track.subjects)] = 0.9
    bold, limits = Calibration(scale=50.0, offset=-25.0), Limits(0.75, strangers=0.02, wrong=0.005)
    assert keep_limits([track], bold, limits, np.random.default_rng(6)) == bold
    doubles = replace(track, similarities=similarities)
    assert keep_limits([doubles], bold, limits, np.random.default_rng(6)).offset < bold.offset


def test_limits_hold_in_galleries_smaller_than_any_size() -> None:
    rng = np.random.default_rng(3)
    track = near_strangers(300, rng)
    few = replace(track, subjects=track.subjects[:4], similarities=track.similarities[:, :4], truth=track.truth % 4)
    bold = Calibration(scale=50.0, offset=-22.5)
    assert keep_limits([few], bold, HALF, rng).offset < bold.offset


def test_limits_that_are_kept_change_nothing(fitted: Calibration) -> None:
    tracks, timid = [normal_scores(300, np.random.default_rng(0))], fitted.model_copy(update={"offset": -30.0})
    assert keep_limits(tracks, timid, HALF, np.random.default_rng(1)) == timid


@pytest.mark.parametrize(
    ("people", "most", "mistaken"), [(59, 0.05, 0), (93, 0.05, 1), (124, 0.05, 2), (149, 0.02, 0), (236, 0.02, 1)]
)
def test_clopper_pearson_limits_are_exact_bounds(people: int, most: float, mistaken: int) -> None:
    """Of tables of Clopper and Pearson's one-sided bound: so many people are needed with so many of them mistaken."""
    limits = Limits(0.75, clopper_pearson=True)
    assert mistaken <= people * limits.allowed(most, people) < mistaken + 0.05
    assert (people - 1) * limits.allowed(most, people - 1) < max(mistaken, 1e-9)
    assert Limits(0.75).allowed(most, people) == most


def test_few_people_lower_the_offset_more() -> None:
    track, bold = normal_scores(60, np.random.default_rng(0)), Calibration(scale=50.0, offset=-22.5)
    assert keep_limits([track], bold, HALF, np.random.default_rng(1)) == bold
    bounded = keep_limits([track], bold, Limits(0.75, clopper_pearson=True), np.random.default_rng(1))
    assert bounded.offset < bold.offset - 1


def test_strangers_of_simulated_queries_are_the_originals() -> None:
    rng = np.random.default_rng(0)
    made = normal_scores(40, rng)
    taken = replace(made, similarities=made.similarities + 1)
    (trials,) = draw_trials([replace(made, strangers=taken)], rng)
    stranger = trials.answer < 0
    assert stranger.any()
    assert (trials.similarities[stranger] > 0.5).all()
    assert np.median(trials.similarities[~stranger]) < 0.5
    drawn = replace(made, strangers=taken).drawn(5)
    assert drawn.strangers is not None
    np.testing.assert_allclose(drawn.strangers.similarities, drawn.similarities + 1)


def outsiders(track: TrackScores, cosine: float) -> TrackScores:
    """As many people without a query, each of whom has a double among those who are enrolled."""
    own = np.arange(len(track.subjects))
    similarities = np.full((len(own), len(own)), 0.2, np.float32)
    similarities[own, own] = 1.0
    similarities[own, (own + 1) % len(own)] = cosine
    return replace(track, truth=own, similarities=similarities)


def test_people_without_a_query_are_strangers() -> None:
    rng = np.random.default_rng(0)
    track = normal_scores(40, rng)
    (trials,) = draw_trials([replace(track, outsiders=outsiders(track, 0.6))], rng)
    outside = (trials.similarities == 1.0).any(axis=1)
    assert (trials.answer[outside] == -1).all()
    assert not (trials.enrolled & (trials.similarities == 1.0))[outside].any()
    inside = trials.answer < 0
    inside[outside] = False
    assert outside.sum() / len(track.subjects) == pytest.approx(inside.sum() / len(track.truth), abs=1.0)
    drawn = replace(track, outsiders=outsiders(track, 0.6)).drawn(5)
    assert drawn.outsiders is not None
    assert len(drawn.outsiders.truth) == 5


def test_strangers_without_a_query_lower_the_offset() -> None:
    track, limits = normal_scores(300, np.random.default_rng(0)), Limits(0.75)
    bold = Calibration(scale=50.0, offset=-25.0)
    assert keep_limits([track], bold, limits, np.random.default_rng(1)) == bold
    near = replace(track, outsiders=outsiders(track, 0.7))
    assert keep_limits([near], bold, limits, np.random.default_rng(1)).offset < bold.offset


def with_agreeing(track: TrackScores, genuine: float, rng: np.random.Generator) -> TrackScores:
    """Impostors agree in about three keypoints, patients in about `genuine`."""
    agreeing = rng.poisson(3.0, track.similarities.shape).astype(np.float32)
    agreeing[np.arange(len(track.truth)), track.truth] = rng.poisson(genuine, len(track.truth))
    return replace(track, agreeing=agreeing)


def test_simulated_shots_teach_the_worth_of_keypoints() -> None:
    rng = np.random.default_rng(2)
    real = with_agreeing(normal_scores(60, rng), 3.0, rng)
    made = with_agreeing(normal_scores(60, rng), 40.0, rng)
    alone, taught = fit_calibration([real], 1), fit_calibration([real], 1, [made])
    many, few = (log_likelihood_ratios([0.3], [count], taught)[0] for count in (40, 3))
    assert many - few > 10
    assert log_likelihood_ratios([0.3], [8], taught)[0] - few < 2
    assert taught.scale == pytest.approx(alone.scale, rel=0.5)


def test_simulated_shots_give_the_prior_odds_of_a_repeat_shot() -> None:
    rng = np.random.default_rng(2)
    real = with_agreeing(normal_scores(60, rng), 3.0, rng)
    made = with_agreeing(normal_scores(60, rng), 40.0, rng)
    alone, taught = fit_calibration([real], 1), fit_calibration([real], 1, [made])
    assert alone.repeat_offset is None
    assert taught.repeat_offset is not None
    assert taught.repeat_offset < 0  # a repeat shot in which nothing agrees speaks against it


def with_doubles(queries: int, rng: np.random.Generator) -> TrackScores:
    """For every fifth probe somebody else's cosine is as high as a patient's; keypoints tell them apart."""
    track = normal_scores(queries, rng)
    similarities = track.similarities.copy()
    similarities[np.arange(queries), track.truth] = rng.normal(0.6, 0.12, queries)
    fifth = np.arange(0, queries, 5)
    similarities[fifth, (track.truth[fifth] + 1) % len(SUBJECTS)] = rng.normal(0.7, 0.1, len(fifth))
    return with_agreeing(replace(track, similarities=similarities), 8.0, rng)


def test_a_cap_leaves_doubles_to_keypoints() -> None:
    track, fresh = (with_doubles(150, np.random.default_rng(seed)) for seed in (0, 1))
    free, bounded = fit_calibration([track], seed=1), fit_calibration([track], seed=1, cap_cosine_llr=True)
    assert free.similarity_limit is None
    assert bounded.similarity_limit is not None
    assert bounded.similarity_limit < bounded.scale * 0.6  # less than a patient's cosine would say
    assert surprise(fresh, bounded) < 0.9 * surprise(fresh, free)


@pytest.mark.parametrize("compared", [True, False])
def test_cosines_are_capped_only_if_keypoints_are_compared(compared: bool) -> None:
    track = with_doubles(40, np.random.default_rng(2))
    configuration = IdentifierConfiguration(
        kind="identifier",
        backbone="mobilenet_v2",
        discriminant=DiscriminantSettings(),
        calibration=CalibrationSettings(cap_cosine_llr=True),
    )
    modality = load_registry()["mri"].model_copy(update={"local_verification": compared})
    nothing = dataset_of([], {}, build_recipe(modality.recipe), 0.3)
    calibration = calibrate([track], nothing, configuration, modality, lambda images: images)
    assert (calibration.similarity_limit is not None) == compared


def levelled_scores(queries: int, rng: np.random.Generator, spread: float) -> TrackScores:
    """Every probe is nearer to everybody, or farther from everybody, by a number of its own."""
    plain = normal_scores(queries, rng)
    levels = rng.normal(0, spread, (queries, 1)).astype(np.float32)
    return replace(plain, similarities=plain.similarities + levels)


def surprise(track: TrackScores, calibration: Calibration) -> float:
    """Mean negative log probability of the right answers; every probe is asked as a patient and as a stranger."""
    losses = []
    agreeing = np.zeros_like(track.similarities) if track.agreeing is None else track.agreeing
    for scores, weights, truth in zip(track.similarities, agreeing, track.truth, strict=True):
        ratios = log_likelihood_ratios(scores, weights, calibration)
        patients, _ = posterior(ratios, len(scores), calibration)
        _, unknown = posterior(np.delete(ratios, truth), len(scores) - 1, calibration)
        losses += [-np.log(patients[truth] + 1e-12), -np.log(unknown + 1e-12)]
    return float(np.mean(losses))


def test_a_level_of_a_probe_is_subtracted() -> None:
    track = levelled_scores(150, np.random.default_rng(4), spread=0.2)
    fitted = fit_calibration([track], seed=1)
    start = START.model_copy(update={"keypoint_worth": 0.0})
    plain = _fit(draw_trials([track], np.random.default_rng(1)), start, GLOBAL)
    fresh = levelled_scores(300, np.random.default_rng(5), spread=0.2)
    assert fitted.rival_weight > 0.5
    assert surprise(fresh, fitted) < 0.8 * surprise(fresh, plain)


def with_levels(track: TrackScores, offsets: NDArray[np.float32], rng: np.random.Generator) -> TrackScores:
    """A cohort tells the offset of every probe, nearly."""
    return replace(track, levels=(offsets + rng.normal(0.3, 0.02, len(offsets))).astype(np.float32))


def test_the_level_in_a_cohort_is_subtracted() -> None:
    rng = np.random.default_rng(7)
    tracks = []
    for queries in (150, 300):
        plain = normal_scores(queries, rng)
        offsets = rng.normal(0, 0.2, queries).astype(np.float32)
        moved = replace(plain, similarities=plain.similarities + offsets[:, np.newaxis])
        tracks.append(with_levels(moved, offsets, rng))
    fitted = fit_calibration(tracks[:1], seed=1)
    blind = fit_calibration([replace(tracks[0], levels=None)], seed=1)

    assert 0.7 < fitted.cohort_weight < 1.3
    assert fitted.cohort_level == pytest.approx(0.3, abs=0.05)
    assert (blind.cohort_weight, blind.cohort_level) == (0.0, 0.0)
    told = normalise_cosines(tracks[1].similarities, tracks[1].levels, fitted).astype(np.float32)
    assert surprise(replace(tracks[1], similarities=told), fitted) < 0.9 * surprise(tracks[1], blind)


def test_only_free_parameters_are_fitted() -> None:
    track = normal_scores(40, np.random.default_rng(6))
    start = START.model_copy(update={"keypoint_worth": 0.0, "size_exponent": 0.7})
    calibration = _fit(draw_trials([track], np.random.default_rng(1)), start, ("scale", "offset"))
    assert calibration.scale != start.scale
    kept = {"size_exponent", "keypoint_worth", "keypoint_chance", "cohort_weight", "rival_weight", "rival_level"}
    assert calibration.model_dump(include=kept) == start.model_dump(include=kept)


@pytest.mark.parametrize("count", [1, 2])
def test_tiny_galleries_can_be_calibrated_on(count: int) -> None:
    similarities = np.random.default_rng(0).normal(0.3, 0.1, (8, count)).astype(np.float32)
    truth = np.arange(8) % count
    similarities[np.arange(8), truth] += np.float32(0.3)
    calibration = fit_calibration([TrackScores("t", SUBJECTS[:count], truth, similarities)], seed=1)
    assert np.isfinite(list(calibration.model_dump(exclude_none=True).values())).all()
