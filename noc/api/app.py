"""Puts the API together."""

from __future__ import annotations

import json
import sys
from importlib.metadata import version

from fastapi import FastAPI

from lifeline.clock import monotonic_s

from ..commands import Commands
from ..hub import Hub
from ..tokens import TokenStore
from . import ingest, playbooks, problems, routes, stream

PREFIX = "/api/v1"
MAX_BODY_BYTES = 64 * 1024
_DESCRIPTION = """\
State, alarms, events and commands of a lifeline hub.

On the hub's own Unix socket no token is needed; over TCP send `Authorization: Bearer TOKEN`.
Errors are RFC 9457 problem documents whose `detail` says what is wrong and what to do.
Times are nanoseconds since the epoch, UTC.
"""


def create_app(hub: Hub | None = None, tokens: TokenStore | None = None) -> FastAPI:
    """Return the application that serves a hub; without one it can only tell its OpenAPI document."""
    app = FastAPI(
        title="lifeline",
        version=version("lifeline"),
        description=_DESCRIPTION,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,  # FastAPI's pages load scripts from a content network that is not there on the day
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
        max_body_size=MAX_BODY_BYTES,
    )
    app.state.hub = hub
    app.state.tokens = tokens
    app.state.commands = Commands(hub) if hub is not None else None
    app.state.began_s = monotonic_s()
    problems.install(app)
    for module in (routes, playbooks, stream, ingest):
        app.include_router(module.router, prefix=PREFIX)
    return app


def openapi_text() -> str:
    """Return the OpenAPI document as it is committed: `python -m noc.api.app > docs/openapi.json`."""
    return json.dumps(create_app().openapi(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(openapi_text())
