"""Errors as RFC 9457 problem documents, whose `detail` says in a sentence what is wrong and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as AnyHTTPException

from lifeline.journal.engine import JournalError

from ..tokens import TokenError
from .schemas import Problem

MEDIA_TYPE: Final = "application/problem+json"


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return how a route's errors stand in the OpenAPI document."""
    return {status: {"model": Problem, "description": HTTPStatus(status).phrase} for status in (401, 403, *statuses)}


def not_found(kind: str, name: str, known: Iterable[str]) -> HTTPException:
    """Return the 404 of a name that does not exist; it names the nearest one that does."""
    nearest = get_close_matches(name, list(known), n=1)
    return HTTPException(404, f"there is no {kind} {name!r}" + (f"; did you mean {nearest[0]!r}?" if nearest else ""))


def install(app: FastAPI) -> None:
    """Make the application answer every error as a problem document."""
    app.add_exception_handler(AnyHTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(JournalError, _journal_error)
    app.add_exception_handler(TokenError, _token_error)


async def _http_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, AnyHTTPException)
    return _problem(error.status_code, str(error.detail), error.headers)


async def _validation_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    faults = ["{}: {}".format(".".join(map(str, fault["loc"])), fault["msg"]) for fault in error.errors()]
    return _problem(422, "; ".join(faults))


async def _journal_error(_request: Request, error: Exception) -> JSONResponse:
    return _problem(503, f"the journal cannot be read now, try again: {error}")


async def _token_error(_request: Request, error: Exception) -> JSONResponse:
    return _problem(503, f"nobody can be told apart now, mend or remove the hub's file of tokens: {error}")


def _problem(status: int, detail: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    body = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail)
    return JSONResponse(body.model_dump(), status, headers=headers, media_type=MEDIA_TYPE)
