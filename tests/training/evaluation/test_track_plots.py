from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from shared.models.manifest import Calibration
from training.calibration.posterior_eval import CalibratedPosterior
from training.data.bundle_manifest import read_manifest
from training.evaluation.decisions import decisions
from training.evaluation.plot_style import styles
from training.evaluation.protocol import Track, read_tracks
from training.evaluation.recognition_metrics import Scores
from training.evaluation.report_tables import best_of_families, family
from training.evaluation.track_plots import plot_overview, plot_track


@pytest.fixture(scope="module")
def track(bundle: Path) -> Track:
    return read_tracks(read_manifest(bundle), "test", ["skin"])[0]


def made_up(track: Track, strangers: int) -> Scores:
    rng = np.random.default_rng(0)
    queries = rng.normal(0, 1, (len(track.queries), len(track.subjects)))
    subjects = [row.subject for row in track.queries]
    impostors = rng.normal(0, 1, (strangers, len(track.subjects)))
    return Scores(queries, impostors, track.truth, subjects, [f"x{i}" for i in range(strangers)])


@pytest.mark.parametrize(("strangers", "calibrated"), [(0, True), (4, False)])
def test_a_track_has_a_page_of_plots(track: Track, strangers: int, calibrated: bool, tmp_path: Path) -> None:
    scores = made_up(track, strangers)
    posterior = CalibratedPosterior(Calibration(scale=1.0, offset=0.0))
    decided = decisions(scores, posterior, 0.75) if calibrated else None
    plot_track(track, {"ours": scores, "control": scores, "raw": scores}, decided, tmp_path, ["control"])
    assert cv2.imread(str(tmp_path / f"{track.name}.png")) is not None


def test_no_two_methods_look_alike() -> None:
    methods = ["ours", "control", *(f"baseline {i}" for i in range(8))]
    drawn = styles(methods, ["control"])
    assert list(drawn) == methods
    assert len({(style.colour, style.line) for style in drawn.values()}) == len(methods)


def method(name: str, rank1: float, *, control: bool = False) -> dict[str, Any]:
    figure = {"value": rank1, "low": rank1 - 0.1, "high": rank1 + 0.1}
    return {"method": name, "identification": {"rank1": figure}, "control": control}


TRACK = {
    "track": "t",
    "kind": "separate acquisitions",
    "queries": 10,
    "gallery_subjects": 5,
    "rank1_by_chance": 0.2,
    "methods": [
        method("ours", 0.8),
        method("control: background only", 0.2, control=True),
        method("frozen a", 0.3),
        method("frozen b", 0.5),
        method("frozen a, whitened", 0.4),
    ],
}


def test_trunks_are_one_family_and_the_best_of_it_is_told() -> None:
    best = {name: figure["value"] for name, figure in best_of_families(TRACK).items()}
    assert best == {"ours": 0.8, "frozen features": 0.5, "frozen features, whitened": 0.4}
    assert family("SIFT + RANSAC") == "SIFT + RANSAC"


@pytest.mark.parametrize("kinds", [("same scan",), ("same scan", "separate acquisitions")])
def test_the_overview_keeps_the_kinds_apart(kinds: tuple[str, ...], tmp_path: Path) -> None:
    plot_overview([TRACK | {"kind": kind} for kind in kinds], tmp_path)
    assert cv2.imread(str(tmp_path / "overview.png")) is not None
