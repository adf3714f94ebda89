"""A small gallery, grown and measured as a large one is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import psycopg
import pytest
from rich.console import Console

from benchmarks.gallery import gallery_loading
from benchmarks.gallery.gallery_report import Size, save, show
from benchmarks.gallery.gallery_server import footprint
from benchmarks.gallery.population import Population
from benchmarks.gallery.search_timing import measure
from shared.database.embedded import EmbeddedServer
from shared.database.migrate import migrate
from shared.database.pool import open_database
from shared.database.settings import DatabaseSettings


@pytest.fixture
def url(postgres: EmbeddedServer) -> Iterator[str]:
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE bench")
    found = postgres.url.replace("/postgres?", "/bench?")
    migrate(found)
    yield found
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("DROP DATABASE bench WITH (FORCE)")


@pytest.fixture
def population() -> Population:
    people = np.random.default_rng(2).normal(size=(30, 2, 256)).astype(np.float32)
    return Population(people / np.linalg.norm(people, axis=2, keepdims=True))


async def grow(url: str, population: Population, bulk: int, end: int) -> tuple[int, int]:
    """People loaded in bulk, then through the product: the space, and how many were found at once."""
    space = gallery_loading.open_space(url)
    gallery_loading.load(url, space, population, bulk)
    gallery_loading.build_index(url, space, 2 * bulk)
    async with open_database(DatabaseSettings.model_validate({"database_url": url})) as database:
        _, found = await gallery_loading.enrol(database, population, gallery_loading.enrolled(url, space), end)
    return space, found


async def test_a_gallery_grows_in_bulk_and_through_the_product(url: str, population: Population) -> None:
    space, found = await grow(url, population, 150, 160)
    assert (gallery_loading.enrolled(url, space), found) == (160, 10)
    space, found = await grow(url, population, 200, 205)
    assert (gallery_loading.enrolled(url, space), found) == (205, 5)
    gallery_loading.settle(url, space)
    figures = await measure(url, population, 205, 20, warming=5)
    assert (figures.recall1, figures.recall3) == (1.0, 1.0)
    assert min(figures.cpu, figures.memory) >= 0
    assert 0 < figures.p50 <= figures.p99 <= figures.p99_busy


async def test_figures_are_kept_and_shown(url: str, population: Population, tmp_path: Path) -> None:
    space, _ = await grow(url, population, 100, 105)
    taken = footprint(url, space)
    assert min(taken.table, taken.index, taken.database) > 0
    search = await measure(url, population, 105, 4, warming=5)
    size = Size(210, 105, None, 3.0, 600.0, 1.0, search, taken)
    sizes = [replace(size, templates=templates) for templates in (10_000, 1_000_000)]
    save(sizes, tmp_path)
    assert [one["templates"] for one in json.loads((tmp_path / "results.json").read_text())] == [10_000, 1_000_000]
    console = Console(width=200, record=True)
    show(sizes, console)
    assert "p50 at 1,000,000 is 1.0 times that at 10,000" in console.export_text()
