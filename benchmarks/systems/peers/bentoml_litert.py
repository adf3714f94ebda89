"""The LiteRT models behind BentoML.

As its documentation recommends for a model that holds a core: as many workers as cores (what `workers="cpu_count"`
gives), each with models of its own and one request at a time (`threads=1`). No adaptive batching, as for LitServe.

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
    """Loaded once in every worker."""

    def __init__(self) -> None:
        self.pipeline = litert_pipeline()

    @bentoml.api
    def identify(self, file: Path, local: int) -> dict[str, Any]:
        """The answer for the uploaded picture."""
        try:
            return self.pipeline.identify(file.read_bytes(), local=local == 1)
        except Refused:
            raise InvalidArgument("no medical image") from None
