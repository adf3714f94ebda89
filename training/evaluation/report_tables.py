"""Markdown tables from `report.json`, for the report and for docs/notebook/evaluation.md.

`report` is the file as read. `training.evaluation.__main__` writes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

Json = dict[str, Any]
Columns = Mapping[str, Callable[[Any], str]]
"""The cell of one record under every heading."""
NONE = "-"
FAMILIES = {"frozen": "frozen features", "whitened": "frozen features, whitened"}
"""Backbones differ between modalities, so tables and plots show the best backbone of each family."""


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a markdown table."""
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    body = ["| " + " | ".join(cell for _, cell in zip(header, row, strict=True)) + " |" for row in rows]
    return "\n".join([*lines, *body]) + "\n"


def _tabulate(columns: Columns, records: Iterable[Any]) -> str:
    return table(list(columns), [[cell(record) for cell in columns.values()] for record in records])


def percent(interval: Json | None) -> str:
    """Format a share and its interval in percent."""
    if interval is None:
        return NONE
    return f"{100 * interval['value']:.1f} ({100 * interval['low']:.1f}-{100 * interval['high']:.1f})"


def decimal(interval: Json | None) -> str:
    """Format a figure and its interval with three decimals."""
    return NONE if interval is None else f"{interval['value']:.3f} ({interval['low']:.3f}-{interval['high']:.3f})"


def _percent_of(name: str) -> Callable[[Json], str]:
    return lambda figures: percent(figures[name])


def _decimal_of(name: str) -> Callable[[Json], str]:
    return lambda figures: decimal(figures[name])


def _pair_figure(method: Json, name: str) -> Json | None:
    """Return `auc` or `eer` of a method; None if the track has no impostor pairs."""
    found: Json | None = (method["verification"] or {}).get(name)
    return found


def _threshold(point: Json) -> str:
    return NONE if point["threshold"] is None else f"{point['threshold']:g}"


def counts(track: Json) -> str:
    """Return the numbers of queries, enrolled people and impostors."""
    return f"{track['queries']} / {track['gallery_subjects']} / {track['impostors']}"


def by_kind(report: Json) -> list[Json]:
    """Return the tracks, those of separate acquisitions first."""
    return sorted(report["tracks"], key=lambda track: (track["kind"] == "same scan", track["track"]))


def family(method: str) -> str:
    """Return the name of a method without its backbone."""
    if not method.startswith("frozen"):
        return method
    return FAMILIES["whitened" if method.endswith("whitened") else "frozen"]


def best_of_families(track: Json) -> dict[str, dict[str, float]]:
    """Return rank-1 of the best method of each family."""
    best: dict[str, dict[str, float]] = {}
    for method in track["methods"]:
        name, figure = family(method["method"]), method["identification"]["rank1"]
        if not method["control"] and figure["value"] >= best.get(name, figure)["value"]:
            best[name] = figure
    return best


METHODS: Columns = {
    "method": itemgetter("method"),
    "rank-1 %": lambda method: percent(method["identification"]["rank1"]),
    "rank-3 %": lambda method: percent(method["identification"]["rank3"]),
    "mAP %": lambda method: percent(method["identification"]["map"]),
    "AUC": lambda method: decimal(_pair_figure(method, "auc")),
    "EER %": lambda method: percent(_pair_figure(method, "eer")),
    "FNIR at FPIR 5 %": _percent_of("fnir5"),
    "FNIR at FPIR 1 %": _percent_of("fnir1"),
}
VERIFICATION: Columns = {
    "track": itemgetter("track"),
    "counts as above": counts,
    "AUC": lambda track: decimal(_pair_figure(track["methods"][0], "auc")),
    "EER, %": lambda track: percent(_pair_figure(track["methods"][0], "eer")),
    "FNIR at FPIR 5 %": lambda track: percent(track["methods"][0]["fnir5"]),
    "FNIR at FPIR 1 %": lambda track: percent(track["methods"][0]["fnir1"]),
}
DECISIONS: Columns = {
    "track": itemgetter("track"),
    "identified rightly, %": _percent_of("identified_rightly"),
    "wrongly, %": _percent_of("identified_wrongly"),
    "candidates, %": _percent_of("candidates"),
    "unknown, %": _percent_of("unknown"),
    "in top 3 where not identified, %": _percent_of("right_in_top3_where_not_identified"),
    "strangers identified, %": _percent_of("impostors_identified"),
    "strangers unknown, %": _percent_of("impostors_unknown"),
    "ECE": _decimal_of("ece"),
    "ECE if confidence were true": _decimal_of("ece_if_true"),
    "ECE, every second probe a stranger": _decimal_of("ece_as_calibrated"),
    "if confidence were true": _decimal_of("ece_as_calibrated_if_true"),
}
CONTROLS: Columns = {
    "track": itemgetter("track"),
    "control": lambda test: test["method"].removeprefix("control: "),
    "rank-1, % (exact interval)": lambda test: (
        f"{100 * test['found'] / test['queries']:.1f} ({100 * test['low']:.1f}-{100 * test['high']:.1f})"
    ),
    "chance, %": lambda test: f"{100 * test['chance']:.1f}",
    "times chance": lambda test: f"{test['found'] / test['queries'] / test['chance']:.1f}",
    "p (above 1.5x)": lambda test: f"{test['p_value']:.2g}",
    "chance within the source, %": lambda test: f"{100 * test['source_chance']:.1f}",
    "p": lambda test: f"{test['source_p_value']:.2g}",
    "verdict": itemgetter("verdict"),
}
THRESHOLDS: Columns = {
    "modality": itemgetter("modality"),
    "point": itemgetter("name"),
    "threshold": _threshold,
    "chosen by": itemgetter("origin"),
}
OPERATING_POINTS: Columns = {
    "track": itemgetter("track"),
    "point": itemgetter("name"),
    "threshold": _threshold,
    "identified rightly, %": _percent_of("identified_rightly"),
    "wrongly, %": _percent_of("identified_wrongly"),
    "patient shown, %": _percent_of("patient_shown"),
    "strangers identified, %": _percent_of("impostors_identified"),
    "strangers shown a patient, %": _percent_of("impostors_shown"),
}
GROWTH: Columns = {
    "track": itemgetter("track"),
    "enrolled": lambda size: f"{size['enrolled']}",
    "made up": lambda size: f"{size['made_up']}",
    "rank-1, %": _percent_of("rank1"),
    "identified rightly, %": _percent_of("identified_rightly"),
    "wrongly, %": _percent_of("identified_wrongly"),
    "strangers identified, %": _percent_of("impostors_identified"),
    "ECE": _decimal_of("ece"),
}
MODELS: Columns = {
    "model": itemgetter("model"),
    "trunk": itemgetter("trunk"),
    "size, MB": lambda model: f"{model['megabytes']:.1f}",
    "median ms a picture (recipe and network, one core)": lambda model: f"{model['milliseconds']:.1f}",
}
ROBUSTNESS: Columns = {
    "pictures": itemgetter("change"),
    "accuracy": lambda row: _share(row["accuracy"]),
    "good refused": lambda row: _share(row["good_refused"]),
    "foreign refused": lambda row: _share(row["foreign_refused"]),
}
SUBTYPES: Columns = {
    "modality": itemgetter("modality"),
    "sub-types": lambda row: ", ".join(row["names"]),
    "pictures": lambda row: f"{row['pictures']}",
    "right": lambda row: f"{row['accuracy']:.1%} ({row['low']:.1%}-{row['high']:.1%})",
}


def sections(report: Json) -> dict[str, str]:
    """Return the text of every section by its heading. A section without figures is left out."""
    tracks = by_kind(report)
    points = [one | {"track": track["track"]} for track in tracks for one in track["operating_points"]]
    growth = [size | {"track": track["track"]} for track in tracks for size in track["growth"]]
    found = {
        "Recognition (rank-1, %)": _recognition(tracks),
        "Verification and strangers": _tabulate(VERIFICATION, tracks),
        "What the threshold does": _tabulate(DECISIONS, _decided(tracks)),
        "Controls": _tabulate(CONTROLS, _chance_tests(tracks)),
    }
    if points:
        chosen = [
            one | {"modality": name} for name, model in report["models"].items() for one in model["operating_points"]
        ]
        found["Operating points: thresholds"] = _tabulate(THRESHOLDS, chosen)
        found["Operating points: what they do"] = _tabulate(OPERATING_POINTS, points)
    if growth:
        found["Larger galleries"] = _tabulate(GROWTH, growth)
    if report["compa"]:
        found["COMPA"] = _compa(report["compa"])
    models = [model | {"model": name} for name, model in report["models"].items()]
    return found | {"Sizes and times": _tabulate(MODELS, models)}


def methods(track: Json) -> str:
    """Return a table of every method on one track."""
    return _tabulate(METHODS, track["methods"])


def _recognition(tracks: Sequence[Json]) -> str:
    """Rank-1 of the shipped model, in bold, and of the best baseline of each family."""
    families = list(dict.fromkeys(name for track in tracks for name in best_of_families(track)))
    rows = []
    for track in tracks:
        best = best_of_families(track)
        ours, *others = (percent(best.get(name)) for name in families)
        rows.append([track["track"], track["kind"], counts(track), f"**{ours}**", *others])
    return table(["track", "kind", "queries / enrolled / impostors", *families], rows)


def _decided(tracks: Sequence[Json]) -> list[Json]:
    both = ((track["track"], track["methods"][0]["decisions"]) for track in tracks)
    return [decisions | {"track": name} for name, decisions in both if decisions]


def _chance_tests(tracks: Sequence[Json]) -> list[Json]:
    return [
        method["chance_test"] | {"track": track["track"], "method": method["method"]}
        for track in tracks
        for method in track["methods"]
        if method["chance_test"]
    ]


def _compa(figures: Json) -> str:
    refused = ", ".join(
        f"{figures[f'{kind}_refused']:.2%} of {figures[kind]} {kind} pictures"
        for kind in ("foreign", "good")
        if figures[f"{kind}_refused"] is not None
    )
    accuracy = "" if figures["accuracy"] is None else f"Accuracy over the modalities {figures['accuracy']:.2%}. "
    named = zip(figures["labels"], figures["confusion"], strict=True)
    sources = [[name, f"{count}", f"{share:.1%}"] for name, (count, share) in figures["refused_by_source"].items()]
    tables = [
        table(["truth", *figures["labels"]], ([label, *map(str, row)] for label, row in named)),
        table(["source", "pictures", "refused"], sources),
        _tabulate(ROBUSTNESS, [{"change": "as they are", **figures}, *figures["robustness"]]),
    ]
    if figures["subtypes"]:
        tables.append(_tabulate(SUBTYPES, figures["subtypes"]))
    return "\n".join([f"{accuracy}Refused: {refused}.\n", *tables])


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.2%}"
