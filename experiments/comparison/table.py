"""The table of docs/notebook/prior-work.md, from the stored results, so that no figure is typed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from experiments.comparison.candidates import REFERENCE, SIZE, Candidate
from experiments.comparison.material import Budget
from experiments.comparison.results import Result, TrackRanks
from training.evaluation.bootstrap import Interval
from training.evaluation.report_tables import NONE, table

QUESTIONS = ("start", "a", "b", "c", "d")
INTRODUCTION = """\
Seed {seed}; {size} pixels a side; {steps} steps of {pictures} pictures of each modality ({seen} pictures), the same to
the pixel in every trained row; the last weights count. Asked are {share} % of the subjects of `split=train`, who were
not learned from. In a cell: rank-1 / mean average precision, %; below it, mean average precision less that of the row
named under *against*, in points. In brackets: 95 % intervals by bootstrap over subjects; differences are paired.
"""


def comparison(candidates: Sequence[Candidate], results: Mapping[str, Result], budget: Budget) -> str:
    """What every row saw, and a row per finished candidate, by question."""
    finished = [c for question in QUESTIONS for c in candidates if c.question == question and c.key in results]
    if not finished:
        return "Nothing was measured yet.\n"
    tracks = results[finished[0].key].tracks
    header = [
        "",
        "row",
        "learned",
        "against",
        *map(_heading, tracks),
        "parameters, M",
        "pictures",
        "minutes, wall / CPU",
    ]
    rows = [_row(candidate, results, [track.track for track in tracks]) for candidate in finished]
    return f"{_introduction(budget)}\n{table(header, rows)}"


def _introduction(budget: Budget) -> str:
    return INTRODUCTION.format(
        seed=budget.seed,
        size=SIZE,
        steps=budget.steps,
        pictures=budget.pictures,
        seen=budget.steps * budget.pictures,
        share=round(100 * budget.validation_share),
    )


def _heading(track: TrackRanks) -> str:
    asked = len(set(track.subjects))
    return f"{track.track}: {len(track.ranks)} probes of {asked} subjects, {track.enrolled} enrolled"


def _row(candidate: Candidate, results: Mapping[str, Result], tracks: Sequence[str]) -> list[str]:
    against = candidate.against if candidate.against in results else REFERENCE
    result, other = results[candidate.key], results.get(against) if against != candidate.key else None
    minutes = f"{result.wall_seconds / 60:.1f} / {result.cpu_seconds / 60:.1f}"
    return [
        candidate.question,
        candidate.title,
        candidate.learned,
        against if other else NONE,
        *(_cell(result.track(name), other.track(name) if other else None) for name in tracks),
        f"{result.parameters / 1e6:.1f}",
        str(result.pictures),
        minutes,
    ]


def _cell(ranks: TrackRanks, other: TrackRanks | None) -> str:
    rank1, precision = ranks.figures()
    figures = f"{_percent(rank1)} / {_percent(precision)}"
    if other is None:
        return figures
    gain = ranks.gain(other)
    return f"{figures}<br>{100 * gain.value:+.1f} ({100 * gain.low:+.1f} to {100 * gain.high:+.1f})"


def _percent(interval: Interval) -> str:
    return f"{100 * interval.value:.1f} ({100 * interval.low:.1f}-{100 * interval.high:.1f})"
