"""Who calls: API keys and JWTs, scopes, rate limits."""
