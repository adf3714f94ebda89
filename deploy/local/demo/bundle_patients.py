"""Enrol real patients of a bundle's test split, then identify other pictures of them and of strangers."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from deploy.local.demo.demo_api import REFUSED, Answer, Api
from deploy.local.progress import Steps
from shared.modalities import load_registry
from training.data.bundle_manifest import Row, read_manifest

PATIENTS = 40
"""Maximum number of patients of each modality, and of strangers."""


@dataclass(frozen=True)
class Selection:
    """The patients and strangers of one modality."""

    modality: str
    gallery: Sequence[Row]
    queries: Sequence[Row]
    strangers: Sequence[Row]


Tallies = dict[tuple[str, str], Counter[str]]
"""Outcomes by modality and kind (patients, strangers)."""


def run_bundle(api: Api, root: Path, console: Console) -> int:
    """Identify, and print how often it was right. Return 0: accuracy is shown, not required."""
    rows = read_manifest(root)
    selections = [s for name in load_registry().names if (s := select(rows, name)).gallery]
    if not selections:
        raise ValueError(
            "The manifest has no row of a known modality with split=test and role=gallery."
            " Add some: see docs/how-to/own-data.md."
        )
    tallies = _run(api, root, selections, console)
    console.print(_patients_table(selections, tallies), _strangers_table(selections, tallies))
    return 0


def select(rows: Sequence[Row], modality: str) -> Selection:
    """Select up to PATIENTS patients and strangers of the test split from all tracks, always the same ones."""
    test = [row for row in rows if row.split == "test" and row.modality == modality and row.track]
    gallery = [row for row in test if row.role == "gallery"]
    queried = {_key(row) for row in test if row.role == "query"}
    patients = _choose(_key(row) for row in gallery if _key(row) in queried)
    strangers = _choose(_key(row) for row in test if row.role == "impostor")
    one_each = {row.subject: row for row in test if row.role == "impostor" and _key(row) in strangers}
    return Selection(
        modality,
        [row for row in gallery if _key(row) in patients],
        [row for row in test if row.role == "query" and _key(row) in patients],
        list(one_each.values()),
    )


def _key(row: Row) -> tuple[str, str]:
    return row.track, row.subject


def _choose(keys: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    """Choose PATIENTS of them, alternating between the tracks, in an order independent of the subjects' names."""
    tracks: dict[str, list[tuple[str, str]]] = {}
    for key in sorted(set(keys), key=lambda key: hashlib.sha256(key[1].encode()).digest()):
        tracks.setdefault(key[0], []).append(key)
    in_turn = chain.from_iterable(zip_longest(*(tracks[track] for track in sorted(tracks))))
    one_each = {key[1]: key for key in in_turn if key is not None}
    return set(list(one_each.values())[:PATIENTS])


def _run(api: Api, root: Path, selections: Sequence[Selection], console: Console) -> Tallies:
    tallies: Tallies = defaultdict(Counter)
    with Steps(console, sum(len(s.gallery) + len(s.queries) + len(s.strangers) for s in selections)) as steps:
        for selection in selections:
            steps.begin(f"enrolling {selection.modality}")
            patients: dict[str, list[Row]] = defaultdict(list)
            for row in selection.gallery:
                patients[row.subject].append(row)
            for patient, rows in patients.items():
                # the caller knows the modality when it enrols; when it identifies, COMPA finds the modality
                api.enrol(patient, [root / row.path for row in rows], selection.modality)
                steps.advance(len(rows))
            steps.begin(f"identifying {selection.modality}")
            for kind, queries in (("patients", selection.queries), ("strangers", selection.strangers)):
                for row in queries:
                    word = outcome(api.identify(root / row.path), selection.modality, row.subject)
                    tallies[selection.modality, kind][word] += 1
                    steps.advance()
    return tallies


def outcome(answer: Answer, modality: str, subject: str) -> str:
    """Return one word for the answer to a picture of `subject`."""
    if answer.decision == REFUSED:
        return REFUSED
    if answer.modality != modality:
        return "misrouted"
    if answer.decision == "candidates":
        return "candidates" if subject in answer.candidates else "other candidates"
    if answer.decision == "identified":
        return "right" if answer.patient_id == subject else "wrong"
    return answer.decision


def _patients_table(selections: Sequence[Selection], tallies: Tallies) -> Table:
    headings = ("people", "pictures", "right", "wrong", "candidates", "unknown", "misrouted", "refused")
    table = _table("Other pictures of enrolled patients", "modality", *headings)
    table.caption = "candidates: the patient is among them in so many of so many"
    for s in selections:
        counts = tallies[s.modality, "patients"]
        people = len({row.subject for row in s.gallery})
        candidates = f"{counts['candidates']}/{counts['candidates'] + counts['other candidates']}"
        cells = (people, len(s.queries), counts["right"], counts["wrong"], candidates, *_others(counts))
        table.add_row(s.modality, *(str(cell) for cell in cells))
    return table


def _strangers_table(selections: Sequence[Selection], tallies: Tallies) -> Table:
    headings = ("people", "wrong", "candidates", "unknown", "misrouted", "refused")
    table = _table("Pictures of people who are not enrolled", "modality", *headings)
    for s in selections:
        counts = tallies[s.modality, "strangers"]
        candidates = counts["candidates"] + counts["other candidates"]
        cells = (len(s.strangers), counts["wrong"], candidates, *_others(counts))
        table.add_row(s.modality, *(str(cell) for cell in cells))
    return table


def _others(counts: Counter[str]) -> tuple[int, int, int]:
    return counts["unknown"], counts["misrouted"], counts[REFUSED]


def _table(title: str, first: str, *headings: str) -> Table:
    table = Table(first, title=title, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    table.title_justify = table.caption_justify = "left"
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    return table
