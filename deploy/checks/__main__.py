"""`python -m deploy.checks`: print every finding as `file:line: message`; exit status 1 if there is one."""

from __future__ import annotations

import sys
from pathlib import Path

from deploy.checks import documents, identifiers, reference_pages

REPOSITORY = Path(__file__).resolve().parents[2]


def main() -> int:
    """Run all checks over the tree."""
    findings = [*identifiers.check(REPOSITORY), *documents.check(REPOSITORY), *reference_pages.check(REPOSITORY)]
    for finding in findings:
        print(finding)  # noqa: T201
    print(f"deploy.checks: {len(findings) or 'no'} finding{'s' * (len(findings) != 1)}")  # noqa: T201
    return bool(findings)


if __name__ == "__main__":
    sys.exit(main())
