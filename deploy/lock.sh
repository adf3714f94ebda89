#!/bin/sh
# Write requirements/*.lock from pyproject.toml: with every version pinned and every file hashed, without the address of an index.
# `deploy/lock.sh --upgrade` takes the newest versions; without it, locked versions stay if they still fit.
set -eu
cd "$(dirname "$0")/.."
uv=${UV:-.venv/bin/uv}

compile() { # compile EXTRA [ARGUMENT...]: write one lock
    extra=$1; shift
    env -u UV_INDEX_URL -u UV_EXTRA_INDEX_URL -u UV_FIND_LINKS "$uv" pip compile --quiet \
        --python-version 3.11 --python-platform linux --extra "$extra" --generate-hashes --no-emit-index-url --no-annotate --no-header \
        --output-file "requirements/$extra.lock" "$@" pyproject.toml
    echo "requirements/$extra.lock: $(grep -c == "requirements/$extra.lock") packages"
}

mkdir -p requirements
compile dev "$@"
for extra in gateway compa model migrate local train bench; do # the same versions in every role
    compile "$extra" --constraint requirements/dev.lock
done
