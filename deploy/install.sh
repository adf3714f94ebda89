#!/usr/bin/env bash
# deploy/install.sh ROLE: create .venv if it is missing, and install the packages of requirements/ROLE.lock into it.
set -euo pipefail
cd "$(dirname "$0")/.."
role=$1 lock=requirements/$1.lock log=.venv/install.log

is_311() { "$1" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; }

# Debian's own Python first: it is built with profile-guided optimisation and runs half as fast again as most others.
create() {
    local python lacking=
    for python in ${PYTHON:-/usr/bin/python3.11 python3.11 python3 python}; do
        is_311 "$python" || continue
        "$python" -c 'import ensurepip, venv' 2>/dev/null || { lacking=$python; continue; }
        "$python" -m venv --clear .venv
        return
    done
    if [ -n "$lacking" ]; then
        echo "$lacking is Python 3.11, but it lacks ensurepip, so it cannot create virtual environments." >&2
        echo "On Debian and Ubuntu: apt-get install python3-venv" >&2
    else
        echo "MedReID needs Python 3.11, and none is on the PATH. Name one: make PYTHON=/path/to/python3.11" >&2
    fi
    exit 1
}

# Show how far pip is until this is killed: one line that changes on a terminal, a line every 15 seconds elsewhere.
progress() {
    local total before line done shown=0
    total=$(grep -c '==' "$lock")
    before=$(packages)
    while sleep 0.5; do
        if grep -q '^Installing collected' "$log"; then
            line="unpacking: $(($(packages) - before)) packages"
        else
            done=$(grep -cE '^(Collecting|Processing|Requirement already)' "$log" || true)
            line="downloading: $done of $total packages"
        fi
        if [ -t 2 ]; then
            printf '\r%-50s' "$line" >&2
        elif [ $((SECONDS - shown)) -ge 15 ]; then
            echo "  $line after $SECONDS s" >&2
            shown=$SECONDS
        fi
    done
}

packages() { { find .venv/lib -maxdepth 4 -name '*.dist-info' 2>/dev/null || true; } | wc -l; } # pip deletes while it looks

is_311 .venv/bin/python || create
: >"$log"
echo "Installing $lock into .venv" >&2
progress &
trap "kill $! 2>/dev/null || true" EXIT
.venv/bin/python -m pip install --disable-pip-version-check --no-input --progress-bar off --no-deps --require-hashes \
    --requirement "$lock" >>"$log" 2>&1 || {
    grep -v '^WARNING: Location' "$log" | tail -n 20 >&2
    exit 1
}
[ ! -t 2 ] || printf '\r%50s\r' '' >&2
touch ".venv/$role.stamp"
[ "$role" != dev ] || touch .venv/local.stamp .venv/train.stamp # dev holds these
