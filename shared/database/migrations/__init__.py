"""Alembic migrations; see `shared.database.migrate`."""
