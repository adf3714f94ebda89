"""Authentication as the parameter of an endpoint: `caller: Annotated[Caller, requires(Scope.IDENTIFY)]`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.datastructures import Headers
from starlette.types import Scope as Connection

from gateway.auth.authenticator import Authenticator
from gateway.auth.scopes import Caller, Scope
from shared.errors import DatabaseUnavailable, Forbidden, MedReIDError, RateLimited, Unauthenticated

AUTH_ERRORS: tuple[type[MedReIDError], ...] = (Unauthenticated, Forbidden, RateLimited, DatabaseUnavailable)
bearer = HTTPBearer(auto_error=False, description="An API key (`mrid_…`) or a JWT of the configured issuer.")


async def caller_id(connection: Connection) -> str:
    """Return the caller's id before the body is read; raises what `Authenticator.caller_id` raises."""
    authenticator: Authenticator = connection["state"]["authenticator"]
    return await authenticator.caller_id(Headers(scope=connection))


async def any_caller(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]
) -> Caller:
    """Return the caller of a request; raises Unauthenticated without a valid credential."""
    if credentials is None:
        raise Unauthenticated
    authenticator: Authenticator = request.state.authenticator
    return await authenticator.authenticate(credentials.credentials)


def scope_check(*scopes: Scope) -> Callable[..., Awaitable[Caller]]:
    """Return a dependency that requires one of `scopes`; it raises Forbidden."""

    async def check(caller: Annotated[Caller, Depends(any_caller)]) -> Caller:
        if not caller.scopes.intersection(scopes):
            names = " or ".join(f"`{scope.value}`" for scope in scopes)
            raise Forbidden(f"This key lacks the scope {names}. Use a key that has it.")
        return caller

    return check


def requires(*scopes: Scope) -> Any:
    """Return `scope_check` for use inside Annotated."""
    return Depends(scope_check(*scopes))
