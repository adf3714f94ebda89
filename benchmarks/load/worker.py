"""A process that executes plans: the generator, or the floor."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from types import TracebackType

from benchmarks.load.plan import Plan, Sample
from deploy.local.state_folder import REPOSITORY

GENERATOR = "benchmarks.load.generator"


class Worker:
    """A running process that executes one plan after the other."""

    def __init__(self, module: str = GENERATOR, environment: Mapping[str, str] | None = None) -> None:
        self._process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", module],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | (environment or {}),
            text=True,
        )

    @property
    def pid(self) -> int:
        """Id of the process."""
        return self._process.pid

    def begin(self, plan: Plan) -> None:
        """Start a period of load; `finish` waits for its samples."""
        if self._process.stdin is None:
            raise RuntimeError("the worker has no input")
        self._process.stdin.write(json.dumps(asdict(plan)) + "\n")
        self._process.stdin.flush()

    def finish(self) -> list[Sample]:
        """Return the samples. Raises RuntimeError if the process has died."""
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise RuntimeError(f"the worker ended with status {self._process.wait()}")
        return [Sample(*sample) for sample in json.loads(line)]

    def run(self, plan: Plan) -> list[Sample]:
        """Execute a plan and return its samples."""
        self.begin(plan)
        return self.finish()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                stream.close()
        self._process.terminate()
        self._process.wait(10)
