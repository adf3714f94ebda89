"""`python -m gateway` serves the gateway."""

from gateway.application import create_app
from shared.service.server import serve

if __name__ == "__main__":
    serve(create_app())
