"""Every overlay as `kubectl kustomize` renders it."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from pydantic_settings import BaseSettings

from gateway.settings import GatewaySettings
from shared import __version__
from shared.database.settings import DatabaseSettings
from shared.modalities import load_registry
from shared.service.model import ModelServiceSettings
from tests.tools import program

Resource = dict[str, Any]
OVERLAYS = ("minimal", "production")
MANIFESTS = Path(__file__).parents[3] / "deploy" / "kubernetes"
MODALITIES = [f"{name}-service" for name in load_registry().names]
SERVICES = {
    "gateway": (GatewaySettings, DatabaseSettings),
    "compa-service": (ModelServiceSettings,),
    **dict.fromkeys(MODALITIES, (ModelServiceSettings, DatabaseSettings)),
}
CUSTOM = {"ServiceMonitor"}
"""Kinds that an operator brings along; nothing here knows their schema."""


@dataclass(frozen=True)
class Rendered:
    """The resources of one overlay."""

    name: str
    resources: Sequence[Resource]

    def of(self, *kinds: str) -> dict[str, Resource]:
        return {r["metadata"]["name"]: r for r in self.resources if r["kind"] in kinds}

    def workloads(self) -> dict[str, Resource]:
        """Pod templates by the name of what makes the pods."""
        return {name: r["spec"]["template"] for name, r in self.of("Deployment", "Job").items()}

    def environment(self, workload: str) -> dict[str, str]:
        """The variables of its container, from its ConfigMaps."""
        maps, container = self.of("ConfigMap"), self.workloads()[workload]["spec"]["containers"][0]
        named = [maps[source["configMapRef"]["name"]]["data"] for source in container["envFrom"]]
        return {key: value for data in named for key, value in data.items()}


@cache
def render(name: str) -> Rendered:
    command = [program("kubectl"), "kustomize", str(MANIFESTS / "overlays" / name)]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603
    return Rendered(name, list(yaml.safe_load_all(text)))


@pytest.fixture(params=OVERLAYS)
def overlay(request: pytest.FixtureRequest) -> Rendered:
    return render(request.param)


def test_every_resource_is_what_kubernetes_expects(overlay: Rendered) -> None:
    for resource in overlay.resources:
        if resource["kind"] not in CUSTOM:
            kubernetes_validate.validate(resource, "1.32", strict=True)


def test_every_service_of_the_system_runs_under_its_name(overlay: Rendered) -> None:
    assert set(overlay.of("Deployment")) == set(overlay.of("Service")) == set(SERVICES)


def test_a_service_selects_the_pods_of_its_own_deployment_only(overlay: Rendered) -> None:
    templates = {name: overlay.workloads()[name]["metadata"]["labels"] for name in overlay.workloads()}
    for name, service in overlay.of("Service").items():
        selector = service["spec"]["selector"].items()
        assert [pods for pods, labels in templates.items() if selector <= labels.items()] == [name]


def test_the_gateway_sees_every_replica_of_a_model(overlay: Rendered) -> None:
    headless = {name for name, service in overlay.of("Service").items() if service["spec"].get("clusterIP") == "None"}
    assert headless == set(SERVICES) - {"gateway"}


def test_every_service_has_its_three_probes(overlay: Rendered) -> None:
    for deployment in overlay.of("Deployment").values():
        container = deployment["spec"]["template"]["spec"]["containers"][0]
        assert {
            probe: container[probe]["httpGet"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")
        } == {
            "startupProbe": {"path": "/health/startup", "port": "http"},
            "livenessProbe": {"path": "/health/live", "port": "http"},
            "readinessProbe": {"path": "/health/ready", "port": "http"},
        }


def test_every_container_has_requests_and_limits(overlay: Rendered) -> None:
    for pod in overlay.workloads().values():
        for container in pod["spec"]["containers"]:
            assert {"cpu", "memory"} <= set(container["resources"]["requests"])
            assert {"cpu", "memory"} <= set(container["resources"]["limits"])


def test_every_pod_passes_the_restricted_profile(overlay: Rendered) -> None:
    assert (
        overlay.of("Namespace")["medreid"]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    )
    for pod in overlay.workloads().values():
        assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
        assert pod["spec"]["securityContext"]["runAsUser"] != 0
        assert pod["spec"]["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["spec"]["automountServiceAccountToken"] is False
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod["spec"])
        assert all({"emptyDir", "secret"} & set(volume) for volume in pod["spec"]["volumes"])
        for container in pod["spec"]["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }


def test_a_pod_has_time_to_drain(overlay: Rendered) -> None:
    for name, deployment in overlay.of("Deployment").items():
        pod = deployment["spec"]["template"]["spec"]
        pause = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
        drain = float(overlay.environment(name)["MEDREID_DRAIN_SECONDS"])
        assert pause + drain < pod["terminationGracePeriodSeconds"]


def test_replicas_spread_over_zones_and_nodes(overlay: Rendered) -> None:
    for name, pod in ((name, overlay.workloads()[name]) for name in SERVICES):
        constraints = pod["spec"]["topologySpreadConstraints"]
        assert {c["topologyKey"] for c in constraints} == {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}
        assert {c["labelSelector"]["matchLabels"]["app.kubernetes.io/name"] for c in constraints} == {name}


def left_at_default(pod: Mapping[str, Any]) -> set[str]:
    return set(pod["metadata"]["annotations"]["medreid/left-at-default"].split())


def variables(classes: Sequence[type[BaseSettings]]) -> set[str]:
    return {f"MEDREID_{name}".upper() for settings in classes for name in settings.model_fields}


def test_every_setting_is_set_or_left_at_its_default_on_purpose(overlay: Rendered) -> None:
    migrations = dict.fromkeys(overlay.of("Job"), (DatabaseSettings,))
    for name, classes in {**SERVICES, **migrations}.items():
        chosen, left = set(overlay.environment(name)), left_at_default(overlay.workloads()[name])
        assert not chosen & left
        assert chosen | left == variables(classes), name


def test_the_settings_are_valid(overlay: Rendered, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, classes in SERVICES.items():
        with monkeypatch.context() as patch:
            for key, value in overlay.environment(name).items():
                patch.setenv(key, value)
            for settings in classes:
                settings()


def test_the_database_url_is_where_the_settings_look_for_it(overlay: Rendered) -> None:
    for name, pod in overlay.workloads().items():
        secrets = [v["secret"] for v in pod["spec"]["volumes"] if "secret" in v]
        if name == "compa-service":
            assert not secrets
            continue
        mount = next(m for m in pod["spec"]["containers"][0]["volumeMounts"] if m["name"] == "database")
        path = f"{mount['mountPath']}/{secrets[0]['items'][0]['path']}"
        assert overlay.environment(name)["MEDREID_DATABASE_URL_FILE"] == path


def test_unlisted_connections_are_refused(overlay: Rendered) -> None:
    policies = overlay.of("NetworkPolicy")
    closed = policies["nothing-else"]["spec"]
    assert set(closed) == {"podSelector", "policyTypes"}
    assert set(closed["policyTypes"]) == {"Ingress", "Egress"}
    for pod in overlay.workloads().values():
        assert selects(closed["podSelector"], pod["metadata"]["labels"])
    ways_out = {name for name, policy in policies.items() if "egress" in policy["spec"]}
    assert ways_out == {"gateway-to-models", "names-and-database"}
    assert "classification" not in str(policies["names-and-database"]["spec"]["podSelector"])


def test_production_admits_users_and_operator_to_the_database() -> None:
    policies, pods = render("production").of("NetworkPolicy"), render("production").workloads()
    database = policies["database"]["spec"]
    (cluster,) = database["podSelector"]["matchLabels"].items()
    assert not selects(policies["nothing-else"]["spec"]["podSelector"], dict([cluster]))
    ours, its_own, _ = database["ingress"]
    let_in = {
        name
        for name, pod in pods.items()
        if any(selects(peer["podSelector"], pod["metadata"]["labels"]) for peer in ours["from"])
    }
    assert let_in == {name for name, pod in pods.items() if any("secret" in v for v in pod["spec"]["volumes"])}
    assert {port["port"] for port in its_own["ports"]} == {5432, 8000}
    assert {"podSelector": {"matchLabels": dict([cluster])}} in its_own["from"]


def test_the_migration_is_of_this_version(overlay: Rendered) -> None:
    assert list(overlay.of("Job")) == [f"migrate-{__version__.replace('.', '-')}"]


def test_production_scales_each_service_by_processor_and_queue() -> None:
    scalers = render("production").of("HorizontalPodAutoscaler")
    assert set(scalers) == set(SERVICES)
    for name, scaler in scalers.items():
        assert scaler["spec"]["scaleTargetRef"]["name"] == name
        assert scaler["spec"]["minReplicas"] >= 2
        resource, pods = scaler["spec"]["metrics"]
        assert resource["resource"]["name"] == "cpu"
        assert pods["pods"]["metric"]["name"] == "medreid_queue_depth"
        assert "replicas" not in render("production").of("Deployment")[name]["spec"]


def test_production_loses_one_replica_at_a_time() -> None:
    budgets = render("production").of("PodDisruptionBudget")
    assert {b["spec"]["selector"]["matchLabels"]["app.kubernetes.io/name"] for b in budgets.values()} == set(SERVICES)
    assert {b["spec"]["maxUnavailable"] for b in budgets.values()} == {1}


def test_production_names_the_version_of_every_image() -> None:
    images = {pod["spec"]["containers"][0]["image"] for pod in render("production").workloads().values()}
    assert images == {f"medreid/{name}:{__version__}" for name in (*SERVICES, "migrate")}


def test_production_is_scraped_at_every_service() -> None:
    monitors = render("production").of("ServiceMonitor").values()
    watched = {
        name
        for name, service in render("production").of("Service").items()
        for monitor in monitors
        if selects(monitor["spec"]["selector"], service["metadata"]["labels"])
    }
    assert watched == set(SERVICES)
    assert {endpoint["port"] for monitor in monitors for endpoint in monitor["spec"]["endpoints"]} == {"http"}


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    exact = selector.get("matchLabels", {}).items() <= labels.items()
    return exact and all(labels.get(e["key"]) in e["values"] for e in selector.get("matchExpressions", []))


def test_the_minimal_overlay_needs_no_operator() -> None:
    kinds = {resource["kind"] for resource in render("minimal").resources}
    assert not kinds & {"HorizontalPodAutoscaler", "PodDisruptionBudget", *CUSTOM}
