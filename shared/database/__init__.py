"""PostgreSQL with pgvector, the only store: connections, schema, and the embedded server of a developer's machine."""
