"""`POST /stations/{id}/calls/{action}`: from a payload to the station's response."""

import asyncio
from collections.abc import Coroutine
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from ocppj.aio import Directory, StationHandle
from ocppj.codec import MAX_SIZE, Codec
from ocppj.errors import ConnectionLost, DecodeError, OcppError
from ocppj.frames import CALL, SEND, Call, Send
from ocppj.policy import Policy
from ocppj.schema import Feature
from ocppj.web.problems import JSONResponse, Problem, problem_of
from ocppj.web.requests import not_connected, number, read_body, require_json

__all__ = ["Calls", "is_callable"]

MAX_CALLS: Final = 1_000
"""Maximum number of calls pending at a time."""

MAX_KEPT: Final = 1_000
"""Maximum number of calls that wait for their stations."""

MAX_TIMEOUT: Final = 600.0
MAX_TTL: Final = 86_400.0
MIN_TTL: Final = 0.001


class Calls:
    """Calls stations for whoever asks by HTTP.

    Args:
        directory: whose stations are called.
    """

    def __init__(self, directory: Directory) -> None:
        self._directory = directory
        self._pending = self._kept = 0

    async def station(self, request: Request, timeout: float = 0) -> StationHandle:
        """Return the station that a request names; wait for it if it is not connected.

        Raises:
            Problem: 404, it is not connected; 503, that cannot be found out.
        """
        try:
            return await self._directory.station(request.path_params["id"], timeout=timeout)
        except ConnectionLost:
            raise not_connected(request) from None
        except OcppError as error:
            raise problem_of(error) from None

    async def call(self, request: Request) -> Response:
        """`POST /stations/{id}/calls/{action}`: call a station, and wait for its answer."""
        require_json(request)
        timeout = number(request, "timeout", None, 0.1, MAX_TIMEOUT, kind=float)
        ttl = number(request, "ttl", 0.0, 0.0, MAX_TTL, kind=float)
        if ttl:
            body = await read_body(request, MAX_SIZE)
            return await _unless_gone(request, self._keep(request, body, timeout, ttl))
        station = await self.station(request)
        body = await read_body(request, station.codec.max_size)
        return await self._perform(request, station, body, timeout)

    async def _keep(
        self, request: Request, body: bytes, timeout: float | None, ttl: float
    ) -> Response:
        """Call a station that need not be connected yet. Its version says what is valid."""
        now = asyncio.get_running_loop().time
        expires = now() + ttl
        if self._kept >= MAX_KEPT:
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "Too many calls are kept")
        self._kept += 1
        try:
            station = await self.station(request, ttl)
        finally:
            self._kept -= 1
        left = max(expires - now(), MIN_TTL)
        return await self._perform(request, station, body, timeout, left)

    async def _perform(
        self,
        request: Request,
        station: StationHandle,
        body: bytes,
        timeout: float | None,
        ttl: float = 0.0,
    ) -> Response:
        action = request.path_params["action"]
        feature = station.codec.features.get(action)
        if feature is None or not is_callable(feature):
            detail = f"a CSMS sends no {action:.50} in OCPP {station.version}"
            raise Problem(HTTPStatus.NOT_FOUND, "Unknown action", detail)
        payload = _payload(_strict(station.codec), action, body, feature)
        if self._pending >= MAX_CALLS:
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "Too many calls are pending")
        self._pending += 1
        try:
            if feature.response_type is None:
                await station.send(payload)
                return Response(status_code=HTTPStatus.ACCEPTED)
            if not ttl:
                return JSONResponse(await station.call(payload, timeout))
            # It may have gone again.
            call = self._directory.call(station.id, payload, timeout, ttl=ttl)
            return JSONResponse(await call)
        except OcppError as error:
            raise problem_of(error) from None
        finally:
            self._pending -= 1


async def _unless_gone(request: Request, work: Coroutine[Any, Any, Response]) -> Response:
    """Return the response, but end the work if the client goes: nobody waits for it then."""
    working = asyncio.create_task(work)
    gone = asyncio.ensure_future(request.receive())
    try:
        await asyncio.wait((working, gone), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            return Response(status_code=HTTPStatus.SERVICE_UNAVAILABLE)
        return working.result()
    finally:
        for task in (working, gone):
            task.cancel()
        await asyncio.gather(working, gone, return_exceptions=True)


def is_callable(feature: Feature[Any, Any]) -> bool:
    """Return whether a CSMS may call the action."""
    return feature.sender in ("csms", "both")


@lru_cache(maxsize=16)
def _strict(codec: Codec) -> Codec:
    return codec.with_policy(Policy.strict())


def _payload(codec: Codec, action: str, body: bytes, feature: Feature[Any, Any]) -> Any:
    """Decode a payload as that of a frame."""
    title = "The payload is not valid"
    try:
        msgspec.json.decode(body or b"{}", type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, title, f"not JSON: {error}") from None
    kind = SEND if feature.response_type is None else CALL
    try:
        frame = codec.decode(b'[%d,"-","%s",%s]' % (kind, action.encode(), body or b"{}"))
    except DecodeError as error:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, title, str(error), path=error.path) from None
    assert isinstance(frame, Call | Send)  # noqa: S101  its message type is ours
    return frame.payload
