"""The search in PostgreSQL: an index names candidates, the embeddings themselves decide.

Templates of one modality and model digest are a table of their own, a *space* (migration 0002). Small spaces are
scanned. In large ones an HNSW index (Malkov & Yashunin 2018, arXiv:1603.09320) over half-precision copies of the
embeddings names the images that are probably nearest. Either way the best patients are taken out of these, and the
float32 cosines of all their images put them in order.
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.database.connections import Connection
from shared.gallery.interface import LEADERS, LEADING_IMAGES, LOCAL_IMAGES, Embedding, GalleryCandidate, SearchResult

MOST_CANDIDATES = 10_000
"""Images that the index names at most; a search that needs more to find patients enough scans."""
WIDENING = 4

SPACE = """
SELECT space, sum(patients)::bigint, sum(images)::bigint FROM spaces JOIN tallies USING (space)
WHERE modality = %s AND model_digest = %s GROUP BY space
"""
# Embeddings have unit length, so the inner product is the cosine; <#> is its negative, for ascending order.
ALL_IMAGES = "SELECT patient_key, embedding <#> %(probe)s AS distance FROM {table}"
# The expression is the one that is indexed; what it orders is measured anew.
NEAREST_BY_INDEX = """
SELECT patient_key, embedding <#> %(probe)s AS distance FROM {table}
ORDER BY (embedding::halfvec(256)) <#> %(probe)s::halfvec(256) LIMIT {images}
"""
# WITH TIES, so that those who are cut off are not the first of equals by identifier; the last LIMIT settles that.
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
    """One modality of one model: the number of its table, and how much is enrolled there."""

    number: int
    patients: int
    images: int


@dataclass(frozen=True, slots=True)
class Search:
    """What is asked for; see `shared.gallery.interface.Gallery.search`."""

    probe: Embedding
    limit: int
    with_local: int = 0


async def find_partition(connection: Connection, modality: str, model_digest: str) -> Partition | None:
    """The space with its counts, or None where nothing was ever enrolled."""
    cursor = await connection.execute(SPACE, [modality, model_digest])
    row = await cursor.fetchone()
    return Partition(*row) if row else None


async def search_partition(connection: Connection, space: Partition, asked: Search, exact_up_to: int) -> SearchResult:
    """The nearest patients of a space; the count is of the same snapshot.

    Where some patients have very many images, the candidates may be of too few patients: then there are more of them.
    """
    candidates = _enough(space, asked.limit) if space.images > exact_up_to else None
    while True:
        result = await _search(connection, space, asked, candidates)
        if candidates is None or len(result.candidates) >= min(asked.limit, result.enrolled_patients):
            return result
        candidates = candidates * WIDENING if candidates * WIDENING <= MOST_CANDIDATES else None


def _enough(space: Partition, limit: int) -> int:
    """Images that are probably of `limit` patients: twice as many as so many patients have on average."""
    return min(-(-2 * limit * space.images // max(space.patients, 1)), MOST_CANDIDATES)


async def _search(connection: Connection, space: Partition, asked: Search, images: int | None) -> SearchResult:
    """Out of so many candidates, or of all (None)."""
    table = f"templates_{space.number}"
    candidates = (ALL_IMAGES if images is None else NEAREST_BY_INDEX).format(table=table, images=images)
    query = SEARCH.format(
        candidates=candidates,
        table=table,
        space=space.number,
        leaders=LEADERS,
        leading_images=LEADING_IMAGES,
        local_images=LOCAL_IMAGES,
    )
    parameters = {"probe": asked.probe, "limit": asked.limit, "with_local": asked.with_local}
    cursor = connection.cursor(binary=True)  # keypoints as they are: as text they are twice as long
    rows = await (await cursor.execute(query.encode(), parameters)).fetchall()
    neighbours = [
        GalleryCandidate(row[0], row[1], row[2], tuple(part for part in row[3] or () if part)) for row in rows
    ]
    return SearchResult(neighbours, rows[0][4] if rows else 0)
