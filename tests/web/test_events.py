"""Server-Sent Events: changes, resumption, and readers that do not read."""

import asyncio
import json
from typing import Any

import pytest

from ocppj.web import streams
from tests.web.conftest import BOOT, Site, run

Event = tuple[str, str, Any]


class Reader:
    """Reads the events of one response."""

    def __init__(self, response: Any) -> None:
        self._chunks = response.aiter_text()
        self._text = ""

    async def next(self) -> Event:
        while True:
            while "\n\n" not in self._text:
                self._text += await anext(self._chunks)
            part, self._text = self._text.split("\n\n", 1)
            fields = dict(line.split(": ", 1) for line in part.splitlines())
            if "data" in fields:
                return fields.get("id", ""), fields["event"], json.loads(fields["data"])


def test_connections_are_told_and_a_reader_resumes_where_it_was() -> None:
    async def test(site: Site) -> None:
        async with site.client.stream("GET", "/events") as response:
            reader = Reader(response)
            await asyncio.sleep(0.05)
            async with site.station("CS-1"):
                seen, name, row = await reader.next()
                assert (name, row["station"], row["version"]) == ("connected", "CS-1", "2.0.1")
        async with site.station("CS-2"):
            pass
        headers = {"last-event-id": seen}
        async with site.client.stream("GET", "/events", headers=headers) as response:
            reader = Reader(response)
            rest = [(await reader.next())[1:] for _ in range(3)]
        assert [(name, row["station"]) for name, row in rest] == [
            ("disconnected", "CS-1"),
            ("connected", "CS-2"),
            ("disconnected", "CS-2"),
        ]

    run(test)


@pytest.mark.parametrize("last", ["x", "x-1", "-", "99", "\u00b2-1", "a" * 5000])
def test_a_reader_of_another_run_is_told_to_start_again(last: str) -> None:
    async def test(site: Site) -> None:
        headers = {"last-event-id": last.encode()}
        async with site.client.stream("GET", "/events", headers=headers) as response:
            assert (await Reader(response).next())[1:] == ("reset", {})

    run(test)


def test_a_reader_that_was_away_too_long_is_told_to_start_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streams, "MAX_EVENTS", 3)

    async def test(site: Site) -> None:
        async with site.client.stream("GET", "/events") as response:
            reader = Reader(response)
            await asyncio.sleep(0.05)
            async with site.station("CS-1"):
                seen = (await reader.next())[0]
        for number in range(3):
            async with site.station(f"S-{number}"):
                pass
        await asyncio.sleep(0.05)
        headers = {"last-event-id": seen}
        async with site.client.stream("GET", "/events", headers=headers) as response:
            assert (await Reader(response).next())[1] == "reset"
        # The list of what has gone is not complete either: all stations are sent.
        answer = (await site.client.get("/stations", params={"since": 0})).json()
        assert answer["complete"]

    run(test)


def test_frames_are_streamed_as_they_pass() -> None:
    async def test(site: Site) -> None:
        async with site.station() as station:
            async with site.client.stream("GET", "/stations/CS-1/frames") as response:
                reader = Reader(response)
                await asyncio.sleep(0.05)
                await station.call(BOOT)
                first, second = (await reader.next())[2], (await reader.next())[2]
            assert (first["direction"], first["action"]) == ("in", "BootNotification")
            assert first["frame"][3]["chargingStation"]["model"] == "Fast"
            assert (second["direction"], second["messageType"]) == ("out", 3)

    run(test)


def test_the_number_of_streams_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MAX_STREAMS", 1)

    async def test(site: Site) -> None:
        async with site.client.stream("GET", "/events") as first:
            assert first.status_code == 200
            await anext(first.aiter_text())
            assert (await site.client.get("/events")).status_code == 503
        await asyncio.sleep(0.1)
        async with site.client.stream("GET", "/events") as again:
            assert again.status_code == 200

    run(test)
