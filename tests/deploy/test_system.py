"""The system survives what happens to processes: kills, a lost database, a second replica, a stop and a start."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest

from deploy.local.processes import find, memory
from deploy.local.programs import address, environment, free_port
from deploy.local.state_folder import REPOSITORY
from deploy.local.supervision import SupervisionError
from deploy.local.system import System
from shared.images.npy_codec import encode

pytestmark = [pytest.mark.enable_socket, pytest.mark.allow_hosts(["127.0.0.1"]), pytest.mark.timeout(180)]
RECOVERY_S = 10.0


def enrol(api: httpx.Client, patient: str, picture: bytes, modality: str = "ct") -> None:
    answer = api.post(f"/v1/patients/{patient}/images", files={"file": picture}, data={"modality": modality})
    assert answer.status_code == 201, answer.text


def identify(api: httpx.Client, picture: bytes, modality: str = "ct") -> httpx.Response:
    return api.post("/v1/identify", files={"file": picture}, data={"modality": modality})


def seconds_until(condition: Callable[[], bool], limit: float = 30.0) -> float:
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < limit
        time.sleep(0.05)
    return time.monotonic() - begun


@pytest.fixture
def patient(api: httpx.Client, picture: bytes) -> Iterator[str]:
    enrol(api, "E2E-1", picture)
    yield "E2E-1"
    api.delete("/v1/patients/E2E-1")


def test_enrolled_then_found_then_erased_then_not_found(api: httpx.Client, picture: bytes) -> None:
    enrol(api, "E2E-2", picture)
    assert identify(api, picture).json()["candidates"][0]["patient_id"] == "E2E-2"
    assert api.delete("/v1/patients/E2E-2").status_code == 200
    answer = identify(api, picture).json()
    assert answer["patient_id"] is None
    assert "E2E-2" not in str(answer)


def test_being_up_already_is_said_and_changes_nothing(system: System, pid_of: Callable[[str], int]) -> None:
    before = pid_of("gateway")
    assert system.up(free_port()) is False
    assert pid_of("gateway") == before


def test_what_is_up_is_said_to_be_ready(system: System) -> None:
    process, state = system.status().columns[:2]
    said = dict(zip(process.cells, state.cells, strict=True))
    assert {said[name] for name in ("database", *system.addresses)} == {"ready"}


def test_key_logs_and_gallery_are_for_this_user_only(system: System) -> None:
    for path in (system.folder.admin_key, system.folder.logs, system.folder.data):
        assert not path.stat().st_mode & 0o077


def test_no_serving_process_loads_tensorflow_and_all_are_frugal(system: System) -> None:
    used = 0
    for _, process in find(system.folder):
        used += memory(process)
        assert "tensorflow" not in Path(f"/proc/{process.pid}/maps").read_text()
    assert used < 0.9e9


def test_a_killed_model_service_costs_its_own_modality_a_moment(
    api: httpx.Client, picture: bytes, patient: str, pid_of: Callable[[str], int]
) -> None:
    gateway = pid_of("gateway")
    os.kill(pid_of("ct-service"), signal.SIGKILL)
    refused = identify(api, picture)
    assert refused.status_code == 503
    assert int(refused.headers["retry-after"]) >= 1
    assert identify(api, picture, "skin").status_code == 200
    assert seconds_until(lambda: identify(api, picture).status_code == 200) < RECOVERY_S
    assert identify(api, picture).json()["candidates"][0]["patient_id"] == patient
    assert pid_of("gateway") == gateway


def test_a_killed_database_is_never_an_empty_gallery(
    api: httpx.Client, system: System, picture: bytes, patient: str
) -> None:
    for name, process in list(find(system.folder)):
        if name == "database" and process.name() == "postgres":
            process.kill()
    answers: list[httpx.Response] = []

    def is_back() -> bool:
        answers.append(identify(api, picture))
        return answers[-1].status_code == 200

    seconds_until(is_back)
    assert answers[0].status_code == 503
    assert {answer.status_code for answer in answers[:-1]} == {503}
    assert answers[-1].json()["candidates"][0]["patient_id"] == patient


@pytest.fixture
def replica(system: System) -> Iterator[str]:
    """Address of a second ct-service over the same gallery."""
    port = free_port()
    command = [sys.executable, str(REPOSITORY / "ct-service/app.py")]
    variables = {**environment(system.folder), "MEDREID_PORT": str(port)}
    with subprocess.Popen(command, env=variables, stdout=subprocess.DEVNULL) as process:  # noqa: S603
        with httpx.Client(base_url=address(port), trust_env=False) as client:
            seconds_until(lambda: answers(client))
        yield address(port)
        process.terminate()


def answers(client: httpx.Client) -> bool:
    try:
        return client.get("/health/ready").is_success
    except httpx.TransportError:
        return False


def test_replicas_see_each_others_enrolments_at_once(
    api: httpx.Client, system: System, replica: str, picture: bytes
) -> None:
    view = np.full((1, 224, 224, 3), 127, np.uint8)

    def seen_by(url: str) -> list[str]:
        headers = {"content-type": "application/x-npy"}
        answer = httpx.post(f"{url}/v1/identify", content=encode(view), headers=headers, trust_env=False)
        return [match["patient_id"] for match in answer.json()["matches"]]

    replicas = (system.addresses["ct-service"], replica)
    assert all("E2E-3" not in seen_by(url) for url in replicas)
    enrol(api, "E2E-3", picture)
    assert all("E2E-3" in seen_by(url) for url in replicas)
    api.delete("/v1/patients/E2E-3")
    assert all("E2E-3" not in seen_by(url) for url in replicas)


def test_down_leaves_nothing_and_up_finds_the_gallery_again(
    system: System, api: httpx.Client, picture: bytes, patient: str
) -> None:
    port = int(system.address.rsplit(":", 1)[1])
    key = system.admin_key
    assert system.down() is True
    assert not list(find(system.folder))
    assert system.down() is False
    assert system.up(port) is True
    assert system.admin_key == key
    assert identify(api, picture).json()["candidates"][0]["patient_id"] == patient


def test_up_recovers_from_a_killed_supervisor(system: System) -> None:
    port = int(system.address.rsplit(":", 1)[1])
    orphans = [process for _, process in find(system.folder)]
    psutil.Process(int(system.folder.pid.read_text())).kill()
    assert system.up(port) is True
    assert not any(process.is_running() for process in orphans)


def test_fresh_begins_with_an_empty_gallery(system: System, api: httpx.Client, patient: str) -> None:
    assert api.get(f"/v1/patients/{patient}").status_code == 200
    system.up(int(system.address.rsplit(":", 1)[1]), fresh=True)
    api.headers["authorization"] = f"Bearer {system.admin_key}"
    assert api.get("/v1/patients").json()["items"] == []


def test_a_taken_port_is_said_and_nothing_is_left_running(tmp_path: Path, system: System) -> None:
    other = System(type(system.folder)(tmp_path / "other"), system.console)
    port = int(system.address.rsplit(":", 1)[1])
    with pytest.raises(SupervisionError, match=f"Port {port} is taken"):
        other.up(port)
    assert not list(find(other.folder))
