"""The pages of `docs/reference` that `make reference-pages` writes from the code, and the check that they agree."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from deploy.checks.finding import Finding
from gateway.application import create_app
from gateway.settings import GatewaySettings
from shared.database.settings import DatabaseSettings
from shared.modalities import RegistrySettings
from shared.service.metrics import Metrics
from shared.service.model import ModelServiceSettings
from shared.service.problems import problem_types
from shared.service.settings import ServiceSettings
from training import configuration as training

FOLDER = Path("docs/reference")
REPOSITORY = Path(__file__).resolve().parents[2]
NOTE = "`make reference-pages` writes this page from the code."

WHERE_TO_SET = """\
Every setting is an environment variable of a process.

| the system runs with | set it here | then |
|---|---|---|
| `make up` | before the command: `MEDREID_LOG_LEVEL=debug make up` | `make down`, `make up` |
| Compose | a file of your own, such as `compose.settings.yaml`, under `services`, the service, `environment` | \
`docker compose -f compose.yaml -f compose.override.yaml -f compose.settings.yaml up --wait` |
| Swarm | the same file, as a second `-c` of `docker stack deploy` | `docker stack deploy` again |
| Kubernetes | `deploy/kubernetes/base/settings/*.env` | `kubectl apply -k` of your overlay |

`make up` sets host, port, addresses of services and the database URL itself."""

SETTINGS: tuple[tuple[str, type[BaseModel]], ...] = (
    ("Every service", ServiceSettings),
    ("Gateway", GatewaySettings),
    ("Services with a model", ModelServiceSettings),
    ("Identification services", RegistrySettings),
    ("Every process that uses the database (all except compa-service)", DatabaseSettings),
)
METRICS = """\
Every service answers `GET /metrics` in the format of Prometheus. The gateway asks for a key with the scope `admin`,
unless `MEDREID_METRICS_PUBLIC` is set. No label holds a patient or a file name."""

ERRORS = """\
Every error is `application/problem+json` (RFC 9457). `type` is a page of the gateway. `detail` says what to do.
Quote `request_id` when you report an error. After 429 and 503 wait as many seconds as the header `Retry-After` says."""

SCOPES = """\
The running gateway shows the same at `/docs`, where you can try each call, and at `/openapi.json`.
Send the header `Authorization: Bearer <key>`.

| scope of the key | allows |
|---|---|
| `identify` | `POST /v1/identify`, `POST /v1/preview` |
| `verify` | `POST /v1/verify` |
| `enrol` | `POST /v1/patients/{patient_id}/images`, the list of patients, the history of one patient |
| `erase` | both `DELETE` routes |
| `admin` | the list of patients, the history of one patient, `GET /metrics` |

Every valid key may call `GET /v1/modalities`. One key can have several scopes."""


def pages() -> Mapping[str, str]:
    """Text of every generated page, by file name."""
    writers: dict[str, Callable[[], str]] = {
        "settings.md": _settings,
        "training.md": _training,
        "metrics.md": _metrics,
        "errors.md": _errors,
        "api.md": _api,
    }
    return {name: write().rstrip() + "\n" for name, write in writers.items()}


def check(repository: Path) -> Iterator[Finding]:
    """A finding for every page that does not agree with the code."""
    for name, text in pages().items():
        page = repository / FOLDER / name
        if not page.is_file() or page.read_text(encoding="utf-8") != text:
            yield Finding(FOLDER / name, 1, "does not agree with the code: run `make reference-pages`")


def _settings() -> str:
    parts = ["# Settings", NOTE, WHERE_TO_SET]
    for title, settings in SETTINGS:
        own = {n: f for n, f in settings.model_fields.items() if _own(settings, ServiceSettings, n)}
        rows = [(f"`MEDREID_{name.upper()}`", _default(field), field.description) for name, field in own.items()]
        parts += [f"## {title}", _table(("variable", "default", "meaning"), rows)]
    return "\n\n".join(parts)


def _training() -> str:
    parts = ["# Settings of a training run", NOTE, "They stand in `training.toml` in the folder of the model."]
    kinds = [value for value in vars(training).values() if isinstance(value, type) and issubclass(value, BaseModel)]
    kinds = [kind for kind in kinds if kind.model_fields]
    tables: dict[str, list[str]] = {}
    for name, field in (item for kind in kinds for item in kind.model_fields.items()):
        for kind in kinds:
            if kind in (field.annotation, *get_args(field.annotation)) and f"`[{name}]`" not in tables.setdefault(
                kind.__name__, []
            ):
                tables[kind.__name__].append(f"`[{name}]`")
    for kind in kinds:
        fields = {n: f for n, f in kind.model_fields.items() if _own(kind, training.Configuration, n)}
        rows = [(f"`{name}`", _default(field), field.description) for name, field in fields.items()]
        title = ": ".join(
            [
                *filter(None, [", ".join(tables.get(kind.__name__, []))]),
                re.split(r" \(|: |\. |\.$", _first_line(kind))[0],
            ]
        )
        parts += [f"## {title}", _table(("field", "default", "meaning"), rows)]
    return "\n\n".join(parts)


def _metrics() -> str:
    rows = []
    for family in Metrics().registry.collect():
        collector = Metrics().registry._names_to_collectors[family.name]
        labels = ", ".join(f"`{label}`" for label in collector._labelnames)  # type: ignore[attr-defined]
        name = family.name + ("_total" if family.type == "counter" else "")
        rows.append((f"`{name}`", family.type, labels, family.documentation))
    return "\n\n".join(
        (
            "# Metrics",
            NOTE,
            METRICS,
            _table(("metric", "type", "labels", "meaning"), rows),
        )
    )


def _errors() -> str:
    rows = [
        (error.status, f"`{slug}`", error.default_detail)
        for slug, error in sorted(problem_types().items(), key=lambda item: (item[1].status, item[0]))
    ]
    return "\n\n".join(
        (
            "# Errors",
            NOTE,
            ERRORS,
            _table(("status", "type ends in", "meaning and what to do"), rows),
        )
    )


def _api() -> str:
    database = DatabaseSettings.model_validate({"database_url": "postgresql://nowhere"})
    schema = create_app(GatewaySettings(), database).openapi()
    parts = [
        "# HTTP API",
        NOTE,
        SCOPES,
        "## Routes",
        _table(("route", "answers"), list(_routes(schema))),
        "## Fields of a request",
    ]
    bodies = {name: body for name, body in schema["components"]["schemas"].items() if name.startswith("Body_")}
    fields: dict[str, tuple[set[str], str]] = {}
    for name, body in bodies.items():
        for field, described in body["properties"].items():
            used, _ = fields.setdefault(field, (set(), described.get("description", "")))
            used.add(name.removeprefix("Body_").split("_v1_")[0].split("_")[0])
    parts.append(
        _table(
            ("field", "used by", "meaning"),
            [(f"`{field}`", ", ".join(sorted(used)), meaning) for field, (used, meaning) in sorted(fields.items())],
        )
    )
    parts.append("## Fields of an answer")
    for name in ("Identification", "Candidate"):
        described = schema["components"]["schemas"][name]
        fields_of = described["properties"]
        rows = [(f"`{field}`", what["description"]) for field, what in fields_of.items() if "description" in what]
        parts += [f"### {name}", "Fields: " + ", ".join(f"`{field}`" for field in fields_of) + "."]
        parts += [_table(("field", "meaning"), rows)] if rows else []
    return "\n\n".join(parts)


def _routes(schema: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            yield f"`{method.upper()} {path}`", str(operation.get("description", "")).split("\n\n")[0]


def _own(model: type[BaseModel], base: type[BaseModel], name: str) -> bool:
    """Whether a table of `model` lists the field: inherited ones stand in the table of `base`, unless changed."""
    return model is base or name not in base.model_fields or model.__annotations__.get(name) is not None


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    return "" if isinstance(value, BaseModel) else f"`{value}`"


def _first_line(described: type) -> str:
    return (described.__doc__ or described.__name__).splitlines()[0]


def _table(headings: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    cells = ([" ".join(str(cell or "").split()).replace("|", "\\|") for cell in line] for line in (headings, *rows))
    first, *others = (f"| {' | '.join(line)} |" for line in cells)
    return "\n".join([first, "|---" * len(headings) + "|", *others])


def write(repository: Path) -> None:
    """Write every page."""
    for name, text in pages().items():
        (repository / FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(REPOSITORY)
