"""`make mutants`: count the changes of the code that no test notices, and write docs/notebook/mutants.md.

mutmut changes one expression of a function at a time and runs the tests that reach the function, the fastest first. It
remembers its results under `mutants/`, so a run that was stopped continues. Arguments select mutants by their names,
with wildcards: `python -m tests.mutants 'shared.keypoints.*'`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from mutmut.mutation.data import SourceFileMutationData
from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.stats import status_by_exit_code
from mutmut.utils.file_utils import walk_mutatable_files

from shared.database.embedded import EmbeddedServer
from shared.database.migrate import migrate

PAGE = Path("docs/notebook/mutants.md")
NO_REASON = "not looked at yet"
ROW = re.compile(r"^\| `(.+)` \| `(.*)` \| `(.*)` \| (.*) \|$", re.MULTILINE)
HEAD = """\
# Mutants

`make mutants` changes one expression at a time in the code that recognises patients and checks callers. Then it runs
the tests that reach that code. A mutant is killed if a test fails, and survives if all tests pass. The run takes about
a quarter of an hour on two idle cores, and continues where it was stopped.
A run that was stopped has run a part of the mutants, which the column *run* says.

mutmut does not change constants of modules, such as thresholds. Tests that state behaviour pin those.

## Result

The share is that of the mutants that were run. Most of those that time out never end; on a busy machine some are slow.

| module | mutants | run | killed | timed out | killed, share |
| --- | --- | --- | --- | --- | --- |
"""
SURVIVORS = """
## Survivors

The table is written by `make mutants`. The reasons are written by hand, and are kept while the change is the same.

| function | original | mutant | reason |
| --- | --- | --- | --- |
"""


def main(names: list[str]) -> int:
    """Run mutmut over one PostgreSQL, in which every run of pytest makes itself a database, and write the page."""
    with TemporaryDirectory(prefix="medreid-") as folder:
        server = EmbeddedServer(Path(folder) / "data")
        try:
            migrate(server.url)
            environment = {**os.environ, "MEDREID_TEST_SERVER": server.url}
            mutmut = Path(sys.executable).with_name("mutmut")
            run = subprocess.run([mutmut, "run", "--max-children", "2", *names], env=environment, check=False)  # noqa: S603
        finally:
            server.stop()
    PAGE.write_text(render(PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""), encoding="utf-8")
    return run.returncode


def render(before: str) -> str:
    """The page of the results under `mutants/`, with the reasons that the page `before` gives."""
    reasons = {row[:3]: row[3] for row in ROW.findall(before)}
    total, lines, rows = Counter[str](), [], []
    for path in sorted(walk_mutatable_files()):
        data = SourceFileMutationData(path=path)
        data.load()
        statuses = Counter(status_by_exit_code[code] for code in data.exit_code_by_key.values())
        run = statuses.total() - statuses["not checked"]
        found = Counter(mutants=statuses.total(), run=run, killed=statuses["killed"], slow=statuses["timeout"])
        if found["mutants"]:
            lines.append(_line(f"`{path}`", found))
        total += found
        rows += [
            row for name, code in data.exit_code_by_key.items() if code in {0, 5, 33} for row in _changes(name, path)
        ]
    lines.append(_line("all", total))
    survivors = [f"| `{'` | `'.join(row)}` | {reasons.get(row, NO_REASON)} |" for row in rows]
    return HEAD + "\n".join(lines) + "\n" + SURVIVORS + "\n".join(survivors) + "\n"


def _line(module: str, found: Counter[str]) -> str:
    share = f"{found['killed'] / found['run']:.0%}" if found["run"] else "-"
    return f"| {module} | {found['mutants']} | {found['run']} | {found['killed']} | {found['slow']} | {share} |"


def _changes(mutant: str, path: Path) -> Iterator[tuple[str, str, str]]:
    """The function, its line and that of the mutant."""
    lines = get_diff_for_mutant(mutant, path=path).splitlines()[2:]
    removed, added = (" ".join(line[1:].strip() for line in lines if line.startswith(sign)) for sign in "-+")
    function = re.sub(
        r"x_|xǁ", "", mutant.rpartition("__mutmut_")[0].removeprefix(f"{path.parent}".replace("/", ".") + ".")
    )
    yield function.replace("ǁ", "."), removed.replace("|", "\\|"), added.replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
