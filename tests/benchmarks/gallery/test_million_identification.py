"""Figures of tracks are kept, read again and shown."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

from rich.console import Console

from benchmarks.gallery.million_identification import RESULTS, TrackFigures, identify, show_tracks, system_of
from shared.modalities import load_registry
from training.data.bundle_manifest import COLUMNS, MANIFEST_NAME
from training.evaluation.bootstrap import Interval

SHARE = Interval(0.5, 0.4, 0.6)


def figures(*, keypoints: bool) -> TrackFigures:
    shares = (SHARE, SHARE, SHARE, Interval(0.0, 0.0, 0.0), None)
    system = system_of(load_registry()["skin"])
    return TrackFigures("skin-lesion", "separate acquisitions", keypoints, 1000250, 321, 0, *shares, system)


def test_what_an_interrupted_run_measured_is_read_again(tmp_path: Path) -> None:
    measured = [figures(keypoints=False), figures(keypoints=True)]
    (tmp_path / MANIFEST_NAME).write_text(",".join(COLUMNS) + "\n", encoding="utf-8")
    assert identify(tmp_path, 1_000_000, tmp_path / "out") == []
    (tmp_path / "out" / RESULTS).write_text(json.dumps([asdict(one) for one in measured]), encoding="utf-8")
    assert identify(tmp_path, 1_000_000, tmp_path / "out") == measured
    others = [asdict(replace(one, system="another model")) for one in measured]
    (tmp_path / "out" / RESULTS).write_text(json.dumps(others), encoding="utf-8")
    assert identify(tmp_path, 1_000_000, tmp_path / "out") == []


def test_shares_are_shown_with_their_intervals() -> None:
    console = Console(width=200, record=True)
    show_tracks([figures(keypoints=True)], console)
    shown = console.export_text()
    assert "1,000,250" in shown
    assert "50.0% (40.0% to 60.0%)" in shown
    assert shown.count("both") == 1
