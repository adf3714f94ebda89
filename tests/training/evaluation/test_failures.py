from pathlib import Path

import cv2
import numpy as np

from training.data.bundle_manifest import read_manifest
from training.evaluation.failures import failure_gallery, worst_confusions
from training.evaluation.protocol import Track, read_tracks
from training.evaluation.recognition_metrics import Scores


def two_probes(bundle: Path) -> Track:
    """Probes of the first two subjects; their own pictures are the first two of the gallery."""
    (track,) = read_tracks(read_manifest(bundle), "test", ["skin"])
    return Track(track.name, "skin", track.gallery, [track.queries[0], track.queries[2]], [])


def scores_of(track: Track, similarities: np.ndarray) -> Scores:
    best = track.best_per_subject(similarities)
    return Scores(best, np.empty((0, best.shape[1])), track.truth, [row.subject for row in track.queries], [])


def test_worst_confusions_come_first(bundle: Path) -> None:
    similarities = np.zeros((2, 6))
    similarities[0, [0, 2]] = 0.5, 0.6
    similarities[1, 4] = 1.0
    assert worst_confusions(scores_of(two_probes(bundle), similarities)) == [(1, 4), (0, 2)]


def test_a_tie_is_shown_and_the_number_is_limited(bundle: Path) -> None:
    similarities = np.eye(6)[:2]
    similarities[1, 3] = 1.0
    assert worst_confusions(scores_of(two_probes(bundle), similarities)) == [(1, 3)]
    assert len(worst_confusions(scores_of(two_probes(bundle), np.eye(6)[[2, 2]]), 1)) == 1


def test_a_page_of_pictures_is_written(bundle: Path, tmp_path: Path) -> None:
    track = two_probes(bundle)
    similarities = np.eye(6)[[0, 4]]
    assert failure_gallery(track, similarities, scores_of(track, similarities), bundle, tmp_path)
    page = cv2.imread(str(tmp_path / f"{track.name}-worst.png"))
    assert page is not None
    assert page.shape[1] > page.shape[0]  # one row of three


def test_without_lost_queries_nothing_is_shown(bundle: Path, tmp_path: Path) -> None:
    track, similarities = two_probes(bundle), np.eye(6)[:2]
    assert not failure_gallery(track, similarities, scores_of(track, similarities), bundle, tmp_path)
    assert list(tmp_path.iterdir()) == []
