import pytest

from shared.database.connections import Database
from shared.gallery.postgres import PostgresGallery


@pytest.fixture
def postgres_gallery(database: Database) -> PostgresGallery:
    """The same as `gallery`, where a module means another one by that name."""
    return PostgresGallery(database)
