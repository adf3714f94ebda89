"""Memory of every system, one after the other: side by side they would share the pages of their libraries."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import Progress

from benchmarks.load.worker import Worker
from benchmarks.scenarios.side_by_side import CALLERS
from benchmarks.systems.contenders import BENTOML, FASTAPI, FLASK, LITSERVE, OURS, Contender, medreid_contender, peers
from benchmarks.systems.medreid import running
from benchmarks.workload import Workload

NAMES = (OURS, FLASK, FASTAPI, LITSERVE, BENTOML)
LOAD_S, REST_S = 6.0, 5.0
BUSY, AT_REST = "busy", "at rest"


def measure(workload: Workload, progress: Progress) -> dict[str, dict[str, dict[str, float]]]:
    """Return the proportional set size in MB by system and process: after load with all features on, and at rest."""
    found: dict[str, dict[str, dict[str, float]]] = {BUSY: {}, AT_REST: {}}
    with Worker() as generator:
        for name in progress.track(NAMES, description="memory"):
            with _alone(name, workload, generator) as contender:
                contender.saturate(workload.pictures, LOAD_S, CALLERS)
                found[BUSY][name] = contender.memory_mb()
                time.sleep(REST_S)
                found[AT_REST][name] = contender.memory_mb()
    return found


@contextmanager
def _alone(name: str, workload: Workload, generator: Worker) -> Iterator[Contender]:
    if name == OURS:
        with running(workload.gallery, local=True) as ours:
            yield medreid_contender(ours, generator)
    else:
        with peers([name], workload.gallery, generator) as started:
            yield started[True][0]
