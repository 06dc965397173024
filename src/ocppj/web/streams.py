"""Server-Sent Events: connection changes with `Last-Event-ID`, and the frames of one station."""

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from http import HTTPStatus
from typing import Any, Final

import msgspec
from starlette.responses import StreamingResponse

from ocppj.aio import Directory, EventsLost, FrameStream, StationEvent
from ocppj.web.monitor import Monitor
from ocppj.web.problems import Problem

__all__ = ["EventLog", "event_stream", "message"]

MAX_EVENTS: Final = 10_000
"""Maximum number of events kept for readers that come back."""

MAX_STREAMS: Final = 200
HEARTBEAT: Final = 15.0
"""Seconds between comments on a quiet stream, so that proxies do not close it."""

BATCH: Final = 500
RESTART: Final = 1.0
HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def message(name: str, value: Any, event_id: str = "") -> bytes:
    """Return an event as it is sent. JSON has no line breaks that could end it early."""
    head = f"id: {event_id}\n" if event_id else ""
    return f"{head}event: {name}\ndata: ".encode() + msgspec.json.encode(value) + b"\n\n"


def event_stream(chunks: AsyncIterator[bytes]) -> StreamingResponse:
    """Return the response for a stream of events."""
    return StreamingResponse(chunks, media_type="text/event-stream", headers=HEADERS)


class EventLog:
    """The last events of a directory, numbered, and which stations are gone.

    Args:
        directory: whose events are kept.
        monitor: hears of stations that connect.
    """

    def __init__(self, directory: Directory, monitor: Monitor) -> None:
        self._directory = directory
        self._monitor = monitor
        self._run = secrets.token_hex(4)  # numbers of another run mean nothing here
        self._number = 0
        self._events: deque[tuple[int, StationEvent]] = deque(maxlen=MAX_EVENTS)
        self._arrived = asyncio.Event()
        self._streams = 0
        self.gone: deque[tuple[int, str]] = deque(maxlen=MAX_EVENTS)
        self.complete_since = 0
        """Revision from which on `gone` is complete."""

    async def follow(self) -> None:
        """Take in events until cancelled."""
        while True:
            try:
                async for event in self._directory.events():
                    self._add(event)
            except EventsLost:
                self._number += MAX_EVENTS  # readers see that something is missing
                self._events.clear()
                self.complete_since = self._monitor.revision
            await asyncio.sleep(RESTART)

    def _add(self, event: StationEvent) -> None:
        self._number += 1
        self._events.append((self._number, event))
        self._monitor.touch(event.station_id)
        if event.type == "disconnected":
            if len(self.gone) == self.gone.maxlen:
                self.complete_since = self.gone[0][0]
            self.gone.append((self._monitor.revision, event.station_id))
        arrived, self._arrived = self._arrived, asyncio.Event()
        arrived.set()

    def _position(self, last_event_id: str | None) -> tuple[int, bool]:
        """Return the number of the last event that a reader has, and whether it missed some."""
        run, _, number = (last_event_id or "").partition("-")
        if not last_event_id:
            return self._number, False
        oldest = self._events[0][0] if self._events else self._number + 1
        if run != self._run or not number.isdecimal() or len(number) > 20:
            return self._number, True
        position = min(int(number), self._number)
        return position, position + 1 < oldest

    def open(self, last_event_id: str | None) -> AsyncIterator[bytes]:
        """Return the events after the one that a reader has seen last, and then new ones.

        A reader that has missed events gets `reset` first: it should read the stations again.

        Raises:
            Problem: 503, too many streams are open.
        """
        return self._counted(self._changes(*self._position(last_event_id)))

    def frames(self, station_id: str) -> AsyncIterator[bytes]:
        """Return the last frames of a station, and then each as it passes.

        Raises:
            Problem: 503, too many streams are open.
        """
        stream = self._directory.frames(station_id)
        return self._counted(_frames(self._monitor, station_id, stream))

    def _counted(self, stream: AsyncGenerator[bytes]) -> AsyncIterator[bytes]:
        if self._streams >= MAX_STREAMS:
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "Too many streams are open")

        async def counted() -> AsyncIterator[bytes]:
            self._streams += 1
            try:
                async with aclosing(stream):
                    async for chunk in stream:
                        yield chunk
            finally:
                self._streams -= 1

        return counted()

    async def _changes(self, position: int, missed: bool) -> AsyncGenerator[bytes]:  # noqa: FBT001  called once, beside the names
        yield message("reset", {}, f"{self._run}-{position}") if missed else b": ocppj\n\n"
        while True:
            arrived = self._arrived
            oldest = self._events[0][0] if self._events else self._number + 1
            if position + 1 < oldest:
                position = self._number
                yield message("reset", {}, f"{self._run}-{position}")
            new = [pair for pair in self._events if pair[0] > position][:BATCH]
            if new:
                position = new[-1][0]
                yield b"".join(
                    message(event.type, _row(event), f"{self._run}-{number}")
                    for number, event in new
                )
                continue
            try:
                async with asyncio.timeout(HEARTBEAT):
                    await arrived.wait()
            except TimeoutError:
                yield b": quiet\n\n"


def _row(event: StationEvent) -> dict[str, Any]:
    return {
        "station": event.station_id,
        "version": event.version,
        "node": event.node,
        "generation": event.generation,
        "time": event.time,
        "reason": event.reason,
    }


async def _frames(monitor: Monitor, station_id: str, stream: FrameStream) -> AsyncGenerator[bytes]:
    traffic = monitor.traffic(station_id)
    kept = list(traffic.recent) if traffic else []
    yield b"".join(message("frame", monitor.shown(frame)) for frame in kept) or b": ocppj\n\n"
    lost = 0
    while True:
        try:
            async with asyncio.timeout(HEARTBEAT):
                frame = await anext(stream, None)
        except TimeoutError:
            yield b": quiet\n\n"
            continue
        if frame is None:
            return
        if stream.lost != lost:
            lost = stream.lost
            yield message("lost", {"frames": lost})
        yield message("frame", monitor.shown(frame))
