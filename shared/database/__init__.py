"""PostgreSQL with pgvector: connection pool, migrations, and the embedded server for a developer's machine."""
