"""Nearest-neighbour search in PostgreSQL: an index preselects images, exact cosines decide.

Templates of one modality and model digest have their own table, a partition (`spaces` in migration 0002). Small
partitions are scanned. In large ones, an HNSW index (Malkov & Yashunin 2018, arXiv:1603.09320) over half-precision
embeddings preselects the nearest images. The patients of these images are then ordered by the float32 cosines of all
their images.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from shared.database.pool import Connection
from shared.gallery.interface import LEADERS, LEADING_IMAGES, LOCAL_IMAGES, Embedding, GalleryCandidate, SearchResult

MAX_INDEX_IMAGES = 10_000
"""Most images that the index preselects. A search that needs more scans the partition."""
WIDENING = 4
"""Factor by which a search that found too few patients preselects more images."""

FIND_PARTITION = """
SELECT space, sum(patients)::bigint, sum(images)::bigint FROM spaces JOIN tallies USING (space)
WHERE modality = %s AND model_digest = %s GROUP BY space
"""
# Embeddings have unit length, so the inner product is the cosine. <#> is its negative, for ascending order.
ALL_IMAGES = "SELECT patient_key, embedding <#> %(probe)s AS distance FROM {table}"
# ORDER BY must be the indexed expression. Exact cosines come later.
NEAREST_BY_INDEX = """
SELECT patient_key, embedding <#> %(probe)s AS distance FROM {table}
ORDER BY (embedding::halfvec(256)) <#> %(probe)s::halfvec(256) LIMIT {images}
"""
# WITH TIES keeps all patients of equal similarity; the last LIMIT takes the first of them by identifier.
SEARCH = """
WITH candidates AS ({candidates}), named AS (
    SELECT patient_key FROM candidates GROUP BY patient_key
    ORDER BY min(distance) FETCH FIRST %(limit)s ROWS WITH TIES
), compared AS (
    SELECT patient_key, patient_id, image_id, similarity,
        row_number() OVER (ORDER BY similarity DESC, patient_id) AS rank
    FROM named JOIN patients USING (patient_key) CROSS JOIN LATERAL (
        SELECT image_id, -(embedding <#> %(probe)s) AS similarity FROM {table} own
        WHERE own.patient_key = named.patient_key ORDER BY embedding <#> %(probe)s, image_id LIMIT 1
    ) best
    ORDER BY rank LIMIT %(limit)s
)
SELECT patient_id, image_id, similarity,
    CASE WHEN rank <= %(with_local)s THEN ARRAY(
        SELECT local FROM {table} own
        WHERE own.patient_key = compared.patient_key ORDER BY embedding <#> %(probe)s, image_id
        LIMIT CASE WHEN rank <= {leaders} THEN {leading_images} ELSE {local_images} END
    ) END,
    (SELECT sum(patients)::bigint FROM tallies WHERE space = {space})
FROM compared
ORDER BY rank
"""


@dataclass(frozen=True, slots=True)
class Partition:
    """The templates of one modality and model digest: the number of their table, and counts."""

    number: int
    patients: int
    images: int


async def find_partition(connection: Connection, modality: str, model_digest: str) -> Partition | None:
    """Return the partition with its counts, or None if nothing was ever enrolled there."""
    cursor = await connection.execute(FIND_PARTITION, [modality, model_digest])
    row = await cursor.fetchone()
    return Partition(*row) if row else None


async def search_partition(
    connection: Connection, partition: Partition, probe: Embedding, limit: int, with_local: int, exact_up_to: int
) -> SearchResult:
    """Return the nearest patients of a partition, and the count of patients in the same snapshot.

    `probe`, `limit` and `with_local` are those of `shared.gallery.interface.GalleryReader.search`. Up to `exact_up_to`
    images are compared without the index.

    If some patients have very many images, the preselected images may belong to too few patients. Then the search
    repeats with more images.
    """
    images = _preselected(partition, limit) if partition.images > exact_up_to else None
    parameters = {"probe": probe, "limit": limit, "with_local": with_local}
    while True:
        result = await _search(connection, partition, parameters, images)
        if images is None or len(result.candidates) >= min(limit, result.enrolled_patients):
            return result
        images = images * WIDENING if images * WIDENING <= MAX_INDEX_IMAGES else None


def _preselected(partition: Partition, limit: int) -> int:
    """Return how many images to preselect: twice as many as `limit` patients have on average."""
    return min(-(-2 * limit * partition.images // max(partition.patients, 1)), MAX_INDEX_IMAGES)


async def _search(
    connection: Connection, partition: Partition, parameters: dict[str, Any], images: int | None
) -> SearchResult:
    """Search `images` preselected images, or all (None)."""
    table = f"templates_{partition.number}"
    candidates = (ALL_IMAGES if images is None else NEAREST_BY_INDEX).format(table=table, images=images)
    query = SEARCH.format(
        candidates=candidates,
        table=table,
        space=partition.number,
        leaders=LEADERS,
        leading_images=LEADING_IMAGES,
        local_images=LOCAL_IMAGES,
    )
    cursor = connection.cursor(binary=True)  # keypoints as text would be twice as long
    rows = await (await cursor.execute(query.encode(), parameters)).fetchall()
    found = [GalleryCandidate(row[0], row[1], row[2], tuple(part for part in row[3] or () if part)) for row in rows]
    return SearchResult(found, rows[0][4] if rows else 0)
