"""The messages that travel over HTTP: `public` between callers and the gateway, `internal` between the services."""
