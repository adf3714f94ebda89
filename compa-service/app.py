"""The classifier of modalities over the model in this folder; `python app.py` serves it."""

from pathlib import Path

from shared.classification.service import create_classification_app
from shared.service.server import serve

if __name__ == "__main__":
    serve(create_classification_app(Path(__file__).parent))
