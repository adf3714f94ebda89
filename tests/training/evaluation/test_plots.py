from pathlib import Path

import cv2
import numpy as np

from training.datasets.manifest import read_manifest
from training.evaluation.metrics import Scores
from training.evaluation.plots import failure_gallery
from training.evaluation.protocol import Track, read_tracks


def draw(track: Track, similarities: np.ndarray, bundle: Path, out: Path) -> np.ndarray | None:
    """The picture of the worst confusions, uint8 (h, w, 3) BGR, or None where there is none."""
    best = track.best_per_subject(similarities)
    scores = Scores(best, np.empty((0, best.shape[1])), track.truth, [row.subject for row in track.queries], [])
    failure_gallery(track, similarities, scores, bundle, out)
    return cv2.imread(str(out / f"{track.name}-worst.png"))


def two_probes(bundle: Path) -> Track:
    """Probes of the first two subjects; their own pictures are the first two of the gallery."""
    (track,) = read_tracks(read_manifest(bundle), "test", ["skin"])
    return Track(track.name, "skin", track.gallery, [track.queries[0], track.queries[2]], [])


def test_a_lost_probe_stands_beside_its_patient_and_the_one_who_came_first(bundle: Path, tmp_path: Path) -> None:
    similarities = np.zeros((2, 6))
    similarities[0, 0] = 1.0  # found
    similarities[1, 4] = 1.0  # lost to the fifth
    drawn = draw(two_probes(bundle), similarities, bundle, tmp_path)
    assert drawn is not None
    assert drawn.shape == (224, 3 * 224, 3)
    fifth = cv2.imread(str(bundle / "04-0.png"))
    assert fifth is not None
    np.testing.assert_array_equal(drawn[:, 448:], cv2.resize(fifth, (224, 224), interpolation=cv2.INTER_LINEAR))


def test_a_tie_is_shown_with_the_other_person(bundle: Path, tmp_path: Path) -> None:
    similarities = np.zeros((2, 6))
    similarities[0, 0] = 1.0
    similarities[1, [1, 3]] = 1.0
    drawn = draw(two_probes(bundle), similarities, bundle, tmp_path)
    assert drawn is not None
    assert not np.array_equal(drawn[:, 224:448], drawn[:, 448:])


def test_where_nobody_is_lost_there_is_nothing_to_show(bundle: Path, tmp_path: Path) -> None:
    assert draw(two_probes(bundle), np.eye(6)[:2], bundle, tmp_path) is None
