"""Prometheus metrics of one application. Each has its own registry, so that several can run in one process."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONFIDENCES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.99)
"""Bucket bounds of the confidence histogram: close together where thresholds usually are."""

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """All metrics. Labels have few values: route templates, statuses, modalities, decisions."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=True)
        self.requests = Counter(
            "medreid_requests_total", "Requests answered.", ["method", "route", "status"], registry=self.registry
        )
        self.latency = Histogram(
            "medreid_request_seconds", "Time to answer.", ["method", "route"], buckets=SECONDS, registry=self.registry
        )
        self.in_flight = Gauge("medreid_requests_in_flight", "Requests being answered.", registry=self.registry)
        self.uploads_waiting = Gauge(
            "medreid_uploads_waiting", "Uploads waiting for a place in the gateway.", registry=self.registry
        )
        self.queue_depth = Gauge("medreid_queue_depth", "Requests waiting for the model.", registry=self.registry)
        self.queue_wait = Histogram(
            "medreid_queue_wait_seconds", "Time spent waiting for the model.", buckets=SECONDS, registry=self.registry
        )
        self.inference = Histogram(
            "medreid_inference_seconds", "Time spent in the model.", buckets=SECONDS, registry=self.registry
        )
        self.rejected = Counter(
            "medreid_queue_rejected_total", "Requests refused because the queue was full.", registry=self.registry
        )
        self.decisions = Counter(
            "medreid_decisions_total", "Decisions.", ["modality", "decision"], registry=self.registry
        )

        self.confidence = Histogram(
            "medreid_confidence",
            "Confidence of the top candidate of an identification.",
            ["modality"],
            buckets=CONFIDENCES,
            registry=self.registry,
        )
        self.replicas = Gauge(
            "medreid_replicas",
            "Replicas of a service, as this gateway sees them.",
            ["upstream", "state"],
            registry=self.registry,
        )

    def render(self) -> bytes:
        """Return the metrics in the text format of Prometheus."""
        return generate_latest(self.registry)
