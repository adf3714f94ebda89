"""`report.json` for machines and `report.md` for people."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from training.evaluation.bootstrap import Interval
from training.evaluation.compa import ClassifierFigures
from training.evaluation.decisions import Decisions
from training.evaluation.protocol import Track

PRIOR_WORK = """\
Figures of prior work, to stand beside ours and not to be compared: their identities are synthetic and their protocol
closed-set (MRI 98.2 %, CT 99.1 %, fundus 91.1 %, skin 88.9 %), or their data is another (MaMI, CVPR 2025, CMC rank-1:
MIMIC-X 96.89, CCII-CT 95.59, EyePACS 85.71, Chest-X 91.23, OASIS-MRI 80.00; its single-modality networks: X-ray 94.21,
fundus 76.88).
"""
FEW = 100
"""Impostors under which a figure at a small FPIR rests on a handful of pictures."""


@dataclass(frozen=True)
class MethodResult:
    """One method on one track."""

    method: str
    identification: Mapping[str, Interval]
    verification: Mapping[str, Interval] | None
    fnir5: Interval | None
    fnir1: Interval | None
    decisions: Decisions | None = None
    control: bool = False


@dataclass(frozen=True)
class TrackResult:
    """One track with every method, ours first."""

    track: Track
    methods: Sequence[MethodResult]

    @property
    def title(self) -> str:
        """Name, kind and counts: they belong beside every number."""
        t = self.track
        counts = f"{len(t.queries)} queries, {len(t.subjects)} gallery subjects, {len(t.impostors)} impostors"
        return f"{t.name} ({t.kind}; {counts})"

    @property
    def ahead(self) -> list[str]:
        """Baselines that find as many queries at rank 1 as ours, or more."""
        ours, *baselines = self.methods
        found = ours.identification["rank1"].value
        return [m.method for m in baselines if not m.control and m.identification["rank1"].value >= found]


@dataclass
class Report:
    """Everything that was measured in one run."""

    split: str
    tracks: list[TrackResult] = field(default_factory=list)
    compa: ClassifierFigures | None = None
    models: dict[str, dict[str, Any]] = field(default_factory=dict)

    def write(self, out: Path) -> None:
        """Write both files."""
        (out / "report.json").write_text(json.dumps(self._json(), indent=1) + "\n", encoding="utf-8")
        (out / "report.md").write_text(self.markdown(), encoding="utf-8")

    def _json(self) -> dict[str, Any]:
        compa = asdict(self.compa) | {"confusion": self.compa.confusion.tolist()} if self.compa else None
        return {
            "split": self.split,
            "models": self.models,
            "compa": compa,
            "tracks": [
                {
                    "track": result.track.name,
                    "kind": result.track.kind,
                    "queries": len(result.track.queries),
                    "gallery_subjects": len(result.track.subjects),
                    "gallery_pictures": len(result.track.gallery),
                    "rank1_by_chance": 1 / len(result.track.subjects),
                    "impostors": len(result.track.impostors),
                    "not_beaten": result.ahead,
                    "methods": [_method_json(method) for method in result.methods],
                }
                for result in self.tracks
            ],
        }

    def markdown(self) -> str:
        """The report as text."""
        parts = [f"# Evaluation on `split={self.split}`\n", "95 % intervals by bootstrap over subjects.\n"]
        parts += [_track_table(result) for result in self.tracks]
        if self.compa:
            parts.append(_compa_table(self.compa))
        if self.models:
            parts.append(_model_table(self.models))
        return "\n".join([*parts, "## Prior work\n", PRIOR_WORK])


def _method_json(method: MethodResult) -> dict[str, Any]:
    values = asdict(method)
    values["decisions"] = method.decisions.figures() if method.decisions else None
    return values


def _interval(interval: Interval | None) -> str:
    if interval is None:
        return "no impostors"
    return f"{100 * interval.value:.1f} ({100 * interval.low:.1f}-{100 * interval.high:.1f})"


def _share(interval: Interval) -> str:
    return f"{_interval(interval)} %"


def _decimal(interval: Interval) -> str:
    return f"{interval.value:.3f} ({interval.low:.3f}-{interval.high:.3f})"


def _track_table(result: TrackResult) -> str:
    lines = [
        f"## {result.title}\n",
        "| method | rank-1 % | rank-3 % | mAP % | AUC | EER % | FNIR at FPIR 5 % | FNIR at FPIR 1 % |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for m in result.methods:
        ranks = " | ".join(_interval(m.identification[name]) for name in ("rank1", "rank3", "map"))
        pairs = f"{_decimal(m.verification['auc'])} | {_interval(m.verification['eer'])}" if m.verification else " | "
        lines.append(f"| {m.method} | {ranks} | {pairs} | {_interval(m.fnir5)} | {_interval(m.fnir1)} |")
    lines.append(f"\nChance finds {1 / len(result.track.subjects):.1%} at rank 1.")
    if result.ahead:
        lines.append(f"\nNot beaten at rank 1: {', '.join(result.ahead)}.")
    if 0 < len(result.track.impostors) < FEW:
        lines.append(f"\nOnly {len(result.track.impostors)} impostors stand behind the FNIR figures.")
    own = next((m.decisions for m in result.methods if m.decisions), None)
    return "\n".join(lines) + "\n" + (_decision_text(own) if own else "")


def _decision_text(d: Decisions) -> str:
    strangers = ""
    if d.impostors_identified and d.impostors_candidates and d.impostors_unknown:
        strangers = (
            f" Strangers: {_share(d.impostors_identified)} identified, {_share(d.impostors_candidates)} candidates,"
            f" {_share(d.impostors_unknown)} unknown."
        )
    top3 = d.right_in_top3_where_not_identified
    among = f" (the right patient among the top 3 in {_share(top3)} of those not identified)" if top3 else ""
    return (
        f"\nAt the shipped threshold: {_share(d.identified_rightly)} identified rightly,"
        f" {_share(d.identified_wrongly)} wrongly, {_share(d.candidates)} candidates, {_share(d.unknown)}"
        f" unknown{among}.{strangers} ECE {_decimal(d.ece)} over the queries, {_decimal(d.ece_with_impostors)} with the"
        " strangers among them.\n"
    )


def _compa_table(compa: ClassifierFigures) -> str:
    refused = ", ".join(
        f"{share:.2%} of {count} {kind} pictures"
        for kind, count, share in (
            ("foreign", compa.foreign, compa.foreign_refused),
            ("good", compa.good, compa.good_refused),
        )
        if share is not None
    )
    accuracy = "" if compa.accuracy is None else f"Accuracy over the modalities {compa.accuracy:.2%}. "
    summary = f"{accuracy}Refused: {refused}.\n"
    lines = [
        "## COMPA\n",
        summary,
        "| truth | " + " | ".join(compa.labels) + " |",
        "|---|" + "---|" * len(compa.labels),
    ]
    lines += [
        f"| {label} | " + " | ".join(map(str, row)) + " |"
        for label, row in zip(compa.labels, compa.confusion, strict=True)
    ]
    lines += ["\n| source | pictures | refused |", "|---|---|---|"]
    lines += [f"| {name} | {count} | {share:.1%} |" for name, (count, share) in compa.refused_by_source.items()]
    return "\n".join(lines) + "\n"


def _model_table(models: Mapping[str, Mapping[str, Any]]) -> str:
    lines = [
        "## Models\n",
        "| model | trunk | size MB | median ms a picture (recipe and network, one core) |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {name} | {m['trunk']} | {m['megabytes']:.1f} | {m['milliseconds']:.1f} |" for name, m in models.items()
    ]
    return "\n".join(lines) + "\n"
