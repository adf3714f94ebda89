"""The results of one run, and the files that are written from them: `report.json`, `report.md`, `overview.png`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from training.evaluation.bootstrap import Interval
from training.evaluation.classifier_evaluation import ClassifierFigures
from training.evaluation.controls import ChanceTest
from training.evaluation.decisions import Decisions, PointFigures
from training.evaluation.evaluation_page import report_text
from training.evaluation.growth import Growth
from training.evaluation.protocol import Track
from training.evaluation.track_plots import plot_overview


@dataclass(frozen=True)
class MethodResult:
    """One method on one track. Only a control has a `chance_test`."""

    method: str
    identification: Mapping[str, Interval]
    verification: Mapping[str, Interval] | None
    fnir5: Interval | None
    fnir1: Interval | None
    decisions: Decisions | None = None
    chance_test: ChanceTest | None = None

    def figures(self) -> dict[str, Any]:
        """Return the figures as plain values."""
        values = asdict(self) | {"control": self.chance_test is not None}
        values["decisions"] = self.decisions.figures() if self.decisions else None
        if self.chance_test:
            values["chance_test"] |= {"verdict": self.chance_test.verdict}
        return values


@dataclass(frozen=True)
class TrackResult:
    """One track with every method, the shipped model first."""

    track: Track
    methods: Sequence[MethodResult]
    points: Sequence[PointFigures] = ()
    growth: Sequence[Growth] = ()
    failures: bool = False

    @property
    def not_beaten(self) -> list[str]:
        """Baselines whose rank-1 is at least that of the shipped model."""
        ours, *baselines = self.methods
        found = ours.identification["rank1"].value
        return [m.method for m in baselines if not m.chance_test and m.identification["rank1"].value >= found]

    def figures(self) -> dict[str, Any]:
        """Return the figures as plain values."""
        track = self.track
        return {
            "track": track.name,
            "modality": track.modality,
            "kind": track.kind,
            "queries": len(track.queries),
            "query_subjects": len({row.subject for row in track.queries}),
            "gallery_subjects": len(track.subjects),
            "gallery_pictures": len(track.gallery),
            "rank1_by_chance": 1 / len(track.subjects),
            "impostors": len(track.impostors),
            "not_beaten": self.not_beaten,
            "failures": self.failures,
            "methods": [method.figures() for method in self.methods],
            "operating_points": [asdict(point) for point in self.points],
            "growth": [asdict(size) for size in self.growth],
        }


@dataclass
class Report:
    """All results of one run."""

    split: str
    tracks: list[TrackResult] = field(default_factory=list)
    compa: ClassifierFigures | None = None
    models: dict[str, dict[str, Any]] = field(default_factory=dict)

    def write(self, out: Path) -> None:
        """Write `report.json`, and from it `overview.png` and `report.md`."""
        compa = asdict(self.compa) | {"confusion": self.compa.confusion.tolist()} if self.compa else None
        tracks = [result.figures() for result in self.tracks]
        figures = {"split": self.split, "models": self.models, "compa": compa, "tracks": tracks}
        text = json.dumps(figures, indent=1)
        (out / "report.json").write_text(text + "\n", encoding="utf-8")
        report = json.loads(text)
        plot_overview(report["tracks"], out)
        (out / "report.md").write_text(report_text(report), encoding="utf-8")
