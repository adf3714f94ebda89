"""The figures of `report.json` as markdown tables over all tracks; the report and docs/evaluation.md both use them.

`report` is the file as read; its fields are written by `training.evaluation.evaluation_report`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from training.evaluation.overview import best_of_families

Json = dict[str, Any]
NONE = "-"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A markdown table."""
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    body = ["| " + " | ".join(cell for _, cell in zip(header, row, strict=True)) + " |" for row in rows]
    return "\n".join([*lines, *body]) + "\n"


def percent(interval: Json | None) -> str:
    """A share in percent with its interval."""
    if interval is None:
        return NONE
    return f"{100 * interval['value']:.1f} ({100 * interval['low']:.1f}-{100 * interval['high']:.1f})"


def decimal(interval: Json | None) -> str:
    """A figure with three decimals and its interval."""
    return NONE if interval is None else f"{interval['value']:.3f} ({interval['low']:.3f}-{interval['high']:.3f})"


def pair_figure(method: Json, name: str) -> Json | None:
    """`auc` or `eer` of a method; None where the track has nobody to confuse."""
    found: Json | None = (method["verification"] or {}).get(name)
    return found


def counts(track: Json) -> str:
    """Queries, enrolled people and impostors: they belong beside every number."""
    return f"{track['queries']} / {track['gallery_subjects']} / {track['impostors']}"


def ours_of(track: Json) -> Json:
    """The shipped model's figures."""
    ours: Json = track["methods"][0]
    return ours


def recognition(report: Json) -> str:
    """Rank-1 of ours and of the best of every family of baselines."""
    tracks = by_kind(report)
    families = list(dict.fromkeys(name for track in tracks for name in best_of_families(track)))
    header = ["track", "kind", "queries / enrolled / impostors", *families]
    rows = []
    for track in tracks:
        best = best_of_families(track)
        cells = [percent(best[name]) if name in best else NONE for name in families]
        rows.append([track["track"], track["kind"], counts(track), f"**{cells[0]}**", *cells[1:]])
    return table(header, rows)


def verification(report: Json) -> str:
    """What ours does with pairs, and with strangers."""
    rows = [
        [
            track["track"],
            counts(track),
            decimal(pair_figure(ours_of(track), "auc")),
            percent(pair_figure(ours_of(track), "eer")),
            percent(ours_of(track)["fnir5"]),
            percent(ours_of(track)["fnir1"]),
        ]
        for track in by_kind(report)
    ]
    return table(["track", "counts as above", "AUC", "EER, %", "FNIR at FPIR 5 %", "FNIR at FPIR 1 %"], rows)


def decided(report: Json) -> str:
    """What the shipped threshold does."""
    header = ["track", "identified rightly, %", "wrongly, %", "candidates, %", "unknown, %"]
    header += ["in top 3 where not identified, %", "strangers identified, %", "strangers unknown, %", "ECE"]
    header += ["ECE if confidence were true", "ECE, every second probe a stranger", "if confidence were true"]
    names = ["identified_rightly", "identified_wrongly", "candidates", "unknown", "right_in_top3_where_not_identified"]
    names += ["impostors_identified", "impostors_unknown"]
    errors = ["ece", "ece_if_true", "ece_as_calibrated", "ece_as_calibrated_if_true"]
    rows = [
        [track["track"], *(percent(d[name]) for name in names), *(decimal(d[name]) for name in errors)]
        for track in by_kind(report)
        if (d := ours_of(track)["decisions"])
    ]
    return table(header, rows)


def operating_points(report: Json) -> str:
    """What each operating point does on test."""
    header = ["track", "point", "threshold", "identified rightly, %", "wrongly, %", "patient shown, %"]
    rows = [
        [
            track["track"],
            point["name"],
            NONE if point["threshold"] is None else f"{point['threshold']:g}",
            *(percent(point[name]) for name in ("identified_rightly", "identified_wrongly", "patient_shown")),
            *(percent(point[name]) for name in ("impostors_identified", "impostors_shown")),
        ]
        for track in by_kind(report)
        for point in track["operating_points"]
    ]
    return table([*header, "strangers identified, %", "strangers shown somebody, %"], rows)


def thresholds(report: Json) -> str:
    """Where the operating points of every modality come from."""
    rows = [
        [name, point["name"], NONE if point["threshold"] is None else f"{point['threshold']:g}", point["origin"]]
        for name, model in report["models"].items()
        for point in model.get("operating_points", ())
    ]
    return table(["modality", "point", "threshold", "chosen by"], rows)


def growth(report: Json) -> str:
    """The same decisions in larger galleries."""
    header = ["track", "enrolled", "made up", "rank-1, %", "identified rightly, %", "wrongly, %"]
    rows = [
        [
            track["track"],
            f"{size['enrolled']}",
            f"{size['made_up']}",
            *(percent(size[name]) for name in ("rank1", "identified_rightly", "identified_wrongly")),
            percent(size["impostors_identified"]),
            decimal(size["ece"]),
        ]
        for track in by_kind(report)
        for size in track["growth"]
    ]
    return table([*header, "strangers identified, %", "ECE"], rows)


def controls(report: Json) -> str:
    """What the controls find, against chance."""
    header = ["track", "control", "rank-1, % (exact interval)", "chance, %", "times chance", "p (above 1.5x)"]
    header += ["chance within the source, %", "p", "verdict"]
    rows = [
        [
            track["track"],
            method["method"].removeprefix("control: "),
            f"{100 * t['found'] / t['queries']:.1f} ({100 * t['low']:.1f}-{100 * t['high']:.1f})",
            f"{100 * t['chance']:.1f}",
            f"{t['found'] / t['queries'] / t['chance']:.1f}",
            f"{t['p_value']:.2g}",
            f"{100 * t['source_chance']:.1f}",
            f"{t['source_p_value']:.2g}",
            t["verdict"],
        ]
        for track in by_kind(report)
        for method in track["methods"]
        if (t := method["chance_test"])
    ]
    return table(header, rows)


def models(report: Json) -> str:
    """Sizes and times."""
    rows = [
        [name, m["trunk"], f"{m['megabytes']:.1f}", f"{m['milliseconds']:.1f}"] for name, m in report["models"].items()
    ]
    return table(["model", "trunk", "size, MB", "median ms a picture (recipe and network, one core)"], rows)


def compa(figures: Json) -> str:
    """COMPA's confusion matrix and what it refuses."""
    refused = ", ".join(
        f"{figures[f'{kind}_refused']:.2%} of {figures[kind]} {kind} pictures"
        for kind in ("foreign", "good")
        if figures[f"{kind}_refused"] is not None
    )
    accuracy = "" if figures["accuracy"] is None else f"Accuracy over the modalities {figures['accuracy']:.2%}. "
    named = zip(figures["labels"], figures["confusion"], strict=True)
    confusion = table(["truth", *figures["labels"]], ([label, *map(str, row)] for label, row in named))
    sources = [[name, f"{count}", f"{share:.1%}"] for name, (count, share) in figures["refused_by_source"].items()]
    refusals = table(["source", "pictures", "refused"], sources)
    return f"{accuracy}Refused: {refused}.\n\n{confusion}\n{refusals}\n{_robustness(figures)}{_subtypes(figures)}"


def _robustness(figures: Json) -> str:
    """The same figures after each change of the pictures."""
    names = ("accuracy", "good_refused", "foreign_refused")
    rows = [{"change": "as they are", **figures}, *figures.get("robustness", ())]
    cells = [[row["change"], *("" if row[name] is None else f"{row[name]:.2%}" for name in names)] for row in rows]
    return table(["pictures", "accuracy", "good refused", "foreign refused"], cells)


def _subtypes(figures: Json) -> str:
    """How often the sub-type is right, where the model tells any."""
    rows = [
        [
            s["modality"],
            ", ".join(s["names"]),
            f"{s['pictures']}",
            f"{s['accuracy']:.1%} ({s['low']:.1%}-{s['high']:.1%})",
        ]
        for s in figures.get("subtypes", ())
    ]
    return "\n" + table(["modality", "sub-types", "pictures", "right"], rows) if rows else ""


def by_kind(report: Json) -> list[Json]:
    """Tracks over separate acquisitions first: they are what users live on."""
    return sorted(report["tracks"], key=lambda track: (track["kind"] == "same scan", track["track"]))
