"""The LiteRT models behind BentoML.

Its documentation recommends one worker for each core (`workers="cpu_count"`) for a model that uses a core. Each worker
has its own models and takes one request at a time (`threads=1`). No adaptive batching, as for LitServe.

    bentoml serve benchmarks.systems.peers.bentoml_litert:Identification --port PORT
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import bentoml
from bentoml.exceptions import InvalidArgument

from benchmarks.systems.peers.peer_pipeline import WORKERS_VARIABLE, Refused, litert_pipeline


@bentoml.service(workers=int(os.environ[WORKERS_VARIABLE]), threads=1, traffic={"timeout": 60})
class Identification:
    """The models on LiteRT, loaded once in every worker."""

    def __init__(self) -> None:
        self.pipeline = litert_pipeline()

    @bentoml.api
    def identify(self, file: Path, local: int) -> dict[str, Any]:
        """The answer for the uploaded picture."""
        try:
            return self.pipeline.identify(file.read_bytes(), local=local == 1)
        except Refused:
            raise InvalidArgument("no medical image") from None
