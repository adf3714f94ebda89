"""Waiting and working times, from the metrics of our services."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.systems.medreid import MedreidSystem

HISTOGRAMS = {"queue": "medreid_queue_wait_seconds", "inference": "medreid_inference_seconds"}
Reading = Mapping[str, tuple[float, float]]
"""Sum in seconds and count, by service and kind."""


def read(ours: MedreidSystem) -> Reading:
    """Read the histograms of every service."""
    found: dict[str, tuple[float, float]] = {}
    with httpx.Client(trust_env=False, headers=ours.headers) as client:
        for service, address in ours.addresses.items():
            samples = _samples(client.get(f"{address}/metrics").text)
            for kind, name in HISTOGRAMS.items():
                found[f"{service} {kind}"] = samples.get(f"{name}_sum", 0.0), samples.get(f"{name}_count", 0.0)
    return found


def between(before: Reading, after: Reading) -> dict[str, dict[str, Any]]:
    """Return the mean milliseconds of waiting and working, for every service that worked."""
    means: dict[str, dict[str, Any]] = {}
    for key, (total, count) in after.items():
        service, kind = key.rsplit(" ", 1)
        begun, counted = before[key]
        if count > counted:
            means.setdefault(service, {})[kind] = round(1000 * (total - begun) / (count - counted), 3)
    return means


def _samples(text: str) -> dict[str, float]:
    return {sample.name: sample.value for family in text_string_to_metric_families(text) for sample in family.samples}
