"""`python -m shared.service.probe`: exit with 0 if the service of this container is ready (HEALTHCHECK)."""

from __future__ import annotations

import os
import sys
from http.client import HTTPConnection, HTTPException

TIMEOUT_S = 2.0


def is_ready(port: int) -> bool:
    """Return whether `/health/ready` at this port answers 200."""
    connection = HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(0 if is_ready(int(os.environ.get("MEDREID_PORT", "8000"))) else 1)
