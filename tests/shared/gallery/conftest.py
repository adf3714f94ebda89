from collections.abc import AsyncIterator

import pytest

from shared.database.pool import Database, open_database
from shared.database.settings import DatabaseSettings
from shared.gallery.postgres import PostgresGallery


@pytest.fixture
def postgres_gallery(database: Database) -> PostgresGallery:
    """The same as `gallery`, where a module means another one by that name."""
    return PostgresGallery(database)


@pytest.fixture
async def indexed_gallery(database_settings: DatabaseSettings) -> AsyncIterator[PostgresGallery]:
    """A gallery that asks the index however small it is."""
    settings = database_settings.model_copy(update={"gallery_exact_up_to": 0})
    async with open_database(settings) as database:
        yield PostgresGallery(database)
