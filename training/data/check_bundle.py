"""`make check-bundle DATA=<bundle>`: check a bundle before anything is installed. Standard library only.

Checks the columns and values of `manifest.csv`, that every image file exists, that no subject is in two splits, and
that there are enough people to train or evaluate. With `--weights` also that the ImageNet weights are there.
"""

from __future__ import annotations

import argparse
import sys
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from training.data.bundle_manifest import MANIFEST_NAME, Row, parse_manifest
from training.data.imagenet_weights import beside, require_weights
from training.data.splits import learning_rows, shortage

REPOSITORY = Path(__file__).parents[2]
COMPA = "compa"
OTHER = "other"
SHOWN = 20
"""Problems that are printed; the rest is counted."""


def main(arguments: list[str] | None = None) -> int:
    """Print what is wrong, or a summary. Return 0 if the bundle is usable, else 2."""
    parser = argparse.ArgumentParser(prog="python -m training.data.check_bundle", description=__doc__)
    parser.add_argument("--data", required=True, type=Path, help="folder with manifest.csv and the images")
    parser.add_argument("--modality", help="check that this one (or compa) can be trained")
    parser.add_argument("--evaluate", metavar="SPLIT", help="check that this split can be evaluated")
    parser.add_argument(
        "--weights",
        nargs="?",
        const="",
        help="check that the ImageNet weights to train or evaluate with are in this folder (default: beside the data)",
    )
    options = parser.parse_args(arguments)
    rows, problems = parse_manifest(options.data)
    problems += _missing_files(options.data, rows)
    names = _registered()
    if not problems and options.modality:
        problems += _training_problems(options.modality, names, rows)
    if not problems and options.evaluate:
        problems += _evaluation_problems(options.evaluate, rows)
    if not problems and options.weights is not None:
        folder = Path(options.weights) if options.weights else beside(options.data)
        problems += _missing_weights(options.modality, folder)
    for problem in problems[:SHOWN]:
        print(problem, file=sys.stderr)  # noqa: T201
    if len(problems) > SHOWN:
        print(f"... and {len(problems) - SHOWN} more problems.", file=sys.stderr)  # noqa: T201
    if problems:
        return 2
    if not options.modality and not options.evaluate:
        for line in _summary(names, rows):
            print(line)  # noqa: T201
    return 0


def _missing_files(root: Path, rows: Sequence[Row]) -> list[str]:
    return [
        f"{MANIFEST_NAME}, line {i}: the image file does not exist. Paths are relative to the data folder."
        for i, row in enumerate(rows, 2)
        if row.path and not (root / row.path).is_file()
    ]


def _unknown_modalities(names: Sequence[str], rows: Sequence[Row]) -> Iterator[str]:
    unknown = [(i, row.modality) for i, row in enumerate(rows, 2) if row.modality not in (*names, OTHER)]
    if unknown:
        line, name = unknown[0]
        yield (
            f"Unknown modality in {len(unknown)} of {len(rows)} rows ({name!r} in line {line}). Only COMPA uses such"
            f" rows, as {OTHER}. Known are {', '.join(names)}."
        )


def _missing_weights(modality: str | None, folder: Path) -> list[str]:
    """Return what is missing to train a modality, or without one, to evaluate beside the baselines."""
    if modality:
        try:
            require_weights(_settings(modality)["backbone"], folder)
        except ValueError as error:
            return [str(error)]
    elif not folder.is_dir():
        problem = (
            f"The baselines need ImageNet weights, and there is no folder {folder}. Name it (make evaluate"
            " WEIGHTS=<folder>), or leave the baselines out (BASELINES=0)."
        )
        return [problem]
    return []


def _settings(name: str) -> dict[str, Any]:
    return tomllib.loads((REPOSITORY / f"{name}-service/training.toml").read_text(encoding="utf-8"))


def _registered() -> list[str]:
    text = (REPOSITORY / "shared/modalities/registry.toml").read_text(encoding="utf-8")
    return [modality["name"] for modality in tomllib.loads(text)["modality"]]


def _training_problems(name: str, names: Sequence[str], rows: Sequence[Row]) -> list[str]:
    if name == COMPA:
        learned = {row.modality for row in rows if row.split == "train"}
        return [
            f"COMPA needs images of every modality, and {other} has no row with split=train. Add some."
            for other in names
            if other not in learned
        ]
    if name not in names:
        return [f"There is no modality {name}. Choose from {', '.join((COMPA, *names))}."]
    settings = _settings(name)
    kept = learning_rows(rows, name, settings.get("sources", ()), settings.get("instance_sources", ()))
    share = settings.get("validation_share", 0.15) if "finetune" in settings else None
    problem = shortage(kept, rows, name, settings.get("sources", ()), share)
    return [problem] if problem else []


def _evaluation_problems(split: str, rows: Sequence[Row]) -> list[str]:
    roles = {(row.track or row.source, row.role) for row in rows if row.split == split}
    tracks = {track for track, role in roles if role == "query"} & {track for track, role in roles if role == "gallery"}
    if tracks:
        return []
    problem = (
        f"No track of split={split} has rows of both roles gallery and query, so there is nothing to evaluate."
        " Mark the images to enrol as gallery, and later ones of the same people as query."
    )
    return [problem]


def _summary(names: Sequence[str], rows: Sequence[Row]) -> Iterator[str]:
    yield f"{MANIFEST_NAME}: {len(rows)} rows, all files exist, no subject is in two splits."
    yield from _unknown_modalities(names, rows)
    for name in (*names, COMPA):
        own = [row for row in rows if name in (COMPA, row.modality)]
        people = {split: len({r.subject for r in own if r.split == split and r.subject}) for split in ("train", "test")}
        if own and name != COMPA:
            yield f"{name}: {len(own)} images; {people['train']} people to train on, {people['test']} to test on."
        problems = _training_problems(name, names, rows) if own else ["It has no rows."]
        yield f"  make train MODALITY={name}: " + (problems[0] if problems else "possible.")
    evaluation = _evaluation_problems("test", rows)
    yield "make evaluate: " + (evaluation[0] if evaluation else "possible.")


if __name__ == "__main__":
    sys.exit(main())
