"""The documents are tried on the system that the tests of deploy/ start."""

from tests.deploy.conftest import api, started, system

__all__ = ["api", "started", "system"]
