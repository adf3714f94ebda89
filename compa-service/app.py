"""The modality classifier (COMPA) of the model in this folder. Start it with `python app.py`."""

from pathlib import Path

from shared.classification.service import create_classification_app
from shared.service.server import serve

if __name__ == "__main__":
    serve(create_classification_app(Path(__file__).parent))
