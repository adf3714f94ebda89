"""`python -m shared.database migrate`, or `serve --data DIR --url-file FILE` for the embedded server."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from shared.errors import DatabaseUnavailable


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m shared.database", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("migrate", help="update the schema")
    embedded = verbs.add_parser("serve", help="run the embedded server until SIGTERM")
    embedded.add_argument("--data", required=True, type=Path)
    embedded.add_argument("--url-file", required=True, type=Path)
    options = parser.parse_args(arguments)
    if options.verb == "serve":
        from shared.database.embedded import serve  # noqa: PLC0415 - needs the extra `embedded`

        return serve(options.data.resolve(), options.url_file)
    from shared.database.migrate import migrate  # noqa: PLC0415 - needs the extra `migrate`
    from shared.database.settings import DatabaseSettings  # noqa: PLC0415

    try:
        migrate(DatabaseSettings().url)
    except DatabaseUnavailable as error:
        print(error.detail, file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
