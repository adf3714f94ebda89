"""The gallery on PostgreSQL with pgvector."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from psycopg.sql import SQL

from shared.database.pool import Connection, Database
from shared.errors import Conflict, NotFound
from shared.gallery.interface import (
    IDEMPOTENCY_HOURS,
    LEADING_IMAGES,
    LOCAL_IMAGES,
    Embedding,
    Erasure,
    GalleryCandidate,
    IdempotencyClaim,
    ImageRecord,
    ModalityCount,
    PatientLine,
    PatientRecord,
    SearchResult,
    Template,
)
from shared.gallery.vector_search import Partition, find_partition, search_partition
from shared.ulid import new_ulid

FIND = """
SELECT patient_id, image_id, -(embedding <#> %(probe)s), local
FROM templates JOIN patients USING (patient_key)
WHERE patient_id = %(patient)s AND modality = %(modality)s AND model_digest = %(digest)s
ORDER BY embedding <#> %(probe)s, image_id
LIMIT %(images)s
"""
LOCAL = """
SELECT patient_id, ARRAY(
    SELECT local FROM templates own
    WHERE own.patient_key = patients.patient_key AND modality = %(modality)s AND model_digest = %(digest)s
    ORDER BY embedding <#> %(probe)s, image_id LIMIT %(images)s
)
FROM patients WHERE patient_id = ANY(%(patients)s)
"""
IMAGE_COLUMNS = "image_id, modality, model_digest, quality, reference, acquired_at, enrolled_at"
PARTITION_CACHE_S = 1.0
"""Seconds that the counts of a partition are reused. They only choose between scan and index."""


class PostgresGallery:
    """Templates of enrolled patients; implements `shared.gallery.interface.GalleryReader`.

    Every method raises `shared.errors.DatabaseUnavailable` if the database does not answer.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[tuple[str, str], tuple[float, Partition]] = {}

    async def ping(self) -> None:
        """Return if the database answers and has the current schema."""
        await self._database.ping()

    async def search(
        self, modality: str, model_digest: str, embedding: Embedding, limit: int, with_local: int = 0
    ) -> SearchResult:
        """Search exactly up to `gallery_exact_up_to` images; an index preselects candidates in larger partitions."""
        async with self._database.session() as connection:
            partition = await self._partition(connection, modality, model_digest)
            if partition is None:
                return SearchResult([], 0)
            exact_up_to = self._database.settings.gallery_exact_up_to
            return await search_partition(connection, partition, embedding, limit, with_local, exact_up_to)

    async def _partition(self, connection: Connection, modality: str, model_digest: str) -> Partition | None:
        until, partition = self._known.get((modality, model_digest), (0.0, None))
        if partition is None or until < time.monotonic():
            partition = await find_partition(connection, modality, model_digest)
            if partition is not None:
                self._known[modality, model_digest] = time.monotonic() + PARTITION_CACHE_S, partition
        return partition

    async def local(
        self, modality: str, model_digest: str, embedding: Embedding, patient_ids: Sequence[str]
    ) -> Sequence[tuple[bytes, ...]]:
        """Return, per patient, the local parts of the `LOCAL_IMAGES` most similar images."""
        asked = {"probe": embedding, "modality": modality, "digest": model_digest, "patients": list(patient_ids)}
        async with self._database.session() as connection:
            cursor = connection.cursor(binary=True)  # as in a search
            rows = await (await cursor.execute(LOCAL, {**asked, "images": LOCAL_IMAGES})).fetchall()
        found = {row[0]: tuple(part for part in row[1] if part) for row in rows}
        return [found.get(patient_id, ()) for patient_id in patient_ids]

    async def find(
        self, modality: str, model_digest: str, embedding: Embedding, patient_id: str
    ) -> GalleryCandidate | None:
        """Return the patient's image that is most similar to the probe, or None."""
        asked = {"probe": embedding, "modality": modality, "digest": model_digest, "patient": patient_id}
        rows = await self._database.fetch(FIND, {**asked, "images": LEADING_IMAGES})
        local = tuple(row[3] for row in rows if row[3] is not None)
        return GalleryCandidate(rows[0][0], rows[0][1], rows[0][2], local) if rows else None

    async def enrol(
        self,
        patient_id: str,
        templates: Sequence[Template],
        *,
        reference: str | None = None,
        acquired_at: datetime | None = None,
        idempotency: IdempotencyClaim | None = None,
    ) -> Sequence[ImageRecord]:
        """Store all templates in one transaction and create the patient if needed. Searchable on return.

        With a claim that was seen before, return what the first request stored. Raises `shared.errors.Conflict` if
        the claim's fingerprint differs from the first one.
        """
        await create_partitions(self._database, templates)
        while True:
            stored = await self.replay(idempotency) if idempotency is not None else None
            if stored is not None:
                return stored
            with suppress(_ClaimedBefore):  # another request made the claim meanwhile: replay that one
                return await self._store(patient_id, templates, reference, acquired_at, idempotency)

    async def _store(
        self,
        patient_id: str,
        templates: Sequence[Template],
        reference: str | None,
        acquired_at: datetime | None,
        idempotency: IdempotencyClaim | None,
    ) -> list[ImageRecord]:
        async with self._database.connection() as connection:
            key = await _patient_key(connection, patient_id)
            image_ids = sorted(new_ulid() for _ in templates)  # the history keeps the order of the uploads
            if idempotency is not None:
                await _claim(connection, idempotency, key, image_ids)
            rows = [
                (i, key, t.modality, t.model_digest, t.embedding, t.local, t.quality, reference, acquired_at)
                for i, t in zip(image_ids, templates, strict=True)
            ]
            await _insert(connection, rows)
            return await _images(connection, image_ids)

    async def replay(self, claim: IdempotencyClaim) -> Sequence[ImageRecord] | None:
        """Return what this claim stored, or None. Raises `shared.errors.Conflict` as `enrol` does."""
        async with self._database.connection() as connection:
            await connection.execute(
                "DELETE FROM idempotency WHERE created_at < now() - make_interval(hours => %s)", [IDEMPOTENCY_HOURS]
            )
            cursor = await connection.execute(
                "SELECT fingerprint, image_ids FROM idempotency WHERE caller = %s AND key = %s",
                [claim.caller, claim.key],
            )
            row = await cursor.fetchone()
            if row is None:
                return None
            if bytes(row[0]) != claim.fingerprint:
                raise Conflict
            return await _images(connection, row[1])

    async def patients(self, after: str | None, limit: int) -> Sequence[PatientLine]:
        """Return up to `limit` patients behind `after`, in byte order of patient_id."""
        rows = await self._database.fetch(
            """
            SELECT p.patient_id, p.created_at, count(t.image_id),
                   coalesce(array_agg(DISTINCT t.modality) FILTER (WHERE t.modality IS NOT NULL), '{}')
            FROM (SELECT * FROM patients WHERE patient_id > %s ORDER BY patient_id LIMIT %s) p
            LEFT JOIN templates t USING (patient_key)
            GROUP BY p.patient_id, p.created_at
            ORDER BY p.patient_id
            """,
            [after or "", limit],
        )
        return [PatientLine(*row) for row in rows]

    async def patient(self, patient_id: str) -> PatientRecord:
        """Return one patient with all images. Raises `shared.errors.NotFound`."""
        async with self._database.connection() as connection:
            cursor = await connection.execute(
                "SELECT patient_key, created_at FROM patients WHERE patient_id = %s", [patient_id]
            )
            row = await cursor.fetchone()
            if row is None:
                raise NotFound("There is no patient with that id.")
            cursor = await connection.execute(
                f"SELECT {IMAGE_COLUMNS} FROM templates WHERE patient_key = %s"  # noqa: S608 - a constant
                " ORDER BY coalesce(acquired_at, enrolled_at), image_id",
                [row[0]],
            )
            images = [ImageRecord(*image) for image in await cursor.fetchall()]
        return PatientRecord(patient_id, row[1], images)

    async def erase(self, patient_id: str) -> Erasure:
        """Delete the patient with templates and claims. Audit events then name no patient.

        Raises `shared.errors.NotFound`.
        """
        async with self._database.connection() as connection:
            cursor = await connection.execute(
                "SELECT patient_key FROM patients WHERE patient_id = %s FOR UPDATE", [patient_id]
            )
            row = await cursor.fetchone()
            if row is None:
                raise NotFound("There is no patient with that id.")
            images = (await connection.execute("DELETE FROM templates WHERE patient_key = %s", row)).rowcount
            await connection.execute("DELETE FROM patients WHERE patient_key = %s", row)
            erasure = Erasure(new_ulid(), images, datetime.now(UTC))
            await connection.execute(
                "INSERT INTO erasures (receipt_id, images_erased, erased_at) VALUES (%s, %s, %s)",
                [erasure.receipt_id, erasure.images_erased, erasure.erased_at],
            )
        return erasure

    async def erase_image(self, patient_id: str, image_id: str) -> None:
        """Delete one image. A patient without images stays until erased. Raises `shared.errors.NotFound`."""
        async with self._database.connection() as connection:
            cursor = await connection.execute(
                "SELECT patient_key FROM patients WHERE patient_id = %s FOR NO KEY UPDATE", [patient_id]
            )
            row = await cursor.fetchone()
            asked = [row[0] if row else None, image_id]
            erased = await connection.execute("DELETE FROM templates WHERE patient_key = %s AND image_id = %s", asked)
            if erased.rowcount == 0:
                raise NotFound("The patient has no image with that id.")
            await connection.execute(
                "UPDATE idempotency SET image_ids = array_remove(image_ids, %(image)s)"
                " WHERE patient_key = %(key)s AND %(image)s = ANY(image_ids)",
                {"key": asked[0], "image": image_id},
            )

    async def counts(self) -> Sequence[ModalityCount]:
        """Return enrolled patients and images per modality and digest."""
        rows = await self._database.fetch(
            "SELECT modality, model_digest, sum(patients)::bigint, sum(images)::bigint FROM spaces JOIN tallies"
            " USING (space) GROUP BY modality, model_digest HAVING sum(images) > 0"
        )
        return [ModalityCount(*row) for row in rows]


async def create_partitions(database: Database, templates: Sequence[Template]) -> None:
    """Create the partitions that these templates need and that do not exist.

    Each one has its own transaction, which holds no other lock: so parallel enrolments cannot deadlock.
    """
    wanted = {(template.modality, template.model_digest) for template in templates}
    known = {tuple(row) for row in await database.fetch("SELECT modality, model_digest FROM spaces")}
    for partition in sorted(wanted - known):
        await database.fetch("SELECT index_space(open_space(%s, %s))", partition)


class _ClaimedBefore(Exception):
    """Rolls back an enrolment if another one holds its claim."""


async def _patient_key(connection: Connection, patient_id: str) -> Any:
    """Return the patient's key, creating the patient if needed. The row stays locked against a parallel erasure."""
    cursor = await connection.execute(
        "INSERT INTO patients (patient_id) VALUES (%s)"
        " ON CONFLICT (patient_id) DO UPDATE SET patient_id = excluded.patient_id RETURNING patient_key",
        [patient_id],
    )
    row = await cursor.fetchone()
    return row[0] if row else None


async def _insert(connection: Connection, rows: Sequence[Sequence[Any]]) -> None:
    """Insert all rows by one statement, because a trigger counts after each statement."""
    if rows:
        row = SQL("(%s, %s, %s, %s, %s, %s, %s, %s, %s)")
        statement = SQL(
            "INSERT INTO templates (image_id, patient_key, modality, model_digest, embedding, local, quality,"
            " reference, acquired_at) VALUES {}"
        ).format(SQL(", ").join([row] * len(rows)))
        await connection.execute(statement, [value for values in rows for value in values])


async def _claim(connection: Connection, claim: IdempotencyClaim, key: Any, image_ids: Sequence[str]) -> None:
    cursor = await connection.execute(
        "INSERT INTO idempotency (caller, key, fingerprint, patient_key, image_ids) VALUES (%s, %s, %s, %s, %s)"
        " ON CONFLICT DO NOTHING",
        [claim.caller, claim.key, claim.fingerprint, key, list(image_ids)],
    )
    if cursor.rowcount == 0:
        raise _ClaimedBefore


async def _images(connection: Connection, image_ids: Sequence[str]) -> list[ImageRecord]:
    cursor = await connection.execute(
        f"SELECT {IMAGE_COLUMNS} FROM templates"  # noqa: S608 - a constant
        " WHERE image_id = ANY(%s) ORDER BY array_position(%s::text[], image_id)",
        [list(image_ids), list(image_ids)],
    )
    return [ImageRecord(*row) for row in await cursor.fetchall()]
