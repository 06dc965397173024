"""The command API over HTTP: what it answers, and to whom."""

import asyncio
import json
from contextlib import suppress
from datetime import datetime
from typing import Any

import pytest

import ocppj
from ocppj import v201
from ocppj.web import Monitor
from tests.web.conftest import BOOT, TOKEN, Site, run

JSON = {"content-type": "application/json"}
UNLOCK = {"evseId": 1, "connectorId": 1}


async def post(site: Site, path: str, body: Any = None, **more: Any) -> Any:
    content = body if isinstance(body, bytes) else json.dumps({} if body is None else body)
    return await site.client.post(path, content=content, headers=JSON, **more)


def problem(response: Any, status: int) -> Any:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document = response.json()
    assert document["status"] == status
    assert document["title"]
    return document


def test_stations_are_listed_with_what_is_known_of_them() -> None:
    async def test(site: Site) -> None:
        assert (await site.client.get("/stations")).json()["stations"] == []
        async with site.station("CS-1") as station, site.station("CS-0"):
            await station.call(BOOT)
            answer = (await site.client.get("/stations")).json()
            first, second = answer["stations"]
            assert (first["id"], second["id"]) == ("CS-0", "CS-1")
            assert second["version"] == "2.0.1"
            assert (second["vendor"], second["model"]) == ("ACME", "Fast")
            assert second["frames"] == second["framesPerMinute"] == 2
            assert second["address"].startswith("127.0.0.1:")
            assert datetime.fromisoformat(second["since"]).tzinfo is not None
            one = (await site.client.get("/stations/CS-1")).json()
            assert {key: one[key] for key in second} == second
            assert "UnlockConnector" in one["actions"]
            assert "BootNotification" not in one["actions"]

    run(test)


def test_without_a_monitor_nothing_is_counted() -> None:
    async def test(site: Site) -> None:
        async with site.station() as station:
            await station.call(BOOT)
            (row,) = (await site.client.get("/stations")).json()["stations"]
            assert not row.keys() & {"frames", "seen", "refused", "violations", "model"}

    run(test, monitored=False)


def test_pages_of_the_list_and_changes_since_a_revision() -> None:
    async def test(site: Site) -> None:
        async with site.station("A"), site.station("B") as second, site.station("C"):
            names, after = [], ""
            while True:
                answer = (
                    await site.client.get("/stations", params={"limit": 2, "after": after})
                ).json()
                names += [row["id"] for row in answer["stations"]]
                if "next" not in answer:
                    break
                after = answer["next"]
            assert names == ["A", "B", "C"]
            await asyncio.sleep(0.05)  # the events are taken in
            since = (await site.client.get("/stations")).json()["revision"]
            await second.call(BOOT)
            changes = (await site.client.get("/stations", params={"since": since})).json()
            assert [row["id"] for row in changes["stations"]] == ["B"]
            assert "complete" not in changes
        await asyncio.sleep(0.05)
        changes = (await site.client.get("/stations", params={"since": since})).json()
        assert (changes["stations"], changes["gone"]) == ([], ["A", "B", "C"])

    run(test)


def test_changes_of_stations_that_the_monitor_has_forgotten_are_not_left_out() -> None:
    async def test(site: Site) -> None:
        async with site.station("A") as first, site.station("B") as second:
            since = (await site.client.get("/stations")).json()["revision"]
            await first.call(BOOT)
            await second.call(BOOT)
            changes = (await site.client.get("/stations", params={"since": since})).json()
            assert [row["id"] for row in changes["stations"]] == ["A", "B"]
            assert changes["complete"]

    run(test, monitor=Monitor(max_stations=1))


def test_a_call_returns_the_stations_response() -> None:
    async def test(site: Site) -> None:
        async with site.station("a station é <b>"):
            path = "/stations/a%20station%20%C3%A9%20%3Cb%3E/calls/UnlockConnector"
            answer = await post(site, path, UNLOCK)
            assert (answer.status_code, answer.json()) == (200, {"status": "Unlocked"})

    run(test)


def test_what_goes_wrong_has_a_status_of_its_own() -> None:
    async def test(site: Site) -> None:
        missing = problem(await post(site, "/stations/CS-1/calls/Reset", {}), 404)
        assert missing["title"] == "Not connected"
        async with site.station():
            unknown = problem(await post(site, "/stations/CS-1/calls/Nope", {}), 404)
            assert unknown["title"] == "Unknown action"
            problem(await post(site, "/stations/CS-1/calls/BootNotification", {}), 404)
            invalid = problem(
                await post(site, "/stations/CS-1/calls/Reset", {"type": "Never"}), 422
            )
            assert invalid["path"] == "$.type"
            failed = problem(
                await post(site, "/stations/CS-1/calls/Reset", {"type": "OnIdle"}), 502
            )
            assert failed["errorCode"] == "InternalError"
            assert failed["errorDescription"] == "cannot"
            assert failed["errorDetails"] == {"why": "asked"}
            late = post(site, "/stations/CS-1/calls/ClearCache", params={"timeout": 0.2})
            waiting = asyncio.create_task(late)
            await asyncio.sleep(0.1)
            busy = problem(await post(site, "/stations/CS-1/calls/UnlockConnector", UNLOCK), 503)
            assert "queued" in busy["detail"]
            problem(await waiting, 504)

    run(test)


UNLOCKING = "/stations/CS-1/calls/UnlockConnector"


def test_a_call_is_kept_for_a_station_that_is_not_connected() -> None:
    async def test(site: Site) -> None:
        waiting = asyncio.create_task(post(site, UNLOCKING, UNLOCK, params={"ttl": 15}))
        wrong = asyncio.create_task(
            post(site, "/stations/CS-1/calls/Reset", {"type": "Never"}, params={"ttl": 15})
        )
        await asyncio.sleep(0.2)
        assert not waiting.done()
        async with site.station():
            answer = await waiting
            assert (answer.status_code, answer.json()) == (200, {"status": "Unlocked"})
            assert problem(await wrong, 422)["path"] == "$.type"
            # Connected, ttl changes nothing.
            assert (await post(site, UNLOCKING, UNLOCK, params={"ttl": 5})).json() == answer.json()
        late = problem(await post(site, UNLOCKING, UNLOCK, params={"ttl": 0.1}), 404)
        assert late["title"] == "Not connected"
        problem(await post(site, UNLOCKING, UNLOCK, params={"ttl": 0}), 404)
        problem(await post(site, UNLOCKING, b" " * (2**17 + 1), params={"ttl": 5}), 413)
        for ttl in ("-1", "nan", "86401", "x"):
            problem(await post(site, UNLOCKING, UNLOCK, params={"ttl": ttl}), 422)

    run(test, max_waiting=8)


def test_a_kept_call_is_withdrawn_when_its_client_goes() -> None:
    class Noting:
        def __init__(self) -> None:
            self.unlocked = 0

        def on_unlock_connector(self, request: Any) -> Any:
            self.unlocked += 1
            return v201.UnlockConnectorResponse(status=v201.UnlockStatusEnumType.UNLOCKED)

    async def test(site: Site) -> None:
        waiting = asyncio.create_task(post(site, UNLOCKING, UNLOCK, params={"ttl": 15}))
        await asyncio.sleep(0.2)
        waiting.cancel()
        with suppress(asyncio.CancelledError):
            await waiting
        await asyncio.sleep(0.2)
        noting = Noting()
        async with site.station(handler=noting):
            await asyncio.sleep(0.2)
            assert noting.unlocked == 0
            await post(site, UNLOCKING, UNLOCK)
        assert noting.unlocked == 1

    run(test)


def test_kept_calls_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ocppj.web.calls.MAX_KEPT", 1)

    async def test(site: Site) -> None:
        waiting = asyncio.create_task(post(site, UNLOCKING, UNLOCK, params={"ttl": 1}))
        await asyncio.sleep(0.2)
        assert (
            "kept" in problem(await post(site, UNLOCKING, UNLOCK, params={"ttl": 1}), 503)["title"]
        )
        problem(await waiting, 404)
        problem(await post(site, UNLOCKING, UNLOCK, params={"ttl": 0.1}), 404)

    run(test)


BAD_BODIES = [b"{", b"[]", b'"x"', b"{},{}", b'{}],["', b"\xff", b"[" * 50_000, b"null", b"1e999"]


@pytest.mark.parametrize("body", BAD_BODIES, ids=range(len(BAD_BODIES)))
def test_a_body_that_is_no_payload_is_an_error_and_sends_nothing(body: bytes) -> None:
    async def test(site: Site) -> None:
        async with site.station():
            problem(await post(site, "/stations/CS-1/calls/UnlockConnector", body), 422)
        traffic = site.monitor.traffic("CS-1")
        assert traffic is None or traffic.frames == 0

    run(test)


def test_a_body_is_limited_and_has_to_be_declared_as_json() -> None:
    async def test(site: Site) -> None:
        async with site.station():
            path = "/stations/CS-1/calls/UnlockConnector"
            problem(await post(site, path, b" " * (2**17 + 1)), 413)
            for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
                answer = await site.client.post(path, content="{}", headers={"content-type": kind})
                problem(answer, 415)
                closing = "/stations/CS-1/disconnect"
                problem(
                    await site.client.post(closing, content="", headers={"content-type": kind}), 415
                )
            assert "CS-1" in site.csms.stations

    run(test)


@pytest.mark.parametrize("query", ["limit=0", "limit=1.5", "since=9007199254740993", "since=x"])
def test_the_list_has_bounds(query: str) -> None:
    async def test(site: Site) -> None:
        problem(await site.client.get(f"/stations?{query}"), 422)

    run(test)


@pytest.mark.parametrize("query", ["timeout=0", "timeout=nan", "timeout=x", "timeout=1e9"])
def test_a_timeout_has_bounds(query: str) -> None:
    async def test(site: Site) -> None:
        async with site.station():
            problem(await post(site, f"/stations/CS-1/calls/UnlockConnector?{query}", UNLOCK), 422)

    run(test)


def test_disconnect_closes_the_connection() -> None:
    async def test(site: Site) -> None:
        async with site.station():
            assert (await post(site, "/stations/CS-1/disconnect")).status_code == 204
            assert "CS-1" not in site.csms.stations
            problem(await post(site, "/stations/CS-1/disconnect"), 404)

    run(test)


def test_health_readiness_metrics_and_unknown_paths() -> None:
    ready = True

    async def test(site: Site) -> None:
        nonlocal ready
        assert (await site.client.get("/healthz")).status_code == 200
        assert (await site.client.get("/readyz")).status_code == 200
        ready = False
        assert (await site.client.get("/readyz")).status_code == 503
        answer = await site.client.get("/metrics")
        assert (answer.status_code, answer.text) == (200, "up 1\n")
        problem(await site.client.get("/nothing"), 404)
        problem(await site.client.post("/stations"), 405)

    run(test, ready=lambda: ready, metrics=lambda: b"up 1\n")


def test_statistics_sum_up_what_was_seen() -> None:
    async def test(site: Site) -> None:
        async with site.station() as station:
            await station.call(BOOT)
            with suppress(ocppj.CallFailed):
                await station.call(v201.AuthorizeRequest(id_token=TOKEN))
            transport = station._link.transport
            await transport.send(b'[2,"x","Heartbeat",{"extra":1}]')
            await transport.send(b'[2,"y","Heartbeat",[]]')
            await asyncio.sleep(0.1)
        found = (await site.client.get("/statistics")).json()
        assert found["refused"] == {"Heartbeat": 1}
        assert found["violations"] == {"ACME Fast": {"unknown_field": 1}}
        assert sum(row["received"] for row in found["series"]) == 4
        assert sum(row["refused"] for row in found["series"]) == 1
        assert found["series"][0]["p50"] is not None

    run(test)


def test_no_secret_leaves_with_the_frames() -> None:
    async def test(site: Site) -> None:
        async with site.station() as station:
            with suppress(ocppj.CallFailed):
                await station.call(v201.AuthorizeRequest(id_token=TOKEN))
            async with site.client.stream("GET", "/stations/CS-1/frames") as response:
                assert response.headers["content-type"].startswith("text/event-stream")
                text = await anext(response.aiter_text())
            assert '"Authorize"' in text
            assert "***" in text
            assert "SECRET" not in text

    run(test)
