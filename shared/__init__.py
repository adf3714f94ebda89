"""The library that every service and the training use, one package per capability."""

__version__ = "0.1.0"
"""The version of the whole product. tests/deploy/test_version.py names the other places that must agree."""
