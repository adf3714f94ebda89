"""What is watched exists: the names in rules and dashboard are those of a live `/metrics`."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from gateway.application import create_app
from gateway.settings import GatewaySettings
from shared.classification.service import create_classification_app
from shared.database.settings import DatabaseSettings
from shared.modalities import load_registry
from shared.service.middleware import UNKNOWN_ROUTE
from shared.service.model import ModelServiceSettings
from tests.shared.conftest import TINY
from tests.shared.service.running import calling
from tests.tools import program

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "deploy" / "observability"
CASES = [Path(__file__).with_name("minutes.yaml"), Path(__file__).with_name("days.yaml")]
NAME = re.compile(r"\bmedreid_\w+")
SUFFIXES = {"counter": ["_total"], "gauge": [""], "histogram": ["_bucket", "_sum", "_count"]}
VARIABLES = {"$__rate_interval": "5m", "$modality": "ct"}


def promtool(*arguments: object) -> None:
    command = [program("promtool", hint="Debian: apt-get install prometheus"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stdout + done.stderr


@cache
def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def alerts() -> dict[str, dict[str, Any]]:
    return {rule["alert"]: rule for group in load(FOLDER / "alerts.yaml")["groups"] for rule in group["rules"]}


def dashboard_queries() -> Iterator[str]:
    """Every query, its variables replaced as Grafana would."""
    for panel in json.loads((FOLDER / "dashboard.json").read_text(encoding="utf-8"))["panels"]:
        for target in panel.get("targets", []):
            expression = target["expr"]
            for variable, value in VARIABLES.items():
                expression = expression.replace(variable, value)
            yield expression


def queries() -> list[str]:
    return [rule["expr"] for rule in alerts().values()] + list(dashboard_queries())


def scaled_by() -> set[str]:
    """What the autoscalers of Kubernetes go by, and what the adapter gives them."""
    scaler = load(ROOT / "deploy/kubernetes/service/autoscaler.yaml")["spec"]["metrics"]
    rules = load(FOLDER / "adapter.yaml")["rules"]["custom"]
    named = {metric["pods"]["metric"]["name"] for metric in scaler if metric["type"] == "Pods"}
    assert named == {rule["seriesQuery"].partition("{")[0] for rule in rules}
    return named


@pytest.fixture
async def exposed(database_settings: DatabaseSettings) -> set[str]:
    """The names of all series of a gateway and of a service with a model."""
    gateway = create_app(GatewaySettings(metrics_public=True, log_level="error"), database_settings)
    compa = create_classification_app(TINY / "classifier", ModelServiceSettings(log_level="error"))
    names: set[str] = set()
    for app in (gateway, compa):
        async with calling(app) as client:
            for family in text_string_to_metric_families((await client.get("/metrics")).text):
                names |= {family.name + suffix for suffix in SUFFIXES[family.type]}
    return names


async def test_every_queried_metric_is_exposed(exposed: set[str]) -> None:
    asked = {name for query in queries() for name in NAME.findall(query)}
    assert asked | scaled_by() <= exposed
    assert len(asked) > 10


def test_routes_in_queries_are_routes_of_the_gateway(database_settings: DatabaseSettings) -> None:
    routes = {*create_app(GatewaySettings(), database_settings).openapi()["paths"], UNKNOWN_ROUTE}
    patterns = {p for q in queries() for value in re.findall(r'route=~?"([^"]+)"', q) for p in value.split("|")}
    assert patterns
    assert not [p for p in patterns if not any(re.fullmatch(p, route) for route in routes)]


def test_prometheus_accepts_its_configuration_and_the_rules() -> None:
    promtool("check", "config", "--syntax-only", FOLDER / "prometheus.yaml")
    promtool("check", "rules", FOLDER / "alerts.yaml")


def test_every_alert_fires_when_it_should_and_not_otherwise() -> None:
    promtool("test", "rules", *CASES)


def test_every_alert_has_a_firing_and_a_silent_case() -> None:
    cases = [case for path in CASES for test in load(path)["tests"] for case in test["alert_rule_test"]]
    assert {case["alertname"] for case in cases if case["exp_alerts"]} == set(alerts())
    assert {case["alertname"] for case in cases if not case["exp_alerts"]} == set(alerts())


def test_every_alert_has_a_section_that_says_what_to_do() -> None:
    sections = re.findall(r"^### (\w+)$", (ROOT / "docs/reference/alerts.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(sections) == sorted(alerts())
    for name, rule in alerts().items():
        assert rule["annotations"]["runbook"] == f"docs/reference/alerts.md#{name.lower()}"
        assert rule["labels"]["severity"] in {"warning", "critical"}


def test_prometheus_understands_every_query_of_the_dashboard(tmp_path: Path) -> None:
    rules = [{"record": f"panel:{number}", "expr": query} for number, query in enumerate(dashboard_queries())]
    (tmp_path / "queries.yaml").write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    promtool("check", "rules", tmp_path / "queries.yaml")


def test_the_dashboard_answers_its_four_questions() -> None:
    dashboard = json.loads((FOLDER / "dashboard.json").read_text(encoding="utf-8"))
    rows = [panel["title"] for panel in dashboard["panels"] if panel["type"] == "row"]
    assert rows == ["Is it up?", "Is it fast?", "Is it right?", "What is it waiting for?"]
    panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    assert all(panel["targets"] and panel["description"] for panel in panels)


def test_every_service_is_scraped() -> None:
    jobs = load(FOLDER / "prometheus.yaml")["scrape_configs"]
    names = {name for job in jobs for source in job["dns_sd_configs"] for name in source["names"]}
    assert names == {"gateway", "compa-service", *(f"{name}-service" for name in load_registry().names)}
