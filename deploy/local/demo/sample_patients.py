"""Enrol the sample patients from one acquisition, and identify them from another, with strangers between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from deploy.local.demo.demo_api import REFUSED, Answer, Api
from deploy.local.progress import Steps
from samples import Role, Sample, sample_set

PREFIX = "DEMO-"
"""Prefix of the ids of all patients that the demonstration enrols and may erase."""


@dataclass(frozen=True)
class Outcome:
    """A sample and its answer."""

    sample: Sample
    answer: Answer

    @property
    def routed(self) -> bool:
        """Whether it went to the service of its modality, or was refused if it has none."""
        return self.answer.decision == REFUSED if self.sample.refused else self.answer.modality == self.sample.modality

    @property
    def right(self) -> bool:
        """Whether a patient is found, a stranger unknown, or a foreign picture refused."""
        if self.sample.role == "query":
            return self.routed and self.answer.patient_id == PREFIX + self.sample.patient_id
        return self.routed and self.answer.decision in {"unknown", REFUSED}


def run_samples(api: Api, console: Console) -> int:
    """Enrol, identify, print. Return 1 if an answer was wrong."""
    outcomes = list(_identified(api, console))
    console.print(_table(outcomes))
    for wrong in (outcome for outcome in outcomes if not outcome.right):
        console.print(f"{_name(wrong.sample)} should be {expectation(wrong.sample)}", style="red", highlight=False)
    console.print(summary(outcomes), highlight=False, soft_wrap=True)
    return 0 if all(outcome.right for outcome in outcomes) else 1


def _identified(api: Api, console: Console) -> Iterator[Outcome]:
    enrolled = sample_set(role="enrol")
    asked = [sample for sample in sample_set() if sample.role != "enrol"]
    with Steps(console, len(enrolled) + len(asked)) as steps:
        steps.begin("enrolling")
        for patient in {sample.patient_id for sample in enrolled}:
            api.erase(PREFIX + patient)
        for sample in enrolled:
            api.enrol(PREFIX + sample.patient_id, [sample.path])
            steps.advance()
        steps.begin("identifying")
        for sample in asked:
            yield Outcome(sample, api.identify(sample.path))
            steps.advance()


def _table(outcomes: Sequence[Outcome]) -> Table:
    table = Table("file", "kind", "modality", "decision", "patient", box=None, padding=(0, 1, 0, 0))
    table.add_column("confidence", justify="right")
    table.add_column("ms", justify="right")
    table.add_column("")
    for outcome in outcomes:
        answer = outcome.answer
        table.add_row(
            _name(outcome.sample),
            outcome.sample.kind,
            answer.modality,
            answer.decision,
            answer.patient_id or "",
            "" if answer.decision == REFUSED else f"{answer.confidence:.2f}",
            f"{answer.milliseconds:.0f}",
            "[green]✓[/green]" if outcome.right else "[red]✗[/red]",
        )
    return table


def _name(sample: Sample) -> str:
    return f"{sample.path.parent.name}/{sample.path.name}"


def expectation(sample: Sample) -> str:
    """Return the expected answer to a sample."""
    if sample.role == "query":
        return PREFIX + sample.patient_id
    return REFUSED if sample.refused else f"unknown ({sample.modality})"


def summary(outcomes: Sequence[Outcome]) -> str:
    """Return one line of counts."""
    routed = sum(outcome.routed for outcome in outcomes)
    right = Counter(outcome.sample.role for outcome in outcomes if outcome.right)
    asked = Counter(outcome.sample.role for outcome in outcomes)
    parts: list[tuple[Role, str]] = [
        ("query", "patients found"),
        ("stranger", "strangers unknown"),
        ("foreign", "other pictures refused"),
    ]
    counts = [f"{right[role]} of {asked[role]} {what}" for role, what in parts]
    return ", ".join([f"{routed} of {len(outcomes)} routed rightly", *counts])
