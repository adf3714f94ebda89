"""What the checkpoints of a run belong to: one configuration and one set of pictures.

A run goes on from its last epoch, and one that has come to its end is read. With another configuration, or other
pictures, that would ship what nobody asked for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from training.data.bundle_manifest import Row
from training.engine.configuration import ClassifierConfiguration, IdentifierConfiguration

BELONGS_FILE = "belongs-to.txt"


def claim(run: Path, configuration: ClassifierConfiguration | IdentifierConfiguration, rows: Iterable[Row]) -> None:
    """Write into the folder what its checkpoints are of; ValueError where there are others of something else.

    `rows` are the pictures to learn from. Nothing is written where the configuration leaves no checkpoints.
    """
    if not (configuration.epochs or (isinstance(configuration, IdentifierConfiguration) and configuration.tuning)):
        return
    pictures = sorted((row.path, row.subject, row.split, row.role) for row in rows)
    said = f"{configuration.model_dump_json()}\n{hashlib.sha256(repr(pictures).encode()).hexdigest()}\n"
    file = run / BELONGS_FILE
    if file.is_file() and file.read_text(encoding="utf-8") != said:
        raise ValueError(
            f"{run} has checkpoints of another configuration or of other pictures: train anew with --restart, "
            "or name another folder with --runs"
        )
    run.mkdir(parents=True, exist_ok=True)
    file.write_text(said, encoding="utf-8")
