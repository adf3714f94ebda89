"""Backup and restore, as docs/how-to/backup.md says."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from tests.containers.engine import REPOSITORY, Engine, Failed, expect

DATABASE = ("--username", "medreid")


def check_restore(engine: Engine, url: str, key: str) -> str:
    """Dump, erase somebody, restore; Failed unless everybody is there again. Says how many that were."""
    with TemporaryDirectory() as folder:
        dump = Path(folder, "medreid.dump")
        before = _enrolled(url, key)
        with dump.open("wb") as file:
            _database(engine, "pg_dump", "--format", "custom", "medreid", stdout=file.fileno())
        _call(url, key, "DELETE", "/v1/patients/DEMO-ct-01")
        expect("an erasure changed nothing", before, holds=_enrolled(url, key) != before)
        engine.docker("compose", "stop", "gateway")
        _database(engine, "dropdb", "--force", "medreid")
        _database(engine, "createdb", "medreid")
        with dump.open("rb") as file:
            _database(engine, "pg_restore", "--dbname", "medreid", stdin=file.fileno())
        engine.attempt("compose", "up", "--detach", "--no-recreate", "--wait")
        after = _enrolled(url, key)
    expect("the gallery after the restore", f"{after} instead of {before}", holds=after == before)
    return ", ".join(f"{count} images of {modality}" for modality, count in before.items())


def _enrolled(url: str, key: str) -> dict[str, int]:
    items = json.loads(_call(url, key, "GET", "/v1/modalities"))["items"]
    return {item["name"]: item["enrolled_images"] for item in items}


def _call(url: str, key: str, method: str, path: str) -> str:
    headers = {"authorization": f"Bearer {key}"}
    answer = httpx.request(method, url + path, headers=headers, timeout=20, trust_env=False)
    expect(f"{method} {path.split('/')[2]}", answer.status_code, holds=answer.is_success)
    return answer.text


def _database(engine: Engine, tool: str, *arguments: str, stdin: int | None = None, stdout: int | None = None) -> None:
    """A tool of PostgreSQL inside the database's container; dumps are bytes, so they go by file."""
    command = ["docker", "compose", "exec", "-T", "db", tool, *DATABASE, *arguments]
    done = subprocess.run(  # noqa: S603
        command,
        cwd=REPOSITORY,
        env={**engine.environment},
        stdin=subprocess.DEVNULL if stdin is None else stdin,
        stdout=stdout,
        stderr=subprocess.PIPE,
        check=False,
    )
    if done.returncode:
        raise Failed(f"{tool}: {done.stderr.decode(errors='replace')[-500:]}")
