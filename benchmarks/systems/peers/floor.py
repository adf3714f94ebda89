"""The floor: the pipeline in one process without HTTP, with a thread and interpreters for every core.

`python -m benchmarks.systems.peers.floor` reads one JSON plan a line and answers one line each, as the load
generator does.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

from benchmarks.load.plan import Plan, Sample
from benchmarks.systems.peers.peer_pipeline import Pipeline, gallery_of_environment, litert_pipeline

CORES = len(os.sched_getaffinity(0))


def run(plan: Plan, pipelines: list[Pipeline]) -> list[Sample]:
    """Run one thread for each connection of the plan. Each takes the next picture when it has finished one."""
    pictures = [Path(path).read_bytes() for path in plan.pictures]
    turns, lock, samples = itertools.count(plan.first), threading.Lock(), list[Sample]()
    begun = time.perf_counter()

    def work(pipeline: Pipeline) -> None:
        while (start := time.perf_counter()) < begun + plan.seconds:
            with lock:
                turn = next(turns)
            json.dumps(pipeline.identify(pictures[turn % len(pictures)], local=plan.local))
            samples.append(Sample(start - begun, time.perf_counter() - start, 200))

    threads = [threading.Thread(target=work, args=(pipeline,)) for pipeline in pipelines[: plan.connections]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return samples


def main() -> None:
    """Answer plans until the input ends."""
    gallery = gallery_of_environment()
    pipelines = [litert_pipeline(gallery) for _ in range(CORES)]
    for line in sys.stdin:
        plan = Plan(**json.loads(line))
        answer: list[Any] = run(plan, pipelines)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
