"""The identification service of the model in this folder. Start it with `python app.py`."""

from pathlib import Path

from shared.identification.service import create_identification_app
from shared.service.server import serve

if __name__ == "__main__":
    serve(create_identification_app(Path(__file__).parent))
