#!/bin/sh
# Build the images, start the compose system, run the demo's identifications through the published port, take all down.
set -eu
cd "$(dirname "$0")/../.."
export COMPOSE_PROJECT_NAME="${COMPOSE_PROJECT_NAME:-medreid-test}" PORT="${PORT:-8000}"

docker compose version >/dev/null || { echo "This needs a Docker engine with the Compose plugin." >&2; exit 1; }
deploy/containers/secrets.sh
trap 'docker compose down --volumes --timeout 20 >/dev/null 2>&1' EXIT
docker compose up --build --wait || { docker compose ps --all; docker compose logs --tail 20; exit 1; }

for service in gateway compa-service ct-service mri-service fundus-service skin-service; do
    [ "$(docker compose exec -T $service id -u)" != 0 ] || { echo "$service runs as root" >&2; exit 1; }
    ! docker compose exec -T $service touch /app/x 2>/dev/null || { echo "$service can write to /app" >&2; exit 1; }
done

MEDREID_KEY=$(docker compose exec -T gateway python -m gateway.auth create --name demo --all-scopes)
export MEDREID_KEY
.venv/bin/python -m deploy.local demo --url "http://127.0.0.1:$PORT"
