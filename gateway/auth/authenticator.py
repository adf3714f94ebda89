"""Find the caller of a request by its Authorization header."""

from __future__ import annotations

import math
import time
from typing import Any

import jwt
from fastapi.security.utils import get_authorization_scheme_param
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from starlette.datastructures import Headers

from gateway.auth.credential_cache import CredentialCache
from gateway.auth.keys import PREFIX, KeyRepository, hash_key
from gateway.auth.scopes import Caller, known_scopes
from gateway.settings import GatewaySettings
from shared.errors import RateLimited, Unauthenticated


class Authenticator:
    """Check API keys against the database and JWTs against the issuer's key; limit each caller's requests a minute.

    The limit holds for each gateway process: with n replicas a caller may send up to n times as many requests.
    """

    def __init__(self, keys: KeyRepository, settings: GatewaySettings) -> None:
        self._keys, self._settings = keys, settings
        self._cache = CredentialCache()
        self._public_key = _issuers_key(settings)
        self._limit = RateLimitItemPerMinute(settings.requests_per_minute)
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())

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
        caller = self._cache.known(token) or await self._look_up(token)
        return caller.caller_id

    async def authenticate(self, token: str) -> Caller:
        """Return the caller behind a bearer token; raises Unauthenticated, RateLimited or DatabaseUnavailable."""
        caller = self._cache.find(token) or await self._look_up(token)
        if not self._limiter.hit(self._limit, caller.caller_id):
            reset_at = self._limiter.get_window_stats(self._limit, caller.caller_id).reset_time
            raise RateLimited(retry_after_s=max(1, math.ceil(reset_at - time.time())))
        return caller

    async def _look_up(self, token: str) -> Caller:
        try:
            return await self._by_key(token) if token.startswith(PREFIX) else self._by_jwt(token)
        except Unauthenticated:
            self._cache.drop(token)
            raise

    async def _by_key(self, key: str) -> Caller:
        caller = await self._keys.find(hash_key(key))
        if caller is None:
            raise Unauthenticated
        self._cache.keep(key, caller)
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
        self._cache.keep(token, caller, int(claims["exp"]) - time.time())  # PyJWT takes a number as text, too
        return caller


def _issuers_key(settings: GatewaySettings) -> Any:
    """Return the issuer's public key, or None if no JWTs are accepted; raises ValueError if the file is no key."""
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
