"""The generated pages of `docs/reference` say what the code says."""

from pathlib import Path

import pytest

from deploy.checks.reference_pages import FOLDER, check, pages, write


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("settings.md", ["`MEDREID_PORT`", "`MEDREID_COMPA_URL`", "`MEDREID_WORKERS`", "`MEDREID_DATABASE_URL`"]),
        ("training.md", ["`backbone`", "`validation_share`", "`cap_cosine_llr`"]),
        ("metrics.md", ["`medreid_requests_total`", "`medreid_confidence`"]),
        ("errors.md", ["`unsupported-modality`", "`queue-full`"]),
        ("api.md", ["`POST /v1/identify`", "`DELETE /v1/patients/{patient_id}`", "`top_k`"]),
    ],
)
def test_every_name_is_on_its_page_once(page: str, names: list[str]) -> None:
    text = pages()[page]
    assert [text.count(f"| {name} |") for name in names] == [1] * len(names)


def test_a_page_of_yesterday_is_found(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir(parents=True)
    assert len(list(check(tmp_path))) == len(pages())
    write(tmp_path)
    assert not list(check(tmp_path))
