#!/bin/sh
# Make the secrets of compose.yaml under .secrets/ where they are missing: a random password, and the URL that holds it.
set -eu
cd "$(dirname "$0")/../.."
umask 077
mkdir -p .secrets
if [ ! -s .secrets/database_password ]; then
    password=$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')
    printf %s "$password" >.secrets/database_password
    printf 'postgresql://medreid:%s@db:5432/medreid\n' "$password" >.secrets/database_url
    # Compose mounts files with the owner they have here, and the containers run as another user than this one:
    # the files are readable, the folder around them is not.
    chmod 444 .secrets/database_password .secrets/database_url
    echo "Made .secrets/: a random database password."
fi
