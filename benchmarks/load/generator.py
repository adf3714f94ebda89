"""`python -m benchmarks.load.generator`: Locust as a library: read a JSON plan per line, write its samples as a line.

Locust's FastHttpUser uses geventhttpclient, which parses in C. At tens of medical images a second, 20 ms or more of two
cores each, it costs about a hundredth of the machine. That share is measured and printed with the results. Locust comes
from PyPI, so the bench needs only a virtual environment.
"""

from __future__ import annotations

import json
import sys
import time
import uuid
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import gevent
from gevent.pool import Pool
from locust import FastHttpUser, task
from locust.env import Environment
from locust.exception import StopUser

from benchmarks.load.plan import Plan, Sample

PATIENCE_S = 60.0
"""Seconds to wait at the end of an open loop for pending answers."""


def run(plan: Plan) -> list[Sample]:
    """Apply the load, and wait for pending answers at its end."""
    bodies: list[tuple[Any, str]] = [_form(Path(path), plan.fields) for path in plan.pictures]
    samples: list[Sample] = []
    turns, path = count(plan.first), urlsplit(plan.url).path
    begun = time.perf_counter()

    class Caller(FastHttpUser):
        host = plan.url.removesuffix(path)
        concurrency = plan.connections if plan.rate else 1
        network_timeout = connection_timeout = plan.timeout_s

        def send(self, due: float) -> None:
            body, kind = bodies[next(turns) % len(bodies)]
            answer: Any = self.client.post(path, data=body, headers={"content-type": kind, **plan.headers})
            took = time.perf_counter() - due
            samples.append(Sample(due - begun, took, answer.status_code, (answer.headers or {}).get("retry-after")))

        @task
        def work(self) -> None:
            if plan.rate is None:
                while (now := time.perf_counter()) < begun + plan.seconds:
                    self.send(now)
            else:
                self.arrive(plan.rate)
            raise StopUser

        def arrive(self, rate: float) -> None:
            pool = Pool()
            for number in range(round(rate * plan.seconds)):
                due = begun + number / rate
                gevent.sleep(max(0.0, due - time.perf_counter()))
                pool.spawn(self.send, due)
            pool.join(PATIENCE_S)

    _spend(Environment(user_classes=[Caller]), 1 if plan.rate else plan.connections)
    return samples


def _spend(environment: Environment, users: int) -> None:
    runner = environment.create_local_runner()
    runner.spawn_users({kind.__name__: users for kind in environment.user_classes})
    runner.user_greenlets.join()
    runner.quit()


def _form(picture: Path, fields: Mapping[str, str]) -> tuple[bytes, str]:
    """Return a multipart body and its content type. The file name is not sent."""
    boundary = uuid.uuid4().hex
    parts = [_part(boundary, f'name="{name}"', "", value.encode()) for name, value in fields.items()]
    named = f'name="file"; filename="image{picture.suffix}"'
    parts.append(_part(boundary, named, "content-type: application/octet-stream\r\n", picture.read_bytes()))
    return b"".join(parts) + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


def _part(boundary: str, disposition: str, headers: str, content: bytes) -> bytes:
    head = f"--{boundary}\r\ncontent-disposition: form-data; {disposition}\r\n{headers}\r\n"
    return head.encode() + content + b"\r\n"


def main() -> None:
    """Read plans from stdin, run each, and write its samples to stdout."""
    for line in sys.stdin:
        sys.stdout.write(json.dumps(run(Plan(**json.loads(line)))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
