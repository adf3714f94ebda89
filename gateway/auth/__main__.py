"""`python -m gateway.auth create --name NAME --scope SCOPE…`, `list`, `revoke KEY_ID`: the keys of callers."""

from __future__ import annotations

import argparse
import asyncio
import sys

from gateway.auth.keys import KeyRepository
from gateway.auth.scopes import Scope
from shared.database.connections import open_database
from shared.database.settings import DatabaseSettings
from shared.errors import MedReIDError


def main(arguments: list[str] | None = None) -> int:
    """0, or 1 with a sentence on what is wrong."""
    options = _parser().parse_args(arguments)
    try:
        for line in asyncio.run(_run(options)):
            print(line)  # noqa: T201
    except MedReIDError as error:
        print(error.detail, file=sys.stderr)  # noqa: T201
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m gateway.auth", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    create = verbs.add_parser("create", help="make a key and print it, once")
    create.add_argument("--name", required=True)
    wanted = create.add_mutually_exclusive_group(required=True)
    wanted.add_argument("--scope", action="append", type=Scope, choices=list(Scope))
    wanted.add_argument("--all-scopes", action="store_const", dest="scope", const=list(Scope))
    verbs.add_parser("list", help="all keys, without the keys themselves")
    verbs.add_parser("revoke", help="end a key").add_argument("key_id")
    return parser


async def _run(options: argparse.Namespace) -> list[str]:
    async with open_database(DatabaseSettings()) as database:
        keys = KeyRepository(database)
        if options.verb == "create":
            return [await keys.create(options.name, options.scope)]
        if options.verb == "revoke":
            await keys.revoke(options.key_id)
            return []
        return [
            f"{k.key_id}  {'revoked' if k.revoked_at else 'active '}  {','.join(k.scopes):40}  {k.name}"
            for k in await keys.list()
        ]


if __name__ == "__main__":
    sys.exit(main())
