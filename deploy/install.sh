#!/bin/sh
# deploy/install.sh ROLE: make .venv where there is none and install what requirements/ROLE.lock names into it.
set -eu
cd "$(dirname "$0")/.."
role=$1

is_311() { "$1" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; }

create() {
    for python in ${PYTHON:-python3.11 python3 python}; do
        if is_311 "$python"; then
            "$python" -c 'import ensurepip, venv' 2>/dev/null || {
                echo "Python 3.11 is here, but it cannot make virtual environments: it lacks ensurepip." >&2
                echo "On Debian and Ubuntu: apt-get install python3-venv" >&2
                exit 1
            }
            "$python" -m venv .venv && return
            exit 1
        fi
    done
    echo "MedReID needs Python 3.11, and none is on the PATH. Name one: make ${role} PYTHON=/path/to/python3.11" >&2
    exit 1
}

[ -x .venv/bin/python ] && is_311 .venv/bin/python || create
echo "Installing requirements/$role.lock into .venv" >&2
.venv/bin/python -m pip install --quiet --progress-bar on --disable-pip-version-check --require-hashes \
    --requirement "requirements/$role.lock"
touch ".venv/$role.stamp"
[ "$role" != dev ] || touch .venv/local.stamp .venv/train.stamp # dev holds both
