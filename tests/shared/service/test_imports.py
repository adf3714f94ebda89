import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("tensorflow", "keras", "pydicom", "PIL", "matplotlib", "scipy")


@pytest.mark.parametrize(
    "service", ["compa-service", "ct-service", "mri-service", "fundus-service", "skin-service", "xray-service"]
)
def test_a_model_service_imports_nothing_that_it_does_not_need(service: str, repository: Path) -> None:
    code = f"import runpy, sys; runpy.run_path({str(repository / service / 'app.py')!r}); print(*sys.modules)"
    process = subprocess.run(  # noqa: S603
        [sys.executable, "-c", code], cwd=repository, check=True, capture_output=True, text=True
    )
    assert not set(HEAVY) & set(process.stdout.split())


@pytest.mark.parametrize("service", ["ct", "mri", "fundus", "skin", "xray"])
def test_the_identification_services_differ_by_their_data_only(service: str, repository: Path) -> None:
    app = (repository / f"{service}-service" / "app.py").read_text(encoding="utf-8")
    assert app == (repository / "ct-service" / "app.py").read_text(encoding="utf-8")
    assert len(app.splitlines()) <= 10


def test_the_gateway_needs_no_runtime_of_models(repository: Path) -> None:
    code = "import sys, gateway.application; print(*sys.modules)"
    process = subprocess.run([sys.executable, "-c", code], cwd=repository, check=True, capture_output=True, text=True)  # noqa: S603
    assert not {"ai_edge_litert", "tensorflow"} & set(process.stdout.split())
