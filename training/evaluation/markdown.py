"""`report.md`: `report.json` for people, with the plots beside the figures."""

from __future__ import annotations

from training.evaluation import report_tables
from training.evaluation.report_tables import Json, decimal, pair_figure, percent

PRIOR_WORK = """\
## Prior work

Figures of prior work, to stand beside ours and not to be compared: their identities are synthetic and their protocol
closed-set (MRI 98.2 %, CT 99.1 %, fundus 91.1 %, skin 88.9 %), or their data is another (MaMI, CVPR 2025, CMC rank-1:
MIMIC-X 96.89, CCII-CT 95.59, EyePACS 85.71, Chest-X 91.23, OASIS-MRI 80.00; its single-modality networks: X-ray 94.21,
fundus 76.88).
"""
INTRODUCTION = """\
95 % intervals in brackets, by bootstrap over subjects. Tracks of one scan flatter and are never averaged with the
others.
"""
GROWTH = """\
## Larger galleries

People of the training split join first, then mixtures of them (see `training/evaluation/distractors.py`). They join
with embeddings and without keypoints: local verification finds no inliers with any of them. The network has seen the
real ones in training. Where few real people stand behind thousands, the figures say how the decision rule copes with
numbers, and little about how alike people are.
"""
POINTS = """\
## Operating points

Chosen on validation subjects. *Patient shown*: identified rightly, or among the three candidates that are listed.
"""
FEW = 100
"""Impostors under which a figure at a small FPIR rests on a handful of pictures."""


def report_text(report: Json) -> str:
    """The report as text."""
    parts = [
        f"# Evaluation on `split={report['split']}`\n",
        INTRODUCTION,
        "![rank-1 of every track](overview.png)\n",
        f"## Recognition (rank-1, %)\n\n{report_tables.recognition(report)}",
        f"## Verification and strangers\n\n{report_tables.verification(report)}",
        f"## What the threshold does\n\n{report_tables.decided(report)}",
        f"## Controls\n\n{report_tables.controls(report)}",
    ]
    if any(track["operating_points"] for track in report["tracks"]):
        parts.append(f"{POINTS}\n{report_tables.thresholds(report)}\n{report_tables.operating_points(report)}")
    if any(track["growth"] for track in report["tracks"]):
        parts.append(f"{GROWTH}\n{report_tables.growth(report)}")
    parts += [_track(track) for track in report_tables.by_kind(report)]
    if report["compa"]:
        parts.append(f"## COMPA\n\n{report_tables.compa(report['compa'])}")
    if report["models"]:
        parts.append(f"## Models\n\n{report_tables.models(report)}")
    return "\n".join([*parts, PRIOR_WORK])


def _track(track: Json) -> str:
    name, impostors = track["track"], track["impostors"]
    counts = f"{track['queries']} queries, {track['gallery_subjects']} gallery subjects, {impostors} impostors"
    parts = [f"## {name} ({track['kind']}; {counts})\n", f"![plots of {name}]({name}.png)\n", _methods(track)]
    parts.append(f"Chance finds {track['rank1_by_chance']:.1%} at rank 1.\n")
    if track["not_beaten"]:
        parts.append(f"Not beaten at rank 1: {', '.join(track['not_beaten'])}.\n")
    if 0 < impostors < FEW:
        parts.append(f"Only {impostors} impostors stand behind the FNIR figures.\n")
    if ours := report_tables.ours_of(track)["decisions"]:
        parts.append(_decisions(ours))
    if track["failures"]:
        parts.append(f"The worst confusions: [{name}-worst.png]({name}-worst.png)\n\n![]({name}-worst.png)\n")
    return "\n".join(parts)


def _methods(track: Json) -> str:
    header = ["method", "rank-1 %", "rank-3 %", "mAP %", "AUC", "EER %", "FNIR at FPIR 5 %", "FNIR at FPIR 1 %"]
    rows = [
        [
            method["method"],
            *(percent(method["identification"][name]) for name in ("rank1", "rank3", "map")),
            decimal(pair_figure(method, "auc")),
            percent(pair_figure(method, "eer")),
            *(percent(method[name]) if method[name] else "no impostors" for name in ("fnir5", "fnir1")),
        ]
        for method in track["methods"]
    ]
    return report_tables.table(header, rows)


def _decisions(d: Json) -> str:
    among, strangers = "", ""
    if top3 := d["right_in_top3_where_not_identified"]:
        among = f" (the right patient among the top 3 in {percent(top3)} % of those not identified)"
    if d["impostors_identified"]:
        shares = (f"{percent(d[f'impostors_{name}'])} % {name}" for name in ("identified", "candidates", "unknown"))
        strangers = f" Strangers: {', '.join(shares)}."
    return (
        f"At the threshold {d['threshold']:g}: {percent(d['identified_rightly'])} % identified rightly,"
        f" {percent(d['identified_wrongly'])} % wrongly, {percent(d['candidates'])} % candidates,"
        f" {percent(d['unknown'])} % unknown{among}.{strangers} ECE {decimal(d['ece'])} over the queries"
        f" ({decimal(d['ece_if_true'])} if confidence were true),"
        f" {decimal(d['ece_with_impostors'])} with the strangers among them,"
        f" {decimal(d['ece_as_calibrated'])} with every second probe a stranger.\n"
    )
