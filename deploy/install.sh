#!/usr/bin/env bash
# deploy/install.sh ROLE: make .venv if there is none, and install requirements/ROLE.lock into it.
set -euo pipefail
cd "$(dirname "$0")/.."
role=$1 lock=requirements/$1.lock log=.venv/install.log

is_311() { "$1" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; }

# Debian's own first: it is built with profile-guided optimisation, and interprets half as fast again as what version
# managers build by default.
create() {
    local python lacking=
    for python in ${PYTHON:-/usr/bin/python3.11 python3.11 python3 python}; do
        is_311 "$python" || continue
        "$python" -c 'import ensurepip, venv' 2>/dev/null || { lacking=$python; continue; }
        "$python" -m venv --clear .venv
        return
    done
    if [ -n "$lacking" ]; then
        echo "$lacking is Python 3.11, but it lacks ensurepip, so it cannot make virtual environments." >&2
        echo "On Debian and Ubuntu: apt-get install python3-venv" >&2
    else
        echo "MedReID needs Python 3.11, and none is on the PATH. Name one: make PYTHON=/path/to/python3.11" >&2
    fi
    exit 1
}

progress() { # a line for each package becomes one bar, on a terminal
    awk -v total="$(grep -c '==' "$lock")" -v terminal="$([ -t 2 ] && echo 1 || echo 0)" '
        /^Installing collected/ { doing = "unpacking" }
        /^(Collecting|Processing|Requirement already)/ { n++; doing = $2; sub(/.*\//, "", doing); sub(/[=-].*/, "", doing) }
        terminal && (n || doing) {
            bar = ""; for (i = 1; i <= 30; i++) bar = bar (i <= 30 * n / total ? "#" : ".")
            printf "\r[%s] %d/%d %-32.32s", bar, n, total, doing >"/dev/stderr"
        }
        END { if (terminal) printf "\r%80s\r", "" >"/dev/stderr" }'
}

is_311 .venv/bin/python || create
: >"$log"
echo "Installing $lock into .venv" >&2
.venv/bin/python -m pip install --disable-pip-version-check --no-input --progress-bar off --no-deps --require-hashes \
    --requirement "$lock" 2>>"$log" | tee -a "$log" | progress || {
    grep -v '^WARNING: Location' "$log" | tail -n 20 >&2
    exit 1
}
touch ".venv/$role.stamp"
[ "$role" != dev ] || touch .venv/local.stamp .venv/train.stamp # dev holds these
