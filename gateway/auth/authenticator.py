"""From the Authorization header to a caller."""

from __future__ import annotations

import math
import time
from typing import Any

import jwt
from fastapi.security.utils import get_authorization_scheme_param
from starlette.datastructures import Headers
from throttled import RateLimiterType, Throttled, per_min
from throttled.store import MemoryStore

from gateway.auth.keys import PREFIX, KeyRepository, hash_key
from gateway.auth.remembered import REMEMBERED_CALLERS, RememberedCallers
from gateway.auth.scopes import Caller, known_scopes
from gateway.settings import GatewaySettings
from shared.errors import RateLimited, Unauthenticated


class Authenticator:
    """Checks API keys against the database and JWTs against the issuer's key; counts each caller's requests.

    The rate limit is a generic cell rate algorithm: a minute's requests may come at once, then they are spread evenly.
    It holds per gateway process: with n replicas a caller gets up to n times as much.
    """

    def __init__(self, keys: KeyRepository, settings: GatewaySettings) -> None:
        self._keys, self._settings = keys, settings
        self._remembered = RememberedCallers()
        self._public_key = _issuers_key(settings)
        per_minute = settings.requests_per_minute
        self._limiter = Throttled(
            using=RateLimiterType.GCRA.value,
            quota=per_min(per_minute, burst=per_minute),
            store=MemoryStore(options={"MAX_SIZE": REMEMBERED_CALLERS}),
        )

    async def caller_id(self, headers: Headers) -> str:
        """Return the caller's id, so that only bodies of known callers are read.

        A credential that was valid once is enough here: `authenticate` checks it again before anything is done.

        Raises:
            Unauthenticated: There is no credential, or it was never valid.
            DatabaseUnavailable: The credential could not be checked.
        """
        scheme, token = get_authorization_scheme_param(headers.get("authorization"))
        if scheme.lower() != "bearer" or not token:
            raise Unauthenticated
        caller = self._remembered.known(token) or await self._look_up(token)
        return caller.caller_id

    async def authenticate(self, token: str) -> Caller:
        """The caller behind a bearer token; Unauthenticated, RateLimited, or DatabaseUnavailable."""
        caller = self._remembered.find(token) or await self._look_up(token)
        counted = self._limiter.limit(caller.caller_id)
        if counted.limited:
            raise RateLimited(retry_after_s=math.ceil(counted.state.retry_after))
        return caller

    async def _look_up(self, token: str) -> Caller:
        try:
            return await self._by_key(token) if token.startswith(PREFIX) else self._by_jwt(token)
        except Unauthenticated:
            self._remembered.drop(token)
            raise

    async def _by_key(self, key: str) -> Caller:
        caller = await self._keys.find(hash_key(key))
        if caller is None:
            raise Unauthenticated
        self._remembered.keep(key, caller)
        return caller

    def _by_jwt(self, token: str) -> Caller:
        if self._public_key is None:
            raise Unauthenticated
        try:
            claims = jwt.decode(
                token,
                self._public_key,
                algorithms=[self._settings.jwt_algorithm],
                audience=self._settings.jwt_audience,
                issuer=self._settings.jwt_issuer,
                options={"require": ["exp", "sub"]},
            )
        except jwt.PyJWTError:
            raise Unauthenticated from None
        caller = Caller(f"jwt:{claims['sub']}", known_scopes(str(claims.get("scope", "")).split()))
        self._remembered.keep(token, caller, int(claims["exp"]) - time.time())  # PyJWT takes a number as text, too
        return caller


def _issuers_key(settings: GatewaySettings) -> Any:
    """The key that JWTs are checked with; a mistake in it is a ValueError now instead of a 401 for everybody later."""
    if settings.jwt_public_key_file is None:
        return None
    if not settings.jwt_issuer:
        raise ValueError("MEDREID_JWT_PUBLIC_KEY_FILE is set without MEDREID_JWT_ISSUER: set both")
    algorithm = jwt.get_algorithm_by_name(settings.jwt_algorithm)
    try:
        return algorithm.prepare_key(settings.jwt_public_key_file.read_bytes())
    except (jwt.PyJWTError, TypeError, ValueError):
        raise ValueError(
            f"MEDREID_JWT_PUBLIC_KEY_FILE has no public key for {settings.jwt_algorithm}: check MEDREID_JWT_ALGORITHM"
        ) from None
