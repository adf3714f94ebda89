"""What the prior work deploys: Flask, Keras models in memory, `model.predict` for COMPA and then for the modality.

gunicorn --workers 1 --threads 2 "benchmarks.systems.peers.flask_keras:create_app()"
"""

from __future__ import annotations

from flask import Flask, Response, jsonify, request

from benchmarks.systems.peers.keras_networks import keras_pipeline
from benchmarks.systems.peers.peer_pipeline import Refused


def create_app() -> Flask:
    """The application."""
    app, pipeline = Flask("peer"), keras_pipeline()

    @app.post("/identify")
    def identify() -> tuple[Response, int]:
        data, local = request.files["file"].read(), request.form["local"] == "1"
        try:
            return jsonify(pipeline.identify(data, local=local)), 200
        except Refused:
            return jsonify(error="no medical image"), 422

    @app.get("/health")
    def health() -> str:
        return "ok"

    return app
