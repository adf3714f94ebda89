"""The identification service over the model in this folder; `python app.py` serves it."""

from pathlib import Path

from shared.identification.service import create_identification_app
from shared.service.server import serve

if __name__ == "__main__":
    serve(create_identification_app(Path(__file__).parent))
