"""Where each millisecond of one request goes: the pipeline by itself, and the way through our services."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from benchmarks.ours import Ours, running
from benchmarks.peers.pipeline import litert_pipeline
from benchmarks.prepare import Workload
from benchmarks.templates import load

REPEATS = 5
Times = dict[tuple[str, str], list[float]]
"""Milliseconds by modality and stage."""


def measure(workload: Workload) -> list[dict[str, Any]]:
    """Median milliseconds of every stage, one request at a time."""
    rows = _shares(_pipeline(workload))
    with running(workload.gallery, local=True) as ours:
        return [*rows, *_shares(_services(ours, workload), total="MedReID: the caller waits")]


def _pipeline(workload: Workload) -> Times:
    pipeline, times = litert_pipeline(load(workload.gallery)), Times(defaultdict(list))
    for path, modality in _requests(workload):
        last = time.perf_counter()

        def lap(stage: str, modality: str = modality) -> None:
            nonlocal last
            now = time.perf_counter()
            times[modality, f"pipeline: {stage}"].append(1000 * (now - last))
            last = now

        pipeline.identify(Path(path).read_bytes(), local=True, lap=lap)
    return times


def _services(ours: Ours, workload: Workload) -> Times:
    """What the gateway says of itself in its answer, and what is left of what the caller waited."""
    times = Times(defaultdict(list))
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
                times[modality, f"MedReID: {part}"].append(spent)
            times[modality, "MedReID: rest of the gateway (audit, answer)"].append(total - sum(parts.values()))
            times[modality, "MedReID: HTTP, form, key, until and after the handler"].append(waited - total)
            times[modality, "MedReID: the caller waits"].append(waited)
    return times


def _requests(workload: Workload) -> list[tuple[str, str]]:
    return list(zip(workload.pictures, workload.modalities, strict=True)) * REPEATS


def _shares(times: Times, total: str | None = None) -> list[dict[str, Any]]:
    medians = {key: float(np.median(spent)) for key, spent in times.items()}
    modalities: Sequence[str] = list(dict.fromkeys(modality for modality, _ in medians))
    rows = []
    for modality in modalities:
        of = {stage: ms for (name, stage), ms in medians.items() if name == modality}
        whole = of[total] if total else sum(of.values())
        rows += [{"modality": modality, "stage": stage, "ms": ms, "share": ms / whole} for stage, ms in of.items()]
    return rows
