from __future__ import annotations

import asyncio
import base64
import hmac
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from starlette.datastructures import Headers

from gateway.auth.authenticator import Authenticator
from gateway.auth.keys import KeyRepository, hash_key
from gateway.auth.scopes import Scope
from gateway.settings import GatewaySettings
from shared.database.pool import Database, open_database
from shared.database.settings import DatabaseSettings
from shared.errors import DatabaseUnavailable, NotFound, RateLimited, Unauthenticated

PRIVATE = ed25519.Ed25519PrivateKey.generate()
STRANGER = ed25519.Ed25519PrivateKey.generate()


@pytest.fixture
def keys(database: Database) -> KeyRepository:
    return KeyRepository(database)


def settings(**values: Any) -> GatewaySettings:
    return GatewaySettings.model_validate(values)


@pytest.fixture
def jwt_settings(tmp_path: Path) -> GatewaySettings:
    path = tmp_path / "issuer.pem"
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    path.write_bytes(PRIVATE.public_key().public_bytes(serialization.Encoding.PEM, form))
    return settings(jwt_public_key_file=path, jwt_algorithm="EdDSA", jwt_issuer="https://issuer.example")


def token(key: ed25519.Ed25519PrivateKey = PRIVATE, **changes: Any) -> str:
    claims = {
        "iss": "https://issuer.example",
        "aud": "medreid",
        "sub": "pacs",
        "exp": int(time.time()) + 60,
        "scope": "identify verify dance",
    }
    return jwt.encode({k: v for k, v in {**claims, **changes}.items() if v is not None}, key, "EdDSA")


def pass_time(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Set the monotonic clock forward."""
    clock = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: clock() + seconds)


async def test_a_key_opens_what_it_was_made_for(keys: KeyRepository) -> None:
    key = await keys.create("ward 3", [Scope.IDENTIFY, Scope.VERIFY])
    caller = await Authenticator(keys, settings()).authenticate(key)
    assert caller.scopes == {Scope.IDENTIFY, Scope.VERIFY}


async def test_only_the_hash_of_a_key_is_stored(keys: KeyRepository, database: Database) -> None:
    key = await keys.create("ward 3", [Scope.IDENTIFY])
    content = str(await database.fetch("SELECT k::text FROM api_keys k"))
    assert key not in content
    assert hash_key(key).hex() in content


async def test_two_keys_are_never_the_same(keys: KeyRepository) -> None:
    made = {await keys.create("ward 3", [Scope.IDENTIFY]) for _ in range(10)}
    assert len(made) == 10
    assert all(len(key) > 40 for key in made)


async def test_an_expired_key_is_worth_nothing(keys: KeyRepository) -> None:
    key = await keys.create("ward 3", [Scope.IDENTIFY], datetime.now(UTC) - timedelta(seconds=1))
    with pytest.raises(Unauthenticated):
        await Authenticator(keys, settings()).authenticate(key)


async def test_a_revoked_key_ends_within_six_seconds(keys: KeyRepository, monkeypatch: pytest.MonkeyPatch) -> None:
    key = await keys.create("ward 3", [Scope.IDENTIFY])
    guard = Authenticator(keys, settings())
    await guard.authenticate(key)
    await keys.revoke((await keys.list())[0].key_id)
    pass_time(monkeypatch, 6.0)
    with pytest.raises(Unauthenticated):
        await guard.authenticate(key)


async def test_a_remembered_key_is_not_looked_up_again(keys: KeyRepository, database: Database) -> None:
    key = await keys.create("ward 3", [Scope.IDENTIFY])
    guard = Authenticator(keys, settings())
    await guard.authenticate(key)
    await database.fetch("DELETE FROM api_keys")
    assert (await guard.authenticate(key)).scopes == {Scope.IDENTIFY}


async def test_a_key_cannot_be_revoked_twice(keys: KeyRepository) -> None:
    await keys.create("ward 3", [Scope.IDENTIFY])
    key_id = (await keys.list())[0].key_id
    await keys.revoke(key_id)
    with pytest.raises(NotFound):
        await keys.revoke(key_id)


async def test_each_caller_has_a_limit_of_its_own(keys: KeyRepository) -> None:
    guard = Authenticator(keys, settings(requests_per_minute=1))
    first, second = [await keys.create(name, [Scope.IDENTIFY]) for name in "ab"]
    await guard.authenticate(first)
    await guard.authenticate(second)
    with pytest.raises(RateLimited) as caught:
        await guard.authenticate(first)
    assert 1 <= (caught.value.retry_after_s or 0) <= 60


async def test_a_jwt_carries_the_scopes_that_are_known_here(keys: KeyRepository, jwt_settings: GatewaySettings) -> None:
    caller = await Authenticator(keys, jwt_settings).authenticate(token())
    assert (caller.caller_id, caller.scopes) == ("jwt:pacs", frozenset({Scope.IDENTIFY, Scope.VERIFY}))


async def test_an_expiry_in_quotes_is_a_number_all_the_same(keys: KeyRepository, jwt_settings: GatewaySettings) -> None:
    quoted = token(exp=str(int(time.time()) + 60))
    assert (await Authenticator(keys, jwt_settings).authenticate(quoted)).caller_id == "jwt:pacs"


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
async def test_whose_a_request_is_stands_in_its_headers(keys: KeyRepository, scheme: str) -> None:
    key = await keys.create("ward 3", [Scope.IDENTIFY])
    guard = Authenticator(keys, settings())
    who = await guard.caller_id(Headers({"authorization": f"{scheme} {key}"}))
    assert who == (await guard.authenticate(key)).caller_id


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer mrid_wrong", "Bearer a.b.c", "Basic dXNlcjpwYXNz"])
async def test_a_request_of_nobody_is_refused_by_its_headers(keys: KeyRepository, header: str) -> None:
    with pytest.raises(Unauthenticated):
        await Authenticator(keys, settings()).caller_id(Headers({"authorization": header}))


async def test_whose_request_it_is_needs_no_database_once_the_key_was_good(
    keys: KeyRepository, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await keys.create("ward 3", [Scope.IDENTIFY])
    guard = Authenticator(keys, settings())
    who = (await guard.authenticate(key)).caller_id
    await database.fetch("DELETE FROM api_keys")
    pass_time(monkeypatch, 6.0)
    assert await guard.caller_id(Headers({"authorization": f"Bearer {key}"})) == who
    with pytest.raises(Unauthenticated):  # which grants nothing
        await guard.authenticate(key)


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"exp": 1}, id="expired"),
        pytest.param({"exp": None}, id="no expiry"),
        pytest.param({"sub": None}, id="no subject"),
        pytest.param({"iss": "https://other.example"}, id="another issuer"),
        pytest.param({"aud": "another"}, id="another audience"),
        pytest.param({"key": STRANGER}, id="another key"),
    ],
)
async def test_a_wrong_jwt_is_refused(
    keys: KeyRepository, jwt_settings: GatewaySettings, wrong: dict[str, Any]
) -> None:
    with pytest.raises(Unauthenticated):
        await Authenticator(keys, jwt_settings).authenticate(token(**wrong))


async def test_a_remembered_jwt_is_worth_nothing_once_it_has_expired(
    keys: KeyRepository, jwt_settings: GatewaySettings
) -> None:
    guard, short = Authenticator(keys, jwt_settings), token(exp=time.time() + 1.0)
    await guard.authenticate(short)
    await asyncio.sleep(1.1)
    with pytest.raises(Unauthenticated):
        await guard.authenticate(short)
    with pytest.raises(Unauthenticated):  # nobody's body is read for it
        await guard.caller_id(Headers({"authorization": f"Bearer {short}"}))


async def test_an_unsigned_jwt_is_refused(keys: KeyRepository, jwt_settings: GatewaySettings) -> None:
    unsigned = jwt.encode({"sub": "pacs", "exp": time.time() + 60, "aud": "medreid"}, "", "none")
    with pytest.raises(Unauthenticated):
        await Authenticator(keys, jwt_settings).authenticate(unsigned)


async def test_without_an_issuers_key_no_jwt_is_accepted(keys: KeyRepository) -> None:
    with pytest.raises(Unauthenticated):
        await Authenticator(keys, settings()).authenticate(token())


def test_an_issuers_key_without_an_issuer_is_a_mistake(keys: KeyRepository, jwt_settings: GatewaySettings) -> None:
    with pytest.raises(ValueError, match="MEDREID_JWT_ISSUER"):
        Authenticator(keys, jwt_settings.model_copy(update={"jwt_issuer": None}))


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_a_key_of_another_algorithm_is_a_mistake_at_the_start(
    keys: KeyRepository, jwt_settings: GatewaySettings, algorithm: str
) -> None:
    with pytest.raises(ValueError, match=f"no public key for {algorithm}"):
        Authenticator(keys, jwt_settings.model_copy(update={"jwt_algorithm": algorithm}))


def test_a_file_without_a_key_is_a_mistake_at_the_start(
    keys: KeyRepository, jwt_settings: GatewaySettings, tmp_path: Path
) -> None:
    (tmp_path / "issuer.pem").write_text("nothing")
    with pytest.raises(ValueError, match="no public key for EdDSA"):
        Authenticator(keys, jwt_settings)


async def test_a_jwt_signed_with_the_public_key_as_a_secret_is_refused(
    keys: KeyRepository, jwt_settings: GatewaySettings
) -> None:
    payload = token().split(".")[1]
    header = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').rstrip(b"=").decode()
    public = (jwt_settings.jwt_public_key_file or Path()).read_bytes()
    signature = hmac.digest(public, f"{header}.{payload}".encode(), "sha256")
    forged = f"{header}.{payload}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"
    with pytest.raises(Unauthenticated):
        await Authenticator(keys, jwt_settings).authenticate(forged)


async def test_a_scope_of_another_version_grants_nothing(keys: KeyRepository, database: Database) -> None:
    key = await keys.create("ward 3", [Scope.IDENTIFY])
    await database.fetch("UPDATE api_keys SET scopes = '{identify,fly}'")
    assert (await Authenticator(keys, settings()).authenticate(key)).scopes == {Scope.IDENTIFY}


async def test_without_a_database_nobody_is_refused_as_a_stranger(server_folder: Path) -> None:
    nowhere = DatabaseSettings.model_validate({"database_url": f"postgresql:///postgres?host={server_folder}/nowhere"})
    async with open_database(nowhere) as database:
        with pytest.raises(DatabaseUnavailable):
            await Authenticator(KeyRepository(database), settings()).authenticate("mrid_any")
