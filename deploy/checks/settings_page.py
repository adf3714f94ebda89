"""`docs/settings.md`, written from the settings classes (`make settings-page`) and checked against them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from deploy.checks.finding import Finding
from gateway.settings import GatewaySettings
from shared.database.settings import DatabaseSettings
from shared.modalities.settings import RegistrySettings
from shared.service.model import ModelServiceSettings
from shared.service.settings import ServiceSettings, settings_table

PAGE = Path("docs/settings.md")
REPOSITORY = Path(__file__).resolve().parents[2]
SECTIONS = (
    ("Every service", ServiceSettings),
    ("The gateway, besides", GatewaySettings),
    ("Services with a model, besides", ModelServiceSettings),
    ("Identification services, besides", RegistrySettings),
    ("Whoever uses the database (all but compa-service)", DatabaseSettings),
)


def render() -> str:
    """The page."""
    parts = ["# Settings", "Environment variables. Written by `make settings-page` from the classes; change those."]
    inherited = set(settings_table(ServiceSettings).splitlines()[2:])
    for title, settings in SECTIONS:
        lines = settings_table(settings).splitlines()
        own = [line for line in lines if settings is ServiceSettings or line not in inherited]
        parts += [f"## {title}", "\n".join(own)]
    return "\n\n".join(parts) + "\n"


def check(repository: Path) -> Iterator[Finding]:
    """A finding where the page is not what the classes say."""
    page = repository / PAGE
    if not page.is_file() or page.read_text(encoding="utf-8") != render():
        yield Finding(PAGE, 1, "is not what the settings say: run `make settings-page`")


if __name__ == "__main__":
    (REPOSITORY / PAGE).write_text(render(), encoding="utf-8")
