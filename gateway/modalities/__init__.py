"""The registry as the gateway sees it."""
