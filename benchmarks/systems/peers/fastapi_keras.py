"""One FastAPI process with Keras `predict`; the endpoint is a plain function, so it runs in Starlette's threads.

uvicorn --factory benchmarks.systems.peers.fastapi_keras:create_app
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import FastAPI, Form, HTTPException, UploadFile

from benchmarks.systems.peers.keras_networks import keras_pipeline
from benchmarks.systems.peers.peer_pipeline import Refused


def create_app() -> FastAPI:
    """The application."""
    app, pipeline = FastAPI(), keras_pipeline()

    @app.post("/identify")
    def identify(file: UploadFile, local: Annotated[int, Form()]) -> dict[str, Any]:
        try:
            return pipeline.identify(file.file.read(), local=local == 1)
        except Refused:
            raise HTTPException(422, "no medical image") from None

    @app.get("/health")
    def health() -> str:
        return "ok"

    return app
