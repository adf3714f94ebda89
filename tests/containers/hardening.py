"""What a process in a container may do."""

from __future__ import annotations

import json

from tests.containers.engine import Engine, expect

PROBE = """
import json, os, shutil, socket, sys
from pathlib import Path
status = dict(line.split(":\\t", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":\\t" in line)
def writable(folder):
    try:
        Path(folder, "probe").touch()
        return True
    except OSError:
        return False
def reaches(address):
    try:
        socket.create_connection((address, 8000), 2).close()
        return True
    except OSError:
        return False
print(json.dumps({
    "uid": os.getuid(),
    "capabilities": int(status["CapEff"], 16) | int(status["CapPrm"], 16) | int(status["CapBnd"], 16),
    "privileges can grow": status["NoNewPrivs"].strip() != "1",
    "writable": [folder for folder in ("/", "/app", "/opt/venv", "/etc") if writable(folder)],
    "tmp is writable": writable("/tmp"),
    "way out": reaches(sys.argv[1]),
    "tools": [tool for tool in ("pip", "apt-get", "gcc", "cc", "strip", "perl") if shutil.which(tool)],
}))
"""

STATEMENTS = """
import json, os, psycopg
from pathlib import Path
url = Path(os.environ["MEDREID_DATABASE_URL_FILE"]).read_text().strip()
def allowed(statement):
    try:
        with psycopg.connect(url) as connection:
            connection.execute(statement)
            connection.rollback()
        return True
    except psycopg.errors.InsufficientPrivilege:
        return False
writing = (
    "INSERT INTO patients (patient_id) VALUES ('probe')",
    "DELETE FROM templates",
    "UPDATE audit_events SET caller = ''",
    "CREATE TABLE probe ()",
    "COPY patients TO PROGRAM 'true'",
)
print(json.dumps({
    "reads": allowed("SELECT FROM templates"), "writes": [statement for statement in writing if allowed(statement)],
}))
"""


def check_container(engine: Engine, container: str, outside: str, *, public: bool) -> None:
    """Check that it does not run as root and cannot write, gain privileges, install or reach out (unless public).

    `outside` is the gateway's address on a network that leads out.
    """
    seen = json.loads(engine.python(container, PROBE, outside))
    expect("runs as root", seen, holds=seen["uid"] != 0)
    expect("has capabilities", seen, holds=seen["capabilities"] == 0)
    expect("can gain privileges", seen, holds=not seen["privileges can grow"])
    expect("can write outside of /tmp", seen, holds=not seen["writable"] and seen["tmp is writable"])
    expect("has a way out of the internal network", seen, holds=seen["way out"] == public)
    attached = engine.inspect(container)[0]["NetworkSettings"]["Networks"]
    leading_out = [name for name in attached if not engine.inspect(name)[0]["Internal"]]
    expect("is on a network that leads out", leading_out, holds=bool(leading_out) == public)
    expect("has tools that no service needs", seen, holds=not seen["tools"])


def check_reader(engine: Engine, container: str) -> None:
    """Check that a service of a modality can read the gallery and change nothing in the database."""
    seen = json.loads(engine.python(container, STATEMENTS))
    expect("cannot read the gallery", seen, holds=seen["reads"])
    expect("can change the database", seen, holds=not seen["writes"])
