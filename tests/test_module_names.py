"""A module's name says what it holds, so no two modules of the product have the same name."""

from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("shared", "gateway", "training", "experiments", "benchmarks", "samples", "deploy")
CONVENTIONAL = {
    "__init__",
    "__main__",
    "app",  # the entry of a service folder
    "endpoints",  # the routes of a package of the gateway
    "service",  # the application of a package of shared
    "settings",  # the settings of a package
}


def test_no_module_is_named_as_another() -> None:
    paths = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    paths += ROOT.glob("*-service/*.py")
    names = Counter(path.stem for path in paths)
    assert len(names) > 100
    assert {name for name, count in names.items() if count > 1} <= CONVENTIONAL
