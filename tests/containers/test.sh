#!/bin/sh
# Build the images and test them: with Compose, then as a Swarm stack. Needs a Docker engine.
set -eu
cd "$(dirname "$0")/../.."
docker compose version >/dev/null || { echo "This needs a Docker engine with the Compose plugin." >&2; exit 1; }
deploy/secrets.sh
exec .venv/bin/python -m tests.containers
