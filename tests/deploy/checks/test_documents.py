"""Documents that name what is not there are found."""

from pathlib import Path

import pytest

from deploy.checks.documents import check


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "Makefile").write_text("up: ## start\n\t@true\n")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "guide.md").write_text("# The guide\n\n## First steps\n")
    return tmp_path


def messages(tree: Path, readme: str) -> list[str]:
    (tree / "README.md").write_text(readme)
    return [str(finding) for finding in check(tree)]


@pytest.mark.parametrize(
    "text",
    [
        "[guide](docs/guide.md)",
        "[steps](docs/guide.md#first-steps)",
        "# Here\n\n[up](#here)",
        "[elsewhere](https://example.org/x)",
        "`make up`",
        "`docs/guide.md` and `docs/*.md` and `not/a/path/of/this/tree`",
        "```\n[not a link](nowhere.md)\n```",
    ],
)
def test_what_exists_may_be_named(tree: Path, text: str) -> None:
    assert messages(tree, text) == []


@pytest.mark.parametrize(
    "text",
    [
        "[guide](docs/other.md)",
        "[steps](docs/guide.md#second-steps)",
        "`make down`",
        "```sh\ncd here && make down\n```",
        "`docs/other.md`",
    ],
)
def test_what_does_not_exist_is_found_with_its_line(tree: Path, text: str) -> None:
    (finding,) = messages(tree, f"One line.\n\n{text}\n")
    assert finding.startswith("README.md:3: ")
