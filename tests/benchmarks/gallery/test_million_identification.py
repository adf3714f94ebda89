"""Figures of tracks are shown."""

from __future__ import annotations

from rich.console import Console

from benchmarks.gallery.million_identification import TrackFigures, show_tracks
from training.evaluation.bootstrap import Interval

SHARE = Interval(0.5, 0.4, 0.6)


def test_shares_are_shown_with_their_intervals() -> None:
    shares = (SHARE, SHARE, SHARE, Interval(0.0, 0.0, 0.0), None)
    console = Console(width=200, record=True)
    show_tracks([TrackFigures("skin-lesion", "separate acquisitions", True, 1000250, 321, 0, *shares)], console)
    shown = console.export_text()
    assert "1,000,250" in shown
    assert "50.0% (40.0% to 60.0%)" in shown
    assert shown.count("both") == 1
