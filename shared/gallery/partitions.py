"""Spaces: what one model makes of one modality is kept in a table of its own, with an index of its own."""

from __future__ import annotations

from collections.abc import Sequence

from shared.database.connections import Database
from shared.gallery.interface import Template


async def create_partitions(database: Database, templates: Sequence[Template]) -> None:
    """Make the tables that these templates need and that do not exist.

    Each in a transaction of its own that holds nothing else, so that enrolments cannot wait for each other in a ring.
    """
    wanted = {(template.modality, template.model_digest) for template in templates}
    known = {tuple(row) for row in await database.fetch("SELECT modality, model_digest FROM spaces")}
    for space in sorted(wanted - known):
        await database.fetch("SELECT index_space(open_space(%s, %s))", space)
