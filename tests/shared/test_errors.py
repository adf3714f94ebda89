import pytest

from shared import errors
from shared.errors import PROBLEM_MEDIA_TYPE, MedReIDError, NotFound, QueueFull, ServiceUnavailable, responses
from shared.service.problems import problem_types


@pytest.mark.parametrize("slug", sorted(problem_types()))
def test_the_tree_in_the_docstring_is_the_tree(slug: str) -> None:
    error = problem_types()[slug]
    lines = (errors.__doc__ or "").splitlines()
    assert any(f"{error.__name__} " in line and f"{error.status} {slug}" in line for line in lines)


@pytest.mark.parametrize("error", [MedReIDError, *problem_types().values()])
def test_every_problem_says_what_it_is_and_what_to_do(error: type[MedReIDError]) -> None:
    assert error.__doc__
    assert error.title
    assert error.default_detail.endswith(".")
    assert 400 <= error.status <= 599


def test_an_error_has_its_own_words_where_it_is_given_some() -> None:
    assert str(NotFound("No such bed.")) == NotFound("No such bed.").detail == "No such bed."
    assert NotFound().detail == NotFound.default_detail


def test_what_is_unavailable_says_when_to_come_back() -> None:
    assert ServiceUnavailable().retry_after_s == 2
    assert NotFound().retry_after_s is None


def test_errors_of_one_status_share_a_response_with_examples() -> None:
    documented = responses(QueueFull, ServiceUnavailable, NotFound)
    assert sorted(map(str, documented)) == ["404", "503"]
    assert set(documented[503]["content"][PROBLEM_MEDIA_TYPE]["examples"]) == {"queue-full", "service-unavailable"}
