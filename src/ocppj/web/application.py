"""The routes of the command API and of the operator's page."""

import asyncio
import time
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus
from importlib.resources import files
from typing import Any, Final, Protocol, runtime_checkable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from ocppj.aio import Directory, StationInfo
from ocppj.aio.summary import Summary
from ocppj.errors import OcppError
from ocppj.web import streams
from ocppj.web.calls import Calls, is_callable
from ocppj.web.monitor import Monitor
from ocppj.web.openapi import document
from ocppj.web.problems import JSONResponse, Problem, handlers, problem_of
from ocppj.web.requests import not_connected, number, read_body, require_json
from ocppj.web.tokens import Scope, Tokens, check_host

__all__ = ["application"]

MAX_ROWS: Final = 100_000

FILES: Final = {
    "": ("index.html", "text/html"),
    "page.css": ("page.css", "text/css"),
    "page.js": ("page.js", "text/javascript"),
    "views.js": ("views.js", "text/javascript"),
    "forms.js": ("forms.js", "text/javascript"),
    "icon.svg": ("icon.svg", "image/svg+xml"),
}
"""Path -> file of the page and its type."""

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
PAGE_HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
API_HEADERS: Final = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}

Endpoint = Callable[[Request], Awaitable[Response]]


@runtime_checkable
class Summarized(Protocol):
    """A directory of several nodes: `ocppj.fleet.Fleet`."""

    def summaries(self) -> AsyncIterable[Summary]:
        """Return what the stations of each node do, from now on."""


def application(
    directory: Directory,
    *,
    tokens: Tokens | None = None,
    monitor: Monitor | None = None,
    metrics: Callable[[], bytes] | None = None,
    ready: Callable[[], bool] | None = None,
    hosts: Iterable[str] = (),
) -> Starlette:
    """Return the command API and the operator's page as an ASGI application.

    Args:
        directory: a `CSMS` or a `Fleet`.
        tokens: who may read and command. `None`: everybody, but only under the names of this
            machine; bind the server to 127.0.0.1 then.
        monitor: the tap of the `CSMS`, for statistics, and what is known of a station's traffic
            before somebody looks. A `Fleet` needs none: its nodes send statistics.
        metrics: returns the text for `GET /metrics`, for instance that of prometheus_client.
        ready: whether traffic should come here, for `GET /readyz`.
        hosts: further names under which requests are answered without tokens.

    Example:
        ```python
        monitor = Monitor()
        csms = CSMS({"2.0.1": Handler()}, tap=monitor)
        app = application(csms, monitor=monitor)
        ```
    """
    api = _API(
        directory,
        tokens=tokens,
        monitor=monitor,
        metrics=metrics,
        ready=ready,
        hosts=frozenset(hosts),
    )

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        following = [asyncio.create_task(work) for work in (api.log.follow(), api.sum_up())]
        try:
            yield
        finally:
            for task in following:
                task.cancel()
            await asyncio.gather(*following, return_exceptions=True)

    return Starlette(routes=api.routes(), exception_handlers=handlers, lifespan=lifespan)


class _API:
    def __init__(
        self,
        directory: Directory,
        *,
        tokens: Tokens | None,
        monitor: Monitor | None,
        metrics: Callable[[], bytes] | None,
        ready: Callable[[], bool] | None,
        hosts: frozenset[str],
    ) -> None:
        self._directory = directory
        self._tokens = tokens
        self._monitor = monitor or Monitor()
        self._counts = monitor is not None
        self._metrics = metrics
        self._ready = ready
        self._hosts = hosts
        self._calls = Calls(directory)
        self.log = streams.EventLog(directory, self._monitor)

    def routes(self) -> list[Route]:
        """Return the table of routes."""
        read, command = partial(self._guard, "read"), partial(self._guard, "command")
        rows: list[tuple[str, str, Endpoint]] = [
            ("GET", "/stations", read(self.list_stations)),
            ("GET", "/stations/{id}/frames", read(self.stream_frames)),
            ("POST", "/stations/{id}/calls/{action}", command(self._calls.call)),
            ("POST", "/stations/{id}/disconnect", command(self.disconnect)),
            ("GET", "/stations/{id}", read(self.show_station)),
            ("GET", "/events", read(self.stream_events)),
            ("GET", "/statistics", read(self.show_statistics)),
            ("GET", "/metrics", read(self.show_metrics)),
            ("GET", "/openapi.json", self.show_openapi),
            ("GET", "/healthz", self.show_health),
            ("GET", "/readyz", self.show_readiness),
            *(("GET", f"/{path}", _file(*file)) for path, file in FILES.items()),
        ]
        return [Route(path, endpoint, methods=[method]) for method, path, endpoint in rows]

    def _guard(self, scope: Scope, endpoint: Endpoint) -> Endpoint:
        async def guarded(request: Request) -> Response:
            if self._tokens is None:
                check_host(request.headers.get("host"), self._hosts)
            else:
                self._tokens.check(request.headers.get("authorization"), scope)
            response = await endpoint(request)
            for name, value in API_HEADERS.items():
                response.headers.setdefault(name, value)
            return response

        return guarded

    async def sum_up(self) -> None:
        """Take in what the nodes of a fleet sum up, until cancelled."""
        if isinstance(self._directory, Summarized):
            async for summary in self._directory.summaries():
                self._monitor.add(summary)

    async def list_stations(self, request: Request) -> Response:
        """`GET /stations`: all, a page of them, or what has changed since a revision."""
        limit = number(request, "limit", 10_000, 1, MAX_ROWS, kind=int)
        since = number(request, "since", -1, -1, 2**53, kind=int)
        after = request.query_params.get("after", "")
        stations = self._directory.stations
        revision = self._monitor.revision
        now = time.time()
        known = max(self.log.complete_since, self._monitor.forgotten, 0)
        if known <= since <= revision:
            gone = {name for number, name in self.log.gone if number > since}
            rows = [
                self._row(info, now)
                for info in list(stations.values())
                if (traffic := self._monitor.traffic(info.id)) and traffic.revision > since
            ]
            missing = sorted(name for name in gone if name not in stations)
            return JSONResponse({"revision": revision, "stations": rows, "gone": missing})
        names = sorted(name for name in stations if name > after)
        rows = [self._row(info, now) for name in names[:limit] if (info := stations.get(name))]
        more = {"next": names[limit - 1]} if len(names) > limit else {}
        return JSONResponse({"revision": revision, "complete": True, "stations": rows, **more})

    def _row(self, info: StationInfo, now: float) -> dict[str, Any]:
        row: dict[str, Any] = {
            "id": info.id,
            "version": info.version,
            "node": info.node,
            "since": info.since,
            "generation": info.generation,
            "address": info.address,
        }
        traffic = self._monitor.traffic(info.id)
        if traffic is not None and self._counts:
            row |= {
                "vendor": traffic.vendor,
                "model": traffic.model,
                "seen": traffic.seen or None,
                "frames": traffic.frames,
                "framesPerMinute": traffic.rate(now),
                "refused": traffic.refused,
                "violations": traffic.violations,
            }
        return row

    async def show_station(self, request: Request) -> Response:
        """`GET /stations/{id}`: what is known of one."""
        info = self._directory.stations.get(request.path_params["id"])
        if info is None:
            raise not_connected(request)
        handle = await self._calls.station(request)
        actions = [name for name, feature in handle.codec.features.items() if is_callable(feature)]
        return JSONResponse({**self._row(info, time.time()), "actions": actions})

    async def disconnect(self, request: Request) -> Response:
        """`POST /stations/{id}/disconnect`: close the connection of a station."""
        require_json(request)
        await read_body(request, 1024)
        station = await self._calls.station(request)
        try:
            await station.close(1000, "closed by the operator")
        except OcppError as error:
            raise problem_of(error) from None
        return Response(status_code=HTTPStatus.NO_CONTENT)

    async def stream_events(self, request: Request) -> Response:
        """`GET /events`: stations that connect, disconnect and move."""
        return streams.event_stream(self.log.open(request.headers.get("last-event-id")))

    async def stream_frames(self, request: Request) -> Response:
        """`GET /stations/{id}/frames`: the frames of a station, the last ones and new ones."""
        station_id = request.path_params["id"]
        if station_id not in self._directory.stations and not self._monitor.traffic(station_id):
            raise not_connected(request)
        try:
            return streams.event_stream(self.log.frames(station_id))
        except OcppError as error:
            raise problem_of(error) from None

    async def show_statistics(self, _: Request) -> Response:
        """`GET /statistics`: the last hour, refusals by action, violations by model and rule."""
        monitor = self._monitor
        violations: dict[str, dict[str, int]] = {}
        for (model, rule), times in monitor.violations.items():
            violations.setdefault(model, {})[rule] = times
        series = monitor.history.rows(time.time())
        return JSONResponse(
            {"series": series, "refused": monitor.refused, "violations": violations}
        )

    async def show_metrics(self, _: Request) -> Response:
        """`GET /metrics`: for Prometheus."""
        if self._metrics is None:
            detail = "pass `metrics` to `application`, or install ocppj[prometheus] for a command"
            raise Problem(HTTPStatus.NOT_FOUND, "No metrics", detail)
        return Response(self._metrics(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def show_openapi(self, _: Request) -> Response:
        """`GET /openapi.json`: this API."""
        return Response(document(), media_type="application/json", headers=API_HEADERS)

    async def show_health(self, _: Request) -> Response:
        """`GET /healthz`: the process answers."""
        return PlainTextResponse("ok\n")

    async def show_readiness(self, _: Request) -> Response:
        """`GET /readyz`: traffic should come here."""
        if self._ready is None or self._ready():
            return PlainTextResponse("ready\n")
        return PlainTextResponse("not ready\n", HTTPStatus.SERVICE_UNAVAILABLE)


def _file(name: str, media_type: str) -> Endpoint:
    content = (files("ocppj.web") / "page" / name).read_bytes()

    async def show(_: Request) -> Response:
        return Response(content, media_type=media_type, headers=PAGE_HEADERS)

    return show
