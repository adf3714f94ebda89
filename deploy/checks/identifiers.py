"""No patient identifier, file name or DICOM content may reach a logger, a metric label or the message of an exception.

The check is syntactic: it looks at the names inside the arguments of such calls. It cannot see an identifier under
another name; reviews can.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import shared.errors
from deploy.checks.finding import Finding

SERVING = ("shared", "gateway", "*-service")
IDENTIFYING = re.compile(
    r"patient_?ids?|patient_?name|file_?name|accession_?number|birth_?date|dataset|image_id|"
    r"(study|series|instance|sop)_.*uid|idempotency_key|api_key|authorization",
    re.IGNORECASE,
)
LEVELS = {"debug", "info", "warning", "warn", "error", "exception", "critical", "msg", "log", "bind", "new"}
LOGGER = re.compile(r"_?log(ger|ging)?|get_?logger|structlog", re.IGNORECASE)
ANYWHERE = {"bind_contextvars", "bound_contextvars", "labels", "add_note", "print"}
HARMLESS = {"len", "bool", "type", "isinstance"}
ERRORS = {
    name
    for name, value in vars(shared.errors).items()
    if isinstance(value, type) and issubclass(value, shared.errors.MedReIDError)
}


def check(repository: Path) -> Iterator[Finding]:
    """Yield the findings in all serving code."""
    for pattern in SERVING:
        for folder in sorted(repository.glob(pattern)):
            for path in sorted(folder.rglob("*.py")):
                tree = ast.parse(path.read_text(encoding="utf-8"))
                for line, name, sink in leaks(tree):
                    yield Finding(path.relative_to(repository), line, f"`{name}` reaches {sink}")


def leaks(tree: ast.AST) -> Iterator[tuple[int, str, str]]:
    """Yield line, name and sink of every identifying name in the arguments of a sink."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            yield from _names_in(node.exc, "the message of an exception")
        elif isinstance(node, ast.Call) and (sink := _sink(node)):
            yield from _names_in(node, sink)


def _sink(call: ast.Call) -> str | None:
    function = call.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    if name in ANYWHERE:
        return f"`{name}`"
    if name in ERRORS:
        return "the message of an exception"
    if isinstance(function, ast.Attribute) and name in LEVELS and LOGGER.fullmatch(_last_name(function.value)):
        return "a logger"
    return None


def _last_name(node: ast.AST) -> str:
    if isinstance(node, ast.Call):
        return _last_name(node.func)
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _names_in(call: ast.Call, sink: str) -> Iterator[tuple[int, str, str]]:
    for keyword in call.keywords:
        if keyword.arg and IDENTIFYING.fullmatch(keyword.arg):
            yield call.lineno, keyword.arg, sink
    for argument in (*call.args, *(keyword.value for keyword in call.keywords)):
        for name in _identifying(argument):
            yield call.lineno, name, sink


def _identifying(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") in HARMLESS:
        return
    name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
    if name and IDENTIFYING.fullmatch(name):
        yield name
    for child in ast.iter_child_nodes(node):
        yield from _identifying(child)
