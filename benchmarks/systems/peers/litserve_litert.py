"""The LiteRT models behind LitServe.

As its documentation recommends for CPUs: `devices=1` and one worker per core (`workers_per_device`), each with models
of its own. Batches are left out: the exported networks take one picture, and on a core a batch is not faster.

    python -m benchmarks.systems.peers.litserve_litert PORT
"""

import os
import sys
from typing import Any

import litserve
from fastapi import HTTPException, Request

from benchmarks.systems.peers.peer_pipeline import WORKERS_VARIABLE, Pipeline, Refused, litert_pipeline


class Identification(litserve.LitAPI):
    """`setup` runs once in every worker, the other three methods for every request."""

    pipeline: Pipeline

    def setup(self, device: str) -> None:
        """Load the models."""
        del device
        self.pipeline = litert_pipeline()

    def decode_request(self, request: Request) -> tuple[bytes, bool]:
        """Return the picture, and whether keypoints are compared. LitServe passes the form as the request."""
        return request["file"].file.read(), request["local"] == "1"

    def predict(self, asked: tuple[bytes, bool]) -> dict[str, Any]:
        """Run the pipeline."""
        data, local = asked
        try:
            return self.pipeline.identify(data, local=local)
        except Refused:
            raise HTTPException(422, "no medical image") from None

    def encode_response(self, answer: dict[str, Any]) -> dict[str, Any]:
        """Return the JSON unchanged."""
        return answer


if __name__ == "__main__":
    server = litserve.LitServer(
        Identification(api_path="/identify"),
        accelerator="cpu",
        devices=1,
        workers_per_device=int(os.environ[WORKERS_VARIABLE]),
    )
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False, log_level="warning")
