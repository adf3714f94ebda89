"""Authentication: API keys, JWTs, scopes and rate limits."""
