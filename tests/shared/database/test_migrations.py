"""What a migration does to data that is there already."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psycopg
import pytest
from alembic import command
from alembic.config import Config
from pgvector.psycopg import register_vector
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from shared.database import migrate as migrate_module
from shared.database.embedded import EmbeddedServer
from shared.database.migrate import migrate
from shared.database.pool import open_database
from shared.database.settings import DatabaseSettings
from shared.gallery.postgres import PostgresGallery

DIGESTS = ("sha256:1", "sha256:2")
INSERT = (
    "INSERT INTO templates (image_id, patient_key, modality, model_digest, embedding, local, quality)"
    " VALUES (%s, (SELECT patient_key FROM patients WHERE patient_id = %s), %s, %s, %s, %s, 0.5)"
)


def embedding(seed: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    vector = np.random.default_rng(seed).normal(size=256).astype(np.float32)
    return np.asarray(vector / np.linalg.norm(vector))


def upgrade(url: str, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrate_module.__file__).parent / "migrations"))
    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(url), poolclass=NullPool)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


@pytest.fixture
def filled(postgres: EmbeddedServer) -> Iterator[str]:
    """URL of a database of the first version, with two patients in three spaces."""
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE older")
    url = postgres.url.replace("/postgres?", "/older?")
    upgrade(url, "0001")
    with psycopg.connect(url) as connection:
        register_vector(connection)
        connection.execute("INSERT INTO patients (patient_id) VALUES ('P-0'), ('P-1')")
        for i in range(40):
            modality = "ct" if i < 30 else "mri"
            row = (f"I-{i:02}", f"P-{i % 2}", modality, DIGESTS[i % 3 == 0], embedding(i), b"k" * 3000)
            connection.execute(INSERT, row)
    yield url
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("DROP DATABASE older WITH (FORCE)")


def content(url: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT image_id, patient_key, modality, model_digest, embedding::text, local, enrolled_at"
            " FROM templates ORDER BY image_id"
        ).fetchall()


async def test_templates_are_moved_into_their_spaces_and_found_there(filled: str) -> None:
    before = content(filled)
    migrate(filled)
    assert content(filled) == before
    async with open_database(DatabaseSettings.model_validate({"database_url": filled})) as database:
        gallery = PostgresGallery(database)
        for i in (0, 7, 35):
            modality = "ct" if i < 30 else "mri"
            result = await gallery.search(modality, DIGESTS[i % 3 == 0], embedding(i), 2, with_local=1)
            assert result.enrolled_patients == 2
            assert result.candidates[0].image_id == f"I-{i:02}"
            assert result.candidates[0].local[0] == b"k" * 3000
        assert sum(count.images for count in await gallery.counts()) == 40


def test_replicas_of_the_version_before_go_on_enrolling(filled: str) -> None:
    migrate(filled)
    with psycopg.connect(filled) as connection:
        register_vector(connection)
        connection.execute(INSERT, ("I-99", "P-1", "ct", DIGESTS[0], embedding(99), None))
        counted = connection.execute(
            "SELECT sum(images) FROM tallies JOIN spaces USING (space) WHERE modality = 'ct' AND model_digest = %s",
            [DIGESTS[0]],
        ).fetchone()
    assert counted == (21,)


def test_keypoints_are_stored_outside_of_scanned_rows(filled: str) -> None:
    migrate(filled)
    with psycopg.connect(filled) as connection:
        storages = connection.execute(
            "SELECT DISTINCT attname, attstorage::text FROM pg_attribute JOIN spaces"
            " ON attrelid = ('templates_' || space)::regclass WHERE attname IN ('embedding', 'local') ORDER BY 1"
        ).fetchall()
    assert storages == [("embedding", "p"), ("local", "e")]
