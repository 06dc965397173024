"""What the routes read of a request, and the problems with it."""

from contextlib import suppress
from http import HTTPStatus
from typing import TypeVar

from starlette.requests import Request

from ocppj.web.problems import Problem

__all__ = ["not_connected", "number", "read_body", "require_json"]

D = TypeVar("D")
N = TypeVar("N", int, float)


def not_connected(request: Request) -> Problem:
    """Return the problem for a station that is not connected."""
    detail = f"no station {request.path_params['id']!r:.100} is connected"
    return Problem(HTTPStatus.NOT_FOUND, "Not connected", detail)


def number(
    request: Request, name: str, default: D, low: float, high: float, *, kind: type[N]
) -> N | D:
    """Return a number of the query, or the default without one.

    Raises:
        Problem: 422, it is not a number within the bounds.
    """
    text = request.query_params.get(name)
    if text is None:
        return default
    with suppress(ValueError):
        value = kind(text[:30])
        if low <= value <= high:
            return value
    what = "an integer" if kind is int else "a number"
    detail = f"{name}: use {what} from {low:g} to {high:g}"
    raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "The query is not valid", detail)


def require_json(request: Request) -> None:
    """Reject a request whose body is not declared as JSON.

    Raises:
        Problem: 415.
    """
    # Browsers let any page send a form or text to any address, but not this type.
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        detail = "send `Content-Type: application/json`"
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Not JSON", detail)


async def read_body(request: Request, max_size: int) -> bytes:
    """Return the body of a request.

    Raises:
        Problem: 413, it is too large.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_size:
            detail = f"a payload has at most {max_size} bytes"
            raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The payload is too large", detail)
    return bytes(body)
