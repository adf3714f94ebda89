#!/bin/sh
# Make missing secrets of compose.yaml under .secrets/: a random password and a URL for each of the two users of the
# database.
set -eu
cd "$(dirname "$0")/.."
umask 077
mkdir -p .secrets
make_user() {
    [ ! -s ".secrets/$2_password" ] || return 0
    password=$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')
    printf %s "$password" >".secrets/$2_password"
    printf 'postgresql://%s:%s@db:5432/medreid\n' "$1" "$password" >".secrets/$2_url"
    # Compose mounts the files with their owner, but the containers run as another user. So the files are readable
    # by all, and only the folder is closed.
    chmod 444 ".secrets/$2_password" ".secrets/$2_url"
    echo "Made .secrets/$2_password and .secrets/$2_url."
}
make_user medreid database
make_user medreid_reader database_reader
