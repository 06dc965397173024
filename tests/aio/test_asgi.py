"""A CSMS as an ASGI application: what `listen` promises, under real servers and in frameworks."""

import asyncio
import json
import sys
import tracemalloc
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from time import thread_time
from typing import Any

import pytest

import ocppj
from ocppj import v201
from ocppj.aio import CSMS, ChargingStation, basic
from tests.aio import (
    test_closing,
    test_connection,
    test_csms,
    test_hostile,
    test_limits,
    test_link,
    test_logging,
    test_metrics,
    test_security,
    test_stations,
)
from tests.aio.ends import End, until, uvloop
from tests.aio.servers import AsgiEnd, hypercorn, uvicorn
from tests.aio.wire import BINARY, BOOT, HEARTBEAT, TEXT, UNLOCK, Central, Charger, dial

RESET = v201.ResetRequest(type=v201.ResetEnumType.IMMEDIATE)

ENDS = {
    "uvicorn": AsgiEnd("asgi", None, uvicorn),
    "uvicorn-uvloop": AsgiEnd("asgi", uvloop, uvicorn),
    "hypercorn": AsgiEnd("asgi", None, hypercorn),
}


@pytest.fixture(params=ENDS)
def end(request: pytest.FixtureRequest) -> AsgiEnd:
    pytest.importorskip(request.param.partition("-")[0])
    return ENDS[request.param]


def shared() -> dict[str, Callable[[AsgiEnd], None]]:
    """Return the tests of other transports that hold for ASGI too."""
    plain: list[Any] = [
        test_security.test_without_a_common_subprotocol_the_handshake_finishes_and_the_connection_ends,
        test_security.test_the_first_supported_subprotocol_offered_is_chosen,
        test_security.test_an_unknown_station_is_not_found,
        test_security.test_each_check_runs_once_and_in_a_task,
        test_csms.test_each_version_has_its_own_handlers,
        test_csms.test_waiting_for_a_station,
        test_csms.test_a_lenient_codec_is_used,
        test_connection.test_each_side_calls_the_other,
        test_connection.test_a_handler_may_call_the_peer,
        test_connection.test_a_handler_may_close_its_own_connection_and_go_on,
        test_connection.test_calls_are_queued_up_to_a_limit,
        test_connection.test_a_late_answer_is_dropped_and_the_next_call_works,
        test_connection.test_calls_to_a_closed_connection_raise,
        test_link.test_on_connect_does_not_count_as_a_call_being_handled,
        test_link.test_calls_beyond_max_handling_get_generic_error,
        test_link.test_sends_beyond_max_handling_are_dropped,
        test_metrics.test_metrics_get_frames_violations_latencies_and_connections,
        test_metrics.test_an_invalid_send_is_counted_with_its_action,
        test_hostile.test_a_station_that_vanishes_fails_its_calls_at_once,
        test_limits.test_frames_over_the_limit_are_rejected_and_the_rest_is_handled,
        test_limits.test_a_station_that_goes_on_is_closed,
        test_limits.test_the_answer_to_our_call_counts_over_the_limit,
        test_limits.test_handshakes_over_the_limit_are_unavailable,
        test_closing.test_after_our_close_no_call_is_handled,
        test_closing.test_an_answer_just_before_the_peers_close_counts,
        test_closing.test_a_send_just_before_the_peers_close_is_handled,
        test_closing.test_a_graceful_close_waits_for_calls_that_come_meanwhile,
        test_closing.test_a_caller_that_retries_after_reconnecting_does_not_spin,
    ]
    found = {test.__name__: test for test in plain}
    for name in test_security.NAMES:
        found[f"identity {name}"] = partial(
            test_security.test_identities_are_percent_encoded, name=name
        )
    for version in ("1.6", "2.0.1"):
        found[f"no identity in {version}"] = partial(
            test_security.test_identities_with_parts_of_a_path_are_invalid, version=version
        )
    for quick in (True, False):
        found[f"basic {quick}"] = partial(test_security.test_basic_authentication, quick=quick)
    for pieces in (1, 2, 100):
        found[f"too big {pieces}"] = partial(
            test_hostile.test_a_message_that_is_too_big_ends_the_connection, pieces=pieces
        )
    for kind in (TEXT, BINARY):
        found[f"in pieces {kind}"] = partial(
            test_hostile.test_a_message_may_come_in_pieces, padding=126, kind=kind
        )
    for policy, new in (("newest", True), ("oldest", False), ("ping", True)):
        found[f"dead, {policy}"] = partial(
            test_stations.test_a_dead_connection_and_a_new_one_of_one_identity,
            policy=policy,
            new=new,
        )
    for policy, stays in (("oldest", 0), ("newest", 1)):
        found[f"living, {policy}"] = partial(
            test_stations.test_two_live_connections_of_one_identity, policy=policy, stays=stays
        )
    return found


SHARED = shared()


@pytest.mark.parametrize("name", SHARED)
def test_what_listening_promises(end: AsgiEnd, name: str) -> None:
    SHARED[name](end)


def test_garbage_is_answered_and_the_connection_lives(end: AsgiEnd) -> None:
    # Servers close with 1007 where a text is not UTF-8.
    async def main() -> None:
        csms = CSMS({"2.0.1": Central()})
        async with end.listen(csms) as server, dial(server) as raw:
            for data in test_hostile.GARBAGE:
                raw.send(data, BINARY)
            raw.send(b"", TEXT)
            raw.send([3, "none", {}])
            raw.send(HEARTBEAT)
            while (answer := await raw.message())[:2] != [3, "h"]:
                assert answer[0] == 4
            raw.send(b"\xff")
            assert await raw.close_code() in (1007, None)
            await until(lambda: not csms.stations)

    end.run(main())


@pytest.mark.parametrize("what", test_logging.FRAMES)
def test_a_station_cannot_fill_the_log(
    end: AsgiEnd, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    test_logging.test_a_station_cannot_fill_the_log(end, what, caplog)


@pytest.mark.parametrize("policy", ["ping", "oldest"])
def test_a_connection_that_says_something_stays(end: AsgiEnd, policy: Any) -> None:
    async def main() -> None:
        csms = CSMS({"2.0.1": Central()}, duplicates=policy, ping_timeout=5)
        async with end.listen(csms) as server, dial(server) as old:
            seen = await csms.station("CS-1")
            async with dial(server) as new:
                await asyncio.sleep(0.02)
                old.send(HEARTBEAT)
                assert await new.close_code() == 1008
                assert csms.stations["CS-1"] is seen
            assert (await old.message())[:2] == [3, "h"]
            assert not await seen.ping(0.01)
            pinging = asyncio.create_task(seen.ping(5))
            await asyncio.sleep(0)
            old.send([3, "any", {}])
            assert await pinging
            pinging = asyncio.create_task(seen.ping(5))
            await asyncio.sleep(0)
            old.abort()
            assert not await pinging
            assert not await seen.ping(5)

    end.run(main())


def test_what_is_no_websocket_is_told_to_upgrade(end: AsgiEnd) -> None:
    async def main() -> None:
        async with end.listen(CSMS({"2.0.1": Central()})) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(b"GET /CS-1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            answer = (await reader.read()).decode().lower()
            assert answer.startswith("http/1.1 426")
            assert "upgrade: websocket" in answer
            writer.close()
            await writer.wait_closed()

    end.run(main())


class Lingering(Central):
    async def on_disconnect(self, station: Any) -> None:
        await asyncio.sleep(0.1)
        super().on_disconnect(station)


def test_the_end_of_the_server_is_that_of_its_stations(end: AsgiEnd) -> None:
    async def main() -> None:
        central = Lingering()
        csms = CSMS({"2.0.1": central})
        station = ChargingStation("CS-1", {"2.0.1": Charger()})
        server = await stack(end.listen(csms))
        async with end.connect(station, server):
            await station.call(BOOT)
            call = asyncio.create_task(csms.stations["CS-1"].call(RESET))
            await asyncio.sleep(0.02)
            if end.serve is hypercorn and sys.version_info >= (3, 12):
                # It waits for all connections to end (`Server.wait_closed` does since 3.12), so
                # they are closed first, as docs/fastapi.md says.
                await server.close(grace=0)
            await stacks.pop().aclose()
            assert central.events == [("connect", "CS-1"), ("disconnect", "CS-1")]
            assert not csms.stations
            with pytest.raises(ocppj.ConnectionLost):
                await call

    stacks: list[AsyncExitStack] = []

    async def stack(context: Any) -> Any:
        stacks.append(AsyncExitStack())
        return await stacks[-1].enter_async_context(context)

    end.run(main())


@pytest.mark.parametrize("framework", ["starlette.applications:Starlette", "fastapi:FastAPI"])
def test_it_may_be_mounted(end: AsgiEnd, framework: str) -> None:
    module, _, name = framework.partition(":")
    make = getattr(pytest.importorskip(module), name)

    async def main() -> None:
        central = Lingering()
        csms = CSMS({"2.0.1": central})
        ocpp = csms.asgi(known=lambda name: name != "CS-2")
        app = make(lifespan=ocpp.lifespan)
        app.mount("/ocpp", ocpp)
        for _ in range(2):  # a lifespan may come after another
            central.events.clear()
            async with end.serve(app) as server:
                station = ChargingStation("CS-1", {"2.0.1": Charger()})
                async with end.connect(station, server):
                    await station.call(BOOT)
                    assert (await csms.call("CS-1", UNLOCK)).status == "Unlocked"
                    assert csms.stations["CS-1"].handshake.path == "/ocpp/CS-1"
                async with dial(server, "/ocpp/CS-2") as raw:
                    assert raw.status == 404
                async with dial(server, "/ocpp/a%2Fb") as raw:
                    assert raw.status == 404
                async with dial(server, "/ocpp/CS-3?token=x") as raw:
                    raw.send(HEARTBEAT)
                    await raw.message()
                    assert csms.stations["CS-3"].handshake.path == "/ocpp/CS-3?token=x"
            assert central.events[-1] == ("disconnect", "CS-3")

    end.run(main())


def test_a_route_of_starlette_may_name_the_identity(end: AsgiEnd) -> None:
    routing = pytest.importorskip("starlette.routing")

    async def main() -> None:
        csms = CSMS({"2.0.1": Central()})
        ocpp = csms.asgi(path_parameter="station")
        routes = [
            routing.WebSocketRoute("/{tenant}/{station}/ocpp", ocpp),
            routing.WebSocketRoute("/deep/{station:path}", ocpp),
            routing.WebSocketRoute("/wrong/{tenant}", ocpp),
        ]
        async with end.serve(routing.Router(routes, lifespan=ocpp.lifespan)) as server:
            async with dial(server, "/acme/CS%201/ocpp") as raw:
                raw.send(HEARTBEAT)
                await raw.message()
                assert list(csms.stations) == ["CS 1"]
            async with dial(server, "/deep/a/b") as raw:
                assert raw.status == 404
            async with dial(server, "/wrong/acme") as raw:
                assert raw.status == 500

    end.run(main())


def test_it_may_be_mounted_in_litestar(end: AsgiEnd) -> None:
    litestar = pytest.importorskip("litestar")

    async def main() -> None:
        central = Lingering()
        csms = CSMS({"2.0.1": central})
        ocpp = csms.asgi()

        @litestar.asgi("/ocpp", is_mount=True, copy_scope=True)  # type: ignore[untyped-decorator]
        async def mounted(scope: Any, receive: Any, send: Any) -> None:
            await ocpp(scope, receive, send)

        app = litestar.Litestar([mounted], lifespan=[ocpp.lifespan], logging_config=None)
        async with end.serve(app) as server, dial(server, "/ocpp/CS%201") as raw:
            raw.send(HEARTBEAT)
            assert (await raw.message())[:2] == [3, "h"]
            assert list(csms.stations) == ["CS 1"]
        assert central.events[-1] == ("disconnect", "CS 1")

    end.run(main())


def test_django_channels_may_route_to_it(end: AsgiEnd) -> None:
    routing = pytest.importorskip("channels.routing")
    conf = pytest.importorskip("django.conf")
    urls = pytest.importorskip("django.urls")
    if not conf.settings.configured:
        conf.settings.configure()

    async def main() -> None:
        csms = CSMS({"2.0.1": Central()})
        ocpp = csms.asgi(path_parameter="station")
        router = routing.URLRouter([urls.path("cs/<str:station>/ocpp", ocpp)])
        app = routing.ProtocolTypeRouter({"websocket": router, "lifespan": ocpp})
        async with end.serve(app) as server, dial(server, "/cs/CS-1/ocpp") as raw:
            raw.send(HEARTBEAT)
            assert (await raw.message())[:2] == [3, "h"]
            assert (await csms.station("CS-1")).version == "2.0.1"

    end.run(main())


def test_a_thousand_reconnects_leave_nothing() -> None:
    test_hostile.test_a_thousand_reconnects_leave_nothing(ENDS["uvicorn-uvloop"])


def test_a_station_that_does_not_read_stalls_nobody_and_costs_little(end: AsgiEnd) -> None:
    async def main() -> None:
        central = test_hostile.Amplifier()
        csms = CSMS({"2.0.1": central}, codecs=test_hostile.LARGE)
        asked = 300
        async with (
            end.listen(csms) as server,
            dial(server, "/bad", buffer=2**16) as raw,
            dial(server, "/good") as good,
        ):
            bad = await csms.station("bad")
            for n in range(asked):
                raw.send([2, str(n), "DataTransfer", {"vendorId": "us"}])
            tracemalloc.start()

            async def call_again_and_again() -> None:
                for _ in range(20):
                    with pytest.raises(ocppj.CallTimeout):
                        await bad.call(test_hostile.BIG, timeout=0.05)

            calling = asyncio.create_task(call_again_and_again())
            for n in range(20):
                good.send([2, str(n), "Heartbeat", {}])
                assert (await good.message())[:2] == [3, str(n)]
            await calling
            kept, _ = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            assert kept < 3_000_000  # of ten that have been asked for
            assert central.handled < asked / 2
            answers = 0
            while answers < asked:  # when it reads again, all is answered
                answers += (await raw.message())[0] == 3
            assert central.handled == asked

    end.run(main())


def test_a_station_that_does_not_read_is_lost_in_the_end(
    end: AsgiEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ocppj.aio.asgi.CLOSE_TIMEOUT", 0.1)

    async def main() -> None:
        central = test_hostile.Amplifier()
        csms = CSMS({"2.0.1": central})
        async with end.listen(csms, send_timeout=0.1) as server, dial(server, buffer=4096) as raw:
            for n in range(300):
                raw.send([2, str(n), "DataTransfer", {"vendorId": "us"}])
            await central.gone.wait()
            assert central.handled < 300
        async with end.listen(csms) as server, dial(server, buffer=4096) as raw:
            seen = await csms.station("CS-1")
            handled = 0
            for n in range(300):
                raw.send([2, str(n), "DataTransfer", {"vendorId": "us"}])
            while central.handled > handled:
                handled = central.handled
                await asyncio.sleep(0.05)
            async with asyncio.timeout(1):
                await seen.close()
            assert not csms.stations

    end.run(main())


class Peer:
    """An ASGI server with one connection, by hand."""

    def __init__(self, application: Any, **scope: Any) -> None:
        self.scope = {
            "type": "websocket",
            "path": "/CS-1",
            "headers": [],
            "subprotocols": ["ocpp2.0.1"],
            "client": ("127.0.0.1", 1),
            **scope,
        }
        self.given: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.sent: asyncio.Queue[Any] = asyncio.Queue()
        self.reads = asyncio.Event()
        self.reads.set()
        self.given.put_nowait({"type": "websocket.connect"})
        self.serving = asyncio.create_task(application(self.scope, self.given.get, self._send))

    async def _send(self, message: Any) -> None:
        await self.reads.wait()
        self.sent.put_nowait(message)

    def give(self, message: Any) -> None:
        self.given.put_nowait({"type": "websocket.receive", "text": json.dumps(message)})

    def leave(self, code: int = 1000, **more: Any) -> None:
        self.given.put_nowait({"type": "websocket.disconnect", "code": code, **more})

    async def message(self) -> Any:
        message = await self.sent.get()
        assert message["type"] == "websocket.send"
        return json.loads(message["text"])


def alone(main: Any) -> None:
    """Run a test without a server."""
    End("websockets").run(main)


REFUSED = [("/CS-2", 404, 1008), ("/CS-1", 401, 1008), ("/", 404, 1008), ("/error", 500, 1008)]


def who(name: str) -> bool:
    if name == "error":
        raise ValueError
    return name == "CS-1"


@pytest.mark.parametrize(("path", "status", "code"), REFUSED)
@pytest.mark.parametrize("extension", [True, False])
def test_who_may_not_enter_gets_a_status_or_a_close_code(
    path: str, status: int, code: int, *, extension: bool
) -> None:
    async def main() -> None:
        csms = CSMS({"2.0.1": Central()})
        app = csms.asgi(known=who, authenticate=basic(lambda *_: True))
        extensions = {"websocket.http.response": {}} if extension else None
        peer = Peer(app, path=path, extensions=extensions)
        await peer.serving
        first, second = peer.sent.get_nowait(), peer.sent.get_nowait()
        if extension:
            assert first["type"] == "websocket.http.response.start"
            assert first["status"] == status
            assert second["type"] == "websocket.http.response.body"
            names = [name for name, _ in first["headers"]]
            assert (b"www-authenticate" in names) == (status == 401)
        else:
            assert first == {"type": "websocket.accept", "subprotocol": "ocpp2.0.1"}
            assert second["type"] == "websocket.close"
            assert second["code"] == code

    alone(main())


def test_a_check_that_takes_too_long_lets_nobody_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ocppj.aio.asgi.OPEN_TIMEOUT", 0.02)

    async def never(name: str) -> bool:
        await asyncio.Event().wait()
        raise AssertionError

    async def main() -> None:
        csms = CSMS({"2.0.1": Central()})
        app = csms.asgi(known=never)
        peer = Peer(app, extensions={"websocket.http.response": {}})
        await peer.serving
        assert peer.sent.get_nowait()["status"] == 503
        peer = Peer(app)
        await asyncio.sleep(0)
        await app.close()
        await peer.serving
        peer.sent.get_nowait()
        assert peer.sent.get_nowait()["code"] == 1001
        assert not csms.stations

    alone(main())


def test_without_raw_path_the_identity_is_in_the_decoded_one() -> None:
    async def main() -> None:
        csms = CSMS({"2.0.1": Central()})
        peer = Peer(csms.asgi(), path="/ocpp/CS 1", query_string=b"a=b")
        assert (await csms.station("CS 1")).handshake.path == "/ocpp/CS 1?a=b"
        peer.leave()
        await peer.serving

    alone(main())


def test_the_end_has_its_reason() -> None:
    async def main() -> None:
        csms = CSMS({"2.0.1": Central()})
        app = csms.asgi()
        reasons = []
        for code, more in ((1001, {"reason": "reboot"}), (1006, {}), (1005, {"reason": None})):
            peer = Peer(app)
            seen = await csms.station("CS-1")
            peer.leave(code, **more)
            await peer.serving
            reasons.append(seen.end)
        assert reasons == ["received 1001 reboot", "received 1006", "received 1005"]

    alone(main())


def test_the_lifespan_waits_for_on_disconnect() -> None:
    async def main() -> None:
        central = Lingering()
        csms = CSMS({"2.0.1": central})
        app = csms.asgi()
        async with app.lifespan():
            peer = Peer(app)
            await csms.station("CS-1")
            peer.leave()
            await peer.serving
        assert central.events[-1] == ("disconnect", "CS-1")

    alone(main())


def test_a_server_may_cancel_a_connection() -> None:
    async def main() -> None:
        central = Central()
        csms = CSMS({"2.0.1": central})
        peer = Peer(csms.asgi())
        seen = await csms.station("CS-1")
        peer.serving.cancel()
        await asyncio.wait([peer.serving])
        assert peer.serving.cancelled()
        assert seen.end == "the server has ended the connection"
        assert central.events[-1] == ("disconnect", "CS-1")

    alone(main())


def test_a_fault_of_ours_ends_one_connection(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        csms = CSMS({"2.0.1": Central()})
        peer = Peer(csms.asgi())
        seen = await csms.station("CS-1")
        monkeypatch.setattr(type(seen._link), "received", lambda *_, **__: 1 / 0)
        peer.give(HEARTBEAT)
        await peer.serving
        peer.sent.get_nowait()
        assert peer.sent.get_nowait()["code"] == 1011

    alone(main())
    assert [record.message for record in caplog.records] == ["cannot go on with a connection"]


def test_a_sender_that_loses_patience_adds_nothing() -> None:
    async def main() -> None:
        csms = CSMS({"2.0.1": Central()})
        peer = Peer(csms.asgi())
        seen = await csms.station("CS-1")
        await peer.sent.get()
        peer.reads.clear()
        for _ in range(5):
            with pytest.raises(ocppj.CallTimeout):
                await seen.call(UNLOCK, timeout=0.01)
        call = asyncio.create_task(seen.call(UNLOCK, timeout=5))
        await asyncio.sleep(0)
        peer.reads.set()
        first, second = await peer.message(), await peer.message()
        assert first[1] != second[1]
        peer.give([3, second[1], {"status": "Unlocked"}])
        assert (await call).status == "Unlocked"
        peer.leave()
        await peer.serving

    alone(main())


def test_who_waits_to_send_is_told_of_the_end() -> None:
    async def main() -> None:
        csms = CSMS({"2.0.1": Central()})
        peer = Peer(csms.asgi())
        seen = await csms.station("CS-1")
        await peer.sent.get()
        peer.reads.clear()
        call = asyncio.create_task(seen.call(UNLOCK))
        await asyncio.sleep(0.01)
        peer.leave(1006)
        await peer.serving
        with pytest.raises(ocppj.ConnectionLost):
            await call

    alone(main())


@pytest.mark.parametrize("error", [OSError, RuntimeError])
def test_answers_count_after_nothing_can_be_sent(error: type[Exception]) -> None:
    async def main() -> None:
        central = test_closing.Noting()
        csms = CSMS({"2.0.1": central})
        peer = Peer(csms.asgi())
        seen = await csms.station("CS-1")
        await peer.sent.get()
        call = asyncio.create_task(seen.call(UNLOCK))
        message_id = (await peer.message())[1]

        def fail() -> Any:
            raise error

        peer.reads.wait = fail  # type: ignore[method-assign]
        for _ in range(3):
            peer.give([2, "d", "DataTransfer", {"vendorId": "us"}])
        peer.give([3, message_id, {"status": "Unlocked"}])
        assert (await call).status == "Unlocked"
        assert central.handled == ["DataTransfer"]
        with pytest.raises(ocppj.ConnectionLost):
            await seen.call(UNLOCK)
        peer.leave()
        await peer.serving

    alone(main())


def test_a_station_that_is_gone_before_it_enters_is_no_news() -> None:
    async def main() -> None:
        async def gone(_: Any) -> None:
            raise OSError

        given = asyncio.Queue[Any]()
        given.put_nowait({"type": "websocket.connect"})
        csms = CSMS({"2.0.1": Central()})
        peer = Peer(csms.asgi())
        await csms.asgi()(peer.scope, given.get, gone)
        peer.leave()
        await peer.serving

    alone(main())


def test_connections_whose_messages_never_run_out_take_turns() -> None:
    """A server may have a thousand messages ready: each `receive` returns at once."""

    async def main() -> None:
        csms = CSMS({"2.0.1": Central()})
        app = csms.asgi()

        def flood() -> Any:
            yield {"type": "websocket.connect"}
            for _ in range(20_000):
                if not over.is_set():
                    yield {"type": "websocket.receive", "text": '[2,"1","Authorize",{}]'}
            while True:
                yield {"type": "websocket.disconnect"}

        async def send(_: Any) -> None:
            nonlocal answers
            answers += 1

        answers, over = 0, asyncio.Event()
        peer = Peer(app, path="/good")
        scope = peer.scope
        await csms.station("good")
        floods = []
        for n in range(8):
            messages = flood()
            floods.append(
                asyncio.create_task(
                    app({**scope, "path": f"/{n}"}, partial(anext_of, messages), send)
                )
            )
        for _ in range(30):
            start = thread_time()
            await asyncio.sleep(0)
            assert thread_time() - start < 0.1
        assert len(csms.stations) == 9
        assert answers > 100
        over.set()
        await asyncio.gather(*floods)
        peer.leave()

    async def anext_of(messages: Any) -> Any:
        return next(messages)

    alone(main())


@pytest.mark.parametrize("seconds", [0, -1.0])
def test_wrong_arguments(seconds: float) -> None:
    with pytest.raises(ValueError, match="send_timeout"):
        CSMS({"2.0.1": Central()}).asgi(send_timeout=seconds)


def test_other_protocols_are_not_served() -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match="'webtransport'"):
            await CSMS({"2.0.1": Central()}).asgi()({"type": "webtransport"}, None, None)  # type: ignore[arg-type]

    alone(main())
