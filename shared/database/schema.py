"""The version of the schema that this code needs."""

from typing import Final

SCHEMA_VERSION: Final = "0002"
"""Revision of the newest migration; revisions are four digits, so that they compare as text."""
