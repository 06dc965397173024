"""Errors of the command API, as `application/problem+json` (RFC 9457)."""

from http import HTTPStatus
from typing import Any, Final

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from ocppj.errors import (
    CallFailed,
    CallTimeout,
    ConnectionLost,
    DecodeError,
    EncodeError,
    LocalProtocolError,
    NotConnected,
    OcppError,
)

__all__ = ["JSONResponse", "Problem", "handlers", "problem_of"]

STATUSES: Final[tuple[tuple[type[OcppError], HTTPStatus, str], ...]] = (
    (CallFailed, HTTPStatus.BAD_GATEWAY, "The station rejected the call"),
    (NotConnected, HTTPStatus.NOT_FOUND, "Not connected"),
    (ConnectionLost, HTTPStatus.GATEWAY_TIMEOUT, "The connection was lost before the answer came"),
    (CallTimeout, HTTPStatus.GATEWAY_TIMEOUT, "The station did not answer in time"),
    (DecodeError, HTTPStatus.BAD_GATEWAY, "The station's response is not valid"),
    (EncodeError, HTTPStatus.UNPROCESSABLE_ENTITY, "The payload is not valid"),
    (LocalProtocolError, HTTPStatus.SERVICE_UNAVAILABLE, "The call cannot be sent now"),
    (OcppError, HTTPStatus.SERVICE_UNAVAILABLE, "The call cannot be sent now"),
)
"""What a call raises -> status and title. The first row that fits counts."""


class JSONResponse(Response):
    """A JSON document, encoded by msgspec."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Return the body."""
        return msgspec.json.encode(content)


class Problem(Exception):
    """An error response.

    Args:
        status: HTTP status.
        title: what is wrong, the same text for all problems of a kind.
        detail: what is wrong this time, and what to do.
        headers: further headers.
        more: further members of the document, such as `path`.
    """

    def __init__(
        self,
        status: HTTPStatus,
        title: str,
        detail: str = "",
        *,
        headers: dict[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(title)
        self.status = status
        self.headers = headers
        self.document = {"title": title, "status": int(status), "detail": detail, **more}

    def response(self) -> Response:
        """Return the response."""
        response = JSONResponse(self.document, int(self.status), self.headers)
        response.headers["content-type"] = "application/problem+json"
        return response


def problem_of(error: OcppError) -> Problem:
    """Return the problem for what a call has raised."""
    status, title = next(
        (status, title) for kind, status, title in STATUSES if isinstance(error, kind)
    )
    more: dict[str, Any] = {}
    if isinstance(error, CallFailed):
        more = {
            "errorCode": error.error_code,
            "errorDescription": error.error_description,
            "errorDetails": error.error_details,
        }
    elif isinstance(error, DecodeError | EncodeError):
        more = {"path": error.path}
    return Problem(status, title, str(error), **more)


def _of_starlette(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  registered for it alone
    status = HTTPStatus(error.status_code)
    headers = dict(error.headers or {})
    return Problem(status, status.phrase, str(error.detail), headers=headers).response()


def _of_ours(_: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101  registered for it alone
    return error.response()


handlers: Final[dict[Any, Any]] = {HTTPException: _of_starlette, Problem: _of_ours}
"""Exception handlers of the application."""
