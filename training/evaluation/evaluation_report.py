"""What was measured in one run, and `report.json`; `report.md` is made of that file alone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from training.evaluation.bootstrap import Interval
from training.evaluation.classifier_evaluation import ClassifierFigures
from training.evaluation.controls import ChanceTest
from training.evaluation.decisions import Decisions
from training.evaluation.growth import Growth
from training.evaluation.markdown import report_text
from training.evaluation.operating_point_figures import PointFigures
from training.evaluation.overview import plot_overview
from training.evaluation.protocol import Track


@dataclass(frozen=True)
class MethodResult:
    """One method on one track; a control has a test against chance instead of a claim."""

    method: str
    identification: Mapping[str, Interval]
    verification: Mapping[str, Interval] | None
    fnir5: Interval | None
    fnir1: Interval | None
    decisions: Decisions | None = None
    chance_test: ChanceTest | None = None


@dataclass(frozen=True)
class TrackResult:
    """One track with every method, ours first."""

    track: Track
    methods: Sequence[MethodResult]
    points: Sequence[PointFigures] = ()
    growth: Sequence[Growth] = ()
    failures: bool = False

    @property
    def ahead(self) -> list[str]:
        """Baselines that find as many queries at rank 1 as ours, or more."""
        ours, *baselines = self.methods
        found = ours.identification["rank1"].value
        return [m.method for m in baselines if not m.chance_test and m.identification["rank1"].value >= found]


@dataclass
class Report:
    """Everything that was measured in one run."""

    split: str
    tracks: list[TrackResult] = field(default_factory=list)
    compa: ClassifierFigures | None = None
    models: dict[str, dict[str, Any]] = field(default_factory=dict)

    def write(self, out: Path) -> None:
        """Write `report.json`, `overview.png` and `report.md`."""
        figures = json.dumps(self.figures(), indent=1)
        (out / "report.json").write_text(figures + "\n", encoding="utf-8")
        read = json.loads(figures)
        plot_overview(read["tracks"], out)
        (out / "report.md").write_text(report_text(read), encoding="utf-8")

    def figures(self) -> dict[str, Any]:
        """The report as plain values."""
        compa = asdict(self.compa) | {"confusion": self.compa.confusion.tolist()} if self.compa else None
        return {
            "split": self.split,
            "models": self.models,
            "compa": compa,
            "tracks": [_track_figures(result) for result in self.tracks],
        }


def _track_figures(result: TrackResult) -> dict[str, Any]:
    track = result.track
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
        "not_beaten": result.ahead,
        "failures": result.failures,
        "methods": [_method_figures(method) for method in result.methods],
        "operating_points": [asdict(point) for point in result.points],
        "growth": [asdict(size) for size in result.growth],
    }


def _method_figures(method: MethodResult) -> dict[str, Any]:
    values = asdict(method) | {"control": method.chance_test is not None}
    values["decisions"] = method.decisions.figures() if method.decisions else None
    if method.chance_test:
        values["chance_test"] |= {"verdict": method.chance_test.verdict}
    return values
