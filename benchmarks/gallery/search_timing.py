"""Time searches, and compare their results with those of an exact search."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import psutil
from numpy.typing import NDArray
from tqdm import tqdm

from benchmarks.gallery.gallery_loading import DIGEST, MODALITY, patient_id
from benchmarks.gallery.population import Nearest, Population
from shared.database.pool import Database, open_database
from shared.database.settings import DatabaseSettings
from shared.errors import DatabaseUnavailable
from shared.gallery.postgres import PostgresGallery
from shared.identification.matching import MAX_CANDIDATES
from shared.keypoints.verification import VERIFIED_CANDIDATES

ROUNDS = 3
WARMING = 1500
"""Searches before the timed ones, to fill the server's caches."""
EXACT_SEARCHES = 10
NEAREST = 3
Found = list[list[str]]


@dataclass(frozen=True)
class SearchFigures:
    """Milliseconds of one search, and recall against exact search as shares.

    `p50` and `p99` are over the probes, each with the quickest of `ROUNDS` searches, so that other work of the machine
    does not count. `p99_busy` is over all searches. `cpu` is the server's processor time of one search.
    `exact_p50` is None if a scan exceeds the statement's timeout.
    `memory` is the memory that all these searches touched, in bytes (PSS).
    """

    p50: float
    p99: float
    p99_busy: float
    cpu: float
    recall1: float
    recall3: float
    exact_p50: float | None
    memory: int


async def measure(url: str, population: Population, people: int, probes: int, warming: int = WARMING) -> SearchFigures:
    """Search a gallery of the first people of the population."""
    asked = population.probes(people, probes)
    truth = exact(population, people, asked)
    async with open_database(_settings(url)) as database:
        await _search(database, population.strangers(warming, draw=1), "warming up")
        worked = _seconds(await _sessions(database))
        rounds = [await _search(database, asked, f"searching, {i + 1} of {ROUNDS}") for i in range(ROUNDS)]
        sessions = await _sessions(database)
        worked, memory = _seconds(sessions) - worked, sum(session.memory_full_info().pss for session in sessions)
    spent = np.array([times for times, _ in rounds])
    found = rounds[0][1]
    return SearchFigures(
        p50=float(np.median(spent.min(axis=0))),
        p99=float(np.quantile(spent.min(axis=0), 0.99)),
        p99_busy=float(np.quantile(spent, 0.99)),
        cpu=1000 * worked / spent.size,
        recall1=_recall(found, truth, 1),
        recall3=_recall(found, truth, NEAREST),
        exact_p50=await _scan(url, asked[:EXACT_SEARCHES]),
        memory=memory,
    )


async def _scan(url: str, probes: NDArray[np.float32]) -> float | None:
    """Return the median milliseconds of a search that scans all templates."""
    async with open_database(_settings(url, gallery_exact_up_to=2**31 - 1)) as database:
        try:
            spent, _ = await _search(database, probes, "exact searches")
        except DatabaseUnavailable:
            return None
    return float(np.median(spent))


async def _sessions(database: Database) -> list[psutil.Process]:
    """Return the server's processes of this database."""
    rows = await database.fetch(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'"
    )
    return [psutil.Process(pid) for (pid,) in rows]


def _seconds(sessions: Sequence[psutil.Process]) -> float:
    """Return the seconds of processor time."""
    times = [session.cpu_times() for session in sessions]
    return float(sum(spent.user + spent.system for spent in times))


def exact(population: Population, people: int, probes: NDArray[np.float32]) -> Found:
    """Return the nearest three of each probe by an exact search."""
    nearest = Nearest(probes, NEAREST)
    with tqdm(total=people, desc="exact answers", unit="patient") as bar:
        for first, persons in population.blocks(0, people):
            nearest.add(first, persons)
            bar.update(len(persons))
    return [[patient_id(number) for number in numbers] for numbers in nearest.numbers.tolist()]


async def _search(database: Database, probes: NDArray[np.float32], title: str) -> tuple[NDArray[np.float64], Found]:
    """Search as a service does. Return the milliseconds of each search, and the patients found."""
    gallery = PostgresGallery(database)
    spent, found = [], []
    for probe in tqdm(probes, desc=title, unit="search"):
        begun = time.perf_counter()
        result = await gallery.search(MODALITY, DIGEST, probe, MAX_CANDIDATES, with_local=VERIFIED_CANDIDATES)
        spent.append(1000 * (time.perf_counter() - begun))
        found.append([neighbour.patient_id for neighbour in result.candidates])
    return np.array(spent), found


def _recall(found: Found, truth: Found, depth: int) -> float:
    """Return the recall: the share of the nearest patients among as many found ones."""
    hits = [len(set(own[:depth]) & set(right[:depth])) / depth for own, right in zip(found, truth, strict=True)]
    return float(np.mean(hits))


def _settings(url: str, **changed: int) -> DatabaseSettings:
    return DatabaseSettings.model_validate({"database_url": url, **changed})
