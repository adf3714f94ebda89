from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from training.data.bundle_manifest import read_manifest
from training.evaluation.baselines import FrozenFeatures, KeypointScorer, WhitenedFeatures
from training.evaluation.protocol import Track, read_tracks
from training.evaluation.recognition_metrics import Scores
from training.evaluation.scorers import RawPixels, Scorer, Similarities

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras on NumPy 2


@pytest.fixture
def track(bundle: Path) -> Track:
    (track,) = read_tracks(read_manifest(bundle), "test", ["skin"])
    return track


@pytest.fixture(scope="module")
def frozen(bundle: Path, weights: Path) -> FrozenFeatures:
    return FrozenFeatures("mobilenet_v2", weights, bundle)


def rank1(scorer: Scorer, track: Track) -> float:
    best = track.best_per_subject(scorer.similarities(track))[: len(track.queries)]
    subjects = [row.subject for row in track.queries]
    return float(np.mean(Scores(best, np.empty((0, best.shape[1])), track.truth, subjects, []).ranks == 1))


def test_raw_pixels_correlate_with_themselves(bundle: Path, track: Track) -> None:
    same = replace(track, queries=track.gallery, impostors=[])
    np.testing.assert_allclose(np.diag(RawPixels(bundle).similarities(same)), 1.0, atol=1e-5)


def test_raw_pixels_tell_colours_apart_and_ignore_even_pictures(bundle: Path) -> None:
    red, blue = np.zeros((2, 40, 40, 3), np.uint8)
    red[..., 0] = blue[..., 2] = 200
    raw = RawPixels(bundle)
    assert raw.embed(red) @ raw.embed(blue) < 0
    assert not raw.embed(np.full((40, 40, 3), 77, np.uint8)).any()


def test_keypoints_find_turned_pictures_again(bundle: Path, track: Track, tmp_path: Path) -> None:
    assert rank1(KeypointScorer(bundle, tmp_path), track) == 1.0


def test_keypoints_without_texture_match_nothing(bundle: Path, track: Track, tmp_path: Path) -> None:
    (tmp_path / "even.png").write_bytes(cv2.imencode(".png", np.full((64, 64, 3), 90, np.uint8))[1].tobytes())
    even = replace(track.gallery[0], path="even.png")
    nothing = Track("even", "skin", [even], [even], [])
    assert KeypointScorer(tmp_path, tmp_path / "cache").similarities(nothing).tolist() == [[0.0]]


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Paths of the probes that are compared anew."""
    compared: list[str] = []
    inliers: Callable[..., float] = KeypointScorer._inliers

    def count(self: KeypointScorer, probe: object, row: object) -> float:
        compared.append(str(probe))
        return inliers(self, probe, row)

    monkeypatch.setattr(KeypointScorer, "_inliers", count)
    return compared


def test_only_new_pairs_are_compared(bundle: Path, track: Track, tmp_path: Path, counted: list[str]) -> None:
    def similarities(asked: Track) -> Similarities:
        counted.clear()
        return KeypointScorer(bundle, tmp_path).similarities(asked)

    similarities(replace(track, queries=track.queries[:5], impostors=[]))  # as if interrupted
    first = similarities(track)
    assert len(counted) == (len(track.probes) - 5) * len(track.gallery)
    np.testing.assert_array_equal(similarities(track), first)
    assert not counted
    assert similarities(replace(track, gallery=track.gallery[1:])).shape[1] == len(track.gallery) - 1
    assert counted


def test_frozen_features_have_unit_length(frozen: FrozenFeatures, track: Track) -> None:
    np.testing.assert_allclose(np.linalg.norm(frozen.embeddings(track.gallery), axis=1), 1.0, atol=1e-5)


def test_whitened_features_are_uncorrelated(frozen: FrozenFeatures, bundle: Path) -> None:
    train = [row for row in read_manifest(bundle) if row.role == "train"]
    white = WhitenedFeatures(frozen, train, bundle)
    projected = (frozen.embeddings(train) - white._mean) @ white._projection
    np.testing.assert_allclose(projected.T @ projected / len(train), np.eye(projected.shape[1]), atol=1e-2)
