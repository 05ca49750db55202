"""Who asks, and what they may. The local socket's mode is its lock (ADR 0007); over TCP a bearer token says it."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import Depends, HTTPException
from fastapi.requests import HTTPConnection
from fastapi.security import HTTPBearer

from ..tokens import Role, Token, TokenStore

LOCAL: Final = "lifeline.local"
"""Scope key that the local socket's door sets; nothing that comes over a network can."""

bearer = HTTPBearer(auto_error=False, description="A token from `lifeline token create`; the local socket needs none.")


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks. `token` is None for the local socket."""

    name: str
    role: Role
    token: Token | None = None


class Door:
    """Wraps the application for one listener and marks whether it is the local socket."""

    def __init__(self, app: Any, *, local: bool) -> None:
        self._app = app
        self._local = local

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Pass a connection on, marked."""
        scope[LOCAL] = self._local
        await self._app(scope, receive, send)


def identify(connection: HTTPConnection) -> Identity:
    """Return who asks.

    Raises:
        HTTPException: 401, no token or one that is not known.
    """
    if connection.scope.get(LOCAL):
        return Identity("local", Role.ADMINISTRATOR)
    scheme, _, secret = connection.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not secret:
        raise _unauthorized("a token is needed: send `Authorization: Bearer TOKEN` (lifeline: set LIFELINE_TOKEN_FILE)")
    store: TokenStore = connection.app.state.tokens
    token = store.find(secret.strip())
    if token is None:
        raise _unauthorized("this token is not known here: it was revoked, or belongs to another hub")
    return Identity(token.name, token.role, token)


def still_valid(connection: HTTPConnection, identity: Identity) -> bool:
    """Tell whether a connection that lasts may go on: its token has not been revoked."""
    store: TokenStore = connection.app.state.tokens
    return identity.token is None or store.stands(identity.token)


def require(role: Role) -> Callable[[HTTPConnection], Identity]:
    """Return a dependency that admits a role and those above it."""

    # `bearer` is asked for its part in the OpenAPI schema only. Not beside `Depends(check)` in one Annotated: FastAPI
    # takes the last of them and would drop the check.
    def check(connection: HTTPConnection, _shown: Annotated[object, Depends(bearer)] = None) -> Identity:
        identity = identify(connection)
        if not identity.role.includes(role):
            raise HTTPException(
                403, f"token {identity.name!r} has the role {identity.role.value}; this needs {role.value}"
            )
        return identity

    return check


def require_near(connection: HTTPConnection) -> None:
    """Admit this machine without a token, and any other with a viewer's: for metrics.

    Raises:
        HTTPException: 401 or 403.
    """
    host = connection.client.host if connection.client else ""
    try:
        near = ipaddress.ip_address(host).is_loopback
    except ValueError:
        near = False
    if not near:
        require(Role.VIEWER)(connection)


def _unauthorized(text: str) -> HTTPException:
    return HTTPException(401, text, headers={"WWW-Authenticate": "Bearer"})


Viewer = Annotated[Identity, Depends(require(Role.VIEWER))]
Operator = Annotated[Identity, Depends(require(Role.OPERATOR))]
Approver = Annotated[Identity, Depends(require(Role.APPROVER))]
