"""The web page at `/` and Swagger UI at `/docs`. Both load nothing from other hosts."""
