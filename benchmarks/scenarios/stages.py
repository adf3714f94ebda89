"""Time of every stage of one request: in the pipeline alone, and through our services."""

from __future__ import annotations

import time
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np

from benchmarks.systems.medreid import MedreidSystem, environment, running
from benchmarks.systems.peers.peer_pipeline import litert_pipeline
from benchmarks.systems.template_set import load
from benchmarks.workload import Workload
from deploy.local.programs import FRUGAL

REPEATS = 5
Times = dict[tuple[str, str], list[float]]
"""Milliseconds by modality and stage."""


def measure(workload: Workload) -> list[dict[str, Any]]:
    """Return the median milliseconds of every stage, one request at a time."""
    # a separate process: numeric libraries read their number of threads when they are loaded
    with environment(FRUGAL), ProcessPoolExecutor(1, get_context("spawn")) as pool:
        alone = pool.submit(_pipeline, workload, in_doubt=False).result()
        in_doubt = pool.submit(_pipeline, workload, in_doubt=True).result()
    with running(workload.gallery, local=True) as ours:
        together = _services(ours, workload)
    doubt = {key: in_doubt[key] for key in in_doubt if key[1] in {"local verification", "all"}}
    return [*_rows("pipeline", alone), *_rows("pipeline, twenty compared", doubt), *_rows("MedReID", together)]


def _pipeline(workload: Workload, *, in_doubt: bool) -> Times:
    cv2.setNumThreads(1)
    pipeline = litert_pipeline(load(workload.gallery), in_doubt=in_doubt)
    pipeline.identify(Path(workload.pictures[0]).read_bytes(), local=True)  # the first one is slower
    times = _times()
    for path, modality in _requests(workload):
        begun = last = time.perf_counter()

        def record_stage(stage: str, modality: str = modality) -> None:
            nonlocal last
            now = time.perf_counter()
            times[modality, stage].append(1000 * (now - last))
            last = now

        pipeline.identify(Path(path).read_bytes(), local=True, record_stage=record_stage)
        times[modality, "all"].append(1000 * (time.perf_counter() - begun))
    return times


def _services(ours: MedreidSystem, workload: Workload) -> Times:
    """Return the gateway's own timings, and the rest of the caller's waiting.

    The rest includes the audit event, which is written after the timings.
    """
    times = _times()
    with httpx.Client(trust_env=False, headers=ours.headers, timeout=30.0) as client:
        for path, modality in _requests(workload):
            body = {"file": ("image", Path(path).read_bytes())}
            begun = time.perf_counter()
            answer = client.post(ours.url, files=body)
            waited = 1000 * (time.perf_counter() - begun)
            answer.raise_for_status()
            parts = answer.json()["timings_ms"]
            total = parts.pop("total")
            for part, spent in parts.items():
                times[modality, part].append(spent)
            times[modality, "decision"].append(total - sum(parts.values()))
            times[modality, "HTTP, form, key, audit, JSON"].append(waited - total)
            times[modality, "all, as the caller waits"].append(waited)
    return times


def _times() -> Times:
    return defaultdict(list)


def _requests(workload: Workload) -> list[tuple[str, str]]:
    return list(zip(workload.pictures, workload.modalities, strict=True)) * REPEATS


def _rows(of: str, times: Times) -> list[dict[str, Any]]:
    return [
        {"of": of, "modality": modality, "stage": stage, "ms": float(np.median(spent))}
        for (modality, stage), spent in times.items()
    ]
