"""Grow the gallery: in bulk to almost the wanted size, and the last people through the product."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import numpy as np
import psycopg
from pgvector.psycopg import register_vector
from tqdm import tqdm

from benchmarks.gallery.population import Population
from shared.database.pool import Database
from shared.gallery.interface import Template
from shared.gallery.postgres import PostgresGallery
from shared.ulid import new_ulid
from training.evaluation.distractors import Persons

MODALITY, DIGEST = "bench", f"sha256:{'0' * 64}"
PATIENTS = "COPY patients (patient_key, patient_id) FROM STDIN WITH (FORMAT BINARY)"
TEMPLATES = (
    "COPY templates (image_id, patient_key, modality, model_digest, embedding, quality) FROM STDIN WITH (FORMAT BINARY)"
)
PROGRESS = "SELECT tuples_done FROM pg_stat_progress_create_index"
POLL_S = 1.0


def patient_id(number: int) -> str:
    """Return the invented identifier of the person with that number."""
    return f"P-{number:07d}"


def open_space(url: str) -> int:
    """Return the number of the benchmark's partition, and create it if it is missing."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT index_space(open_space(%s, %s))", [MODALITY, DIGEST])
        row = connection.execute(
            "SELECT space FROM spaces WHERE modality = %s AND model_digest = %s", [MODALITY, DIGEST]
        ).fetchone()
    return int(row[0]) if row else 0


def index_name(space: int) -> str:
    """Return the name of the approximate index."""
    return f"templates_{space}_nearest"


def enrolled(url: str, space: int) -> int:
    """Count the people of the partition. They have the first numbers."""
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT sum(patients)::bigint FROM tallies WHERE space = %s", [space]).fetchone()
    return int(row[0] or 0) if row else 0


def load(url: str, space: int, population: Population, end: int) -> None:
    """Load all missing people up to number `end`, without the approximate index."""
    begin = enrolled(url, space)
    if begin >= end:
        return
    with psycopg.connect(url) as connection, tqdm(total=end - begin, desc="loading", unit="patient") as bar:
        register_vector(connection)
        connection.execute(f"DROP INDEX IF EXISTS {index_name(space)}".encode())
        connection.commit()
        for number, persons in population.blocks(begin, end):
            _copy(connection, number, persons)
            connection.commit()
            bar.update(len(persons))


def _copy(connection: psycopg.Connection[tuple[object, ...]], first: int, persons: Persons) -> None:
    keys = [uuid4() for _ in persons]
    with connection.cursor() as cursor:
        with cursor.copy(PATIENTS) as rows:
            rows.set_types(["uuid", "text"])
            for number, key in enumerate(keys, first):
                rows.write_row((key, patient_id(number)))
        with cursor.copy(TEMPLATES) as rows:
            rows.set_types(["text", "uuid", "text", "text", "vector", "float4"])
            for key, person in zip(keys, persons, strict=True):
                for embedding in person:
                    rows.write_row((new_ulid(), key, MODALITY, DIGEST, embedding, 0.5))


def build_index(url: str, space: int, images: int) -> float | None:
    """Build the approximate index. Return the seconds, or None if it exists already."""
    with psycopg.connect(url, autocommit=True) as building, psycopg.connect(url, autocommit=True) as watching:
        if building.execute("SELECT to_regclass(%s)", [index_name(space)]).fetchone() != (None,):
            return None
        begun = time.perf_counter()
        with ThreadPoolExecutor(1) as thread, tqdm(total=images, desc="building the index", unit="template") as bar:
            built = thread.submit(building.execute, "SELECT index_space(%s)", [space])
            while not built.done():
                for (done,) in watching.execute(PROGRESS).fetchall():
                    bar.update(max(done - bar.n, 0))
                time.sleep(POLL_S if images > 10_000 else 0.05)
            built.result()
        return time.perf_counter() - begun


def settle(url: str, space: int) -> None:
    """Vacuum and analyse the tables, as a server does by itself in time."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"VACUUM (ANALYZE) templates_{space}, patients, tallies".encode())


async def enrol(database: Database, population: Population, begin: int, end: int) -> tuple[list[float], int]:
    """Enrol people begin <= number < end through the product. Return seconds of each, and the number found at once."""
    gallery, spent, found = PostgresGallery(database), [], 0
    for number, person in _one_by_one(population, begin, end):
        templates = [Template(MODALITY, DIGEST, embedding, 0.5) for embedding in person]
        started = time.perf_counter()
        await gallery.enrol(patient_id(number), templates)
        spent.append(time.perf_counter() - started)
        result = await gallery.search(MODALITY, DIGEST, np.ascontiguousarray(person[0]), 1)
        found += result.candidates[0].patient_id == patient_id(number)
    return spent, found


def _one_by_one(population: Population, begin: int, end: int) -> Iterator[tuple[int, Persons]]:
    with tqdm(total=end - begin, desc="enrolling", unit="patient") as bar:
        for first, persons in population.blocks(begin, end):
            for number, person in enumerate(persons, first):
                yield number, person
                bar.update()
