"""`python -m gateway.auth create --name NAME --scope SCOPE…`, `list`, `revoke KEY_ID`: the keys of callers."""

from __future__ import annotations

import argparse
import asyncio
import sys
from datetime import UTC, datetime, timedelta

from pydantic import ValidationError

from gateway.auth.keys import KeyLine, KeyRepository
from gateway.auth.scopes import Scope
from shared.database.pool import open_database
from shared.database.settings import DatabaseSettings
from shared.errors import MedReIDError


def main(arguments: list[str] | None = None) -> int:
    """Return the exit status: 0, or 1 after printing what is wrong."""
    options = _parser().parse_args(arguments)
    try:
        settings = DatabaseSettings()
        for line in asyncio.run(_run(options, settings)):
            print(line)  # noqa: T201
    except MedReIDError as error:
        return _fail(error.detail)
    except ValidationError as error:
        return _fail("; ".join(mistake["msg"] for mistake in error.errors()))
    return 0


def _fail(sentence: str) -> int:
    print(sentence, file=sys.stderr)  # noqa: T201
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m gateway.auth", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    create = verbs.add_parser("create", help="create a key and print it, once")
    create.add_argument("--name", required=True)
    create.add_argument("--days", type=_days, help="days that the key is valid; without it, until it is revoked")
    wanted = create.add_mutually_exclusive_group(required=True)
    wanted.add_argument("--scope", action="append", type=Scope, choices=list(Scope))
    wanted.add_argument("--all-scopes", action="store_const", dest="scope", const=list(Scope))
    verbs.add_parser("list", help="list the ids, names, scopes and states of all keys")
    verbs.add_parser("revoke", help="revoke a key").add_argument("key_id")
    return parser


def _days(text: str) -> timedelta:
    days = timedelta(days=float(text))
    if days <= timedelta():
        raise argparse.ArgumentTypeError("must be more than 0 days")
    return days


async def _run(options: argparse.Namespace, settings: DatabaseSettings) -> list[str]:
    async with open_database(settings) as database:
        keys = KeyRepository(database)
        if options.verb == "create":
            expires_at = datetime.now(UTC) + options.days if options.days else None
            return [await keys.create(options.name, options.scope, expires_at)]
        if options.verb == "revoke":
            await keys.revoke(options.key_id)
            return []
        return [_line(key) for key in await keys.list()]


def _line(key: KeyLine) -> str:
    until = f"{key.expires_at:%Y-%m-%d}" if key.expires_at else "-"
    return f"{key.key_id}  {key.state:7}  {until:10}  {','.join(key.scopes):40}  {key.name}"


if __name__ == "__main__":
    sys.exit(main())
