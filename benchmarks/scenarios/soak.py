"""Minutes of steady load, for errors and growth of memory."""

from __future__ import annotations

import time
from typing import Any

from rich.progress import Progress

from benchmarks.load.plan import answered, throughput
from benchmarks.load.worker import Worker
from benchmarks.report.estimates import percentiles, slope
from benchmarks.scenarios.side_by_side import CALLERS
from benchmarks.systems.contenders import medreid_contender
from benchmarks.systems.medreid import running
from benchmarks.workload import Workload

FULL_S, QUICK_S = 600.0, 20.0
SHARE = 0.7
"""Arrivals as a share of the capacity."""
SATURATED = 0.1
"""Share of the time at full load before: a service keeps the memory of its busiest moment."""
WARM_UP = 0.2
"""Share of the time in which caches fill. The slope begins afterwards."""
INTERVAL_S = 4.0
CAPACITY_S = 10.0


def measure(workload: Workload, seconds: float, progress: Progress) -> dict[str, Any]:
    """Measure with all features of the registry on."""
    task = progress.add_task("saturating", total=seconds)
    with running(workload.gallery, local=True) as ours, Worker() as generator:
        system = medreid_contender(ours, generator)
        system.saturate(workload.pictures, SATURATED * seconds, 2 * CALLERS)
        capacity = throughput(system.saturate(workload.pictures, CAPACITY_S, CALLERS), CAPACITY_S)
        progress.update(task, description=f"{SHARE * capacity:.0f} requests a second")
        plan = system.planned(pictures=workload.pictures, seconds=seconds, rate=SHARE * capacity, connections=1000)
        generator.begin(plan)
        begun, curve = time.monotonic(), list[tuple[float, dict[str, float]]]()
        while (now := time.monotonic() - begun) < seconds:
            curve.append((now / 60, system.memory_mb()))
            progress.update(task, completed=now)
            time.sleep(INTERVAL_S)
        samples = generator.finish()
    progress.remove_task(task)
    settled = [(minute, sum(sizes.values())) for minute, sizes in curve if 60 * minute >= WARM_UP * seconds]
    found = slope(*zip(*settled, strict=True))
    return {
        "capacity": capacity,
        "requests": len(samples),
        "failed": sum(s.status != 200 for s in samples),
        "latency": percentiles(answered(samples)),
        "slope": found.value,  # MB a minute
        "slope_low": found.low,
        "slope_high": found.high,
        "curve": curve,
    }
