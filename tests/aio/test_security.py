"""Who may connect: subprotocols, identities, passwords, certificates."""

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

import ocppj
from ocppj import v16
from ocppj.aio import CSMS, ChargingStation, Handshake, basic, certificate
from tests.aio.ends import ENDS, End, context
from tests.aio.wire import (
    BOOT,
    HEARTBEAT,
    NOW,
    UNLOCK,
    Central,
    Charger,
    dial,
    password,
)


def test_without_a_common_subprotocol_the_handshake_finishes_and_the_connection_ends(
    end: End,
) -> None:
    async def main() -> None:
        csms = CSMS({"2.0.1": Central()})
        async with end.listen(csms) as server:
            for offered in ("ocpp1.6", "ocpp1.5, ocpp9", None):
                async with dial(server, subprotocol=offered) as raw:
                    assert raw.status == 101
                    assert "sec-websocket-protocol" not in raw.headers
                    assert await raw.close_code() == 1002
            station = ChargingStation("CS-1", {"1.6": object()})
            with pytest.raises(ocppj.ConnectionLost, match=r"supports none of ocpp1\.6"):
                async with end.connect(station, server):
                    raise AssertionError
            assert not csms.stations

    end.run(main())


def test_the_first_supported_subprotocol_offered_is_chosen(end: End) -> None:
    async def main() -> None:
        csms = CSMS({"1.6": object(), "2.0.1": object()})
        async with (
            end.listen(csms) as server,
            dial(server, subprotocol="ocpp2.1,ocpp2.0.1 , ocpp1.6") as raw,
        ):
            assert raw.headers["sec-websocket-protocol"] == "ocpp2.0.1"

    end.run(main())


NAMES = ["CS-1", "a b", "ü.x", "%2F", "?#&", "..x", "NUL", "-rf", "'; --", "x" * 48, "ö" * 48]


@pytest.mark.parametrize("name", NAMES)
def test_identities_are_percent_encoded(end: End, name: str) -> None:
    async def main() -> None:
        csms = CSMS({"2.0.1": Central()})
        station = ChargingStation(name, {"2.0.1": Charger()})
        async with end.listen(csms) as server, end.connect(station, server):
            assert (await csms.station(name)).id == name
            await station.call(BOOT)

    end.run(main())


@pytest.mark.parametrize("name", ["", "a:b", "x" * 49, "a\nb", "\x00"])
def test_invalid_identities(name: str) -> None:
    with pytest.raises(ValueError, match="is not a valid station identity"):
        ChargingStation(name, {"2.0.1": object()})


NO_FILE_NAMES = [".", "..", "...", "../../etc/passwd", "/", "a/b", "..\\x", "\\", "C:\\x"]
NO_FILE_NAMES += [f"a{mark}b" for mark in "\x00\n\r\t\x1b\x7f\x85\u2028\u202e"]


@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
def test_identities_with_parts_of_a_path_are_invalid(end: End, version: str) -> None:
    async def main() -> None:
        asked: list[str] = []
        csms = CSMS({"1.6": object(), "2.0.1": object()})
        async with end.listen(csms, known=lambda name: not asked.append(name)) as server:
            for name in NO_FILE_NAMES:
                with pytest.raises(ValueError, match="is not a valid station identity"):
                    ChargingStation(name, {version: object()})
                for segment in (quote(name, safe=""), quote(name, safe="").replace(".", "%2E")):
                    async with dial(
                        server, f"/ocpp/{segment}", subprotocol=f"ocpp{version}"
                    ) as raw:
                        assert raw.status == 404
            async with dial(server, "/ocpp/..\\..\\x", subprotocol=f"ocpp{version}") as raw:
                assert raw.status == 404
            # A path that is not encoded ends with its last segment, whatever is before it.
            async with dial(server, "/../../etc/passwd", subprotocol=f"ocpp{version}") as raw:
                assert raw.status == 101
        assert asked == ["passwd"]

    end.run(main())


@pytest.mark.parametrize(
    "path", ["/", "/ocpp/", "/ocpp/a:b", "/a%3Ab", "/" + "x" * 49, "/%ff", "/%00", "/?id=CS-1"]
)
def test_a_path_without_an_identity_is_not_found(end: End, path: str) -> None:
    async def main() -> None:
        async with end.listen(CSMS({"2.0.1": Central()})) as server, dial(server, path) as raw:
            assert raw.status == 404

    end.run(main())


def slowly(answer: Callable[..., bool]) -> Callable[..., Any]:
    async def check(*args: Any) -> bool:
        await asyncio.sleep(0)
        return answer(*args)

    return check


def test_an_unknown_station_is_not_found(end: End) -> None:
    async def main() -> None:
        csms = CSMS({"2.0.1": Central()})
        async with end.listen(csms, known=lambda name: name == "CS-1") as server:
            async with dial(server) as raw:
                assert raw.status == 101
            async with dial(server, "/CS-2") as raw:
                assert raw.status == 404
                await raw.ended()

    end.run(main())


@pytest.mark.parametrize("quick", [True, False])
def test_basic_authentication(end: End, *, quick: bool) -> None:
    secret = bytes(range(256))

    def check(name: str, given: bytes) -> bool:
        return name == "CS-1" and given == secret

    wrong = [
        {},
        password("CS-1", b"wrong"),
        password("CS-2", secret),
        {"Authorization": "Basic ***"},
        {"Authorization": "Basic"},
        {"Authorization": "Bearer " + password("CS-1", secret)["Authorization"][6:]},
    ]

    async def main() -> None:
        authenticate = basic(check if quick else slowly(check))
        csms = CSMS({"2.0.1": Central()})
        station = ChargingStation("CS-1", {"2.0.1": Charger()})
        async with end.listen(csms, authenticate=authenticate) as server:
            async with end.connect(station, server, password=secret):
                await station.call(BOOT)
            for headers in wrong:
                async with dial(server, headers=headers) as raw:
                    # picows does not wait before it answers the upgrade.
                    late = end.transport == "picows" and not quick and raw.status == 101
                    if late:
                        assert await raw.close_code() == 1008
                    else:
                        assert raw.status == 401
                        assert raw.headers["www-authenticate"].startswith("Basic ")
            async with dial(server, "/CS-2", password("CS-1", secret)) as raw:
                assert raw.status == 401
            assert set(csms.stations) <= {"CS-1"}

    end.run(main())


@pytest.mark.parametrize("quick", [True, False])
def test_a_check_that_raises_rejects_the_station(
    end: End, caplog: pytest.LogCaptureFixture, *, quick: bool
) -> None:
    def check(name: str) -> bool:
        raise ValueError("secret")

    async def main() -> None:
        csms = CSMS({"2.0.1": Central()})
        async with end.listen(csms, known=check if quick else slowly(check)) as server:
            async with dial(server) as raw:
                if raw.status == 101:
                    assert await raw.close_code() == 1008
                else:
                    assert raw.status == 500
                    assert b"secret" not in await raw.reader.read()
            assert not csms.stations

    end.run(main())
    assert "secret" in caplog.text


def test_a_check_that_never_returns_rejects_the_station(
    end: End, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(name: str) -> bool:
        await asyncio.Event().wait()
        raise AssertionError

    async def main() -> None:
        options: dict[str, Any] = {}
        if end.transport == "picows":
            monkeypatch.setattr("ocppj.aio.picows.OPEN_TIMEOUT", 0.05)
        else:
            options["open_timeout"] = 0.05
        async with end.listen(CSMS({"2.0.1": Central()}), known=never, **options) as server:
            with pytest.raises((asyncio.IncompleteReadError, AssertionError)):
                async with dial(server) as raw:
                    assert await raw.close_code() is None

    end.run(main())


def test_tls_and_a_certificate_bound_to_the_identity(end: End, certificates: Path) -> None:
    async def main() -> None:
        serving = context(certificates, "server", ssl.Purpose.CLIENT_AUTH)
        serving.verify_mode = ssl.CERT_REQUIRED
        csms = CSMS({"2.0.1": Central()})
        async with end.listen(csms, ssl=serving, authenticate=certificate) as server:
            for name, holder in (("CS-1", "first"), ("CS-2", "second")):
                station = ChargingStation(name, {"2.0.1": Charger()})
                dialling = context(certificates, holder, ssl.Purpose.SERVER_AUTH)
                async with end.connect(station, server, ssl=dialling):
                    await station.call(BOOT)
                    seen = csms.stations[name]
                    assert (await seen.call(UNLOCK)).status == "Unlocked"
            station = ChargingStation("CS-1", {"2.0.1": Charger()})
            stolen = context(certificates, "second", ssl.Purpose.SERVER_AUTH)
            # picows finishes the upgrade before it looks at the certificate.
            with pytest.raises(ocppj.ConnectionLost):
                async with end.connect(station, server, ssl=stolen):
                    await station.call(BOOT)
            for mistrusting in (
                context(certificates, None, ssl.Purpose.SERVER_AUTH),
                ssl.create_default_context(),
            ):
                with pytest.raises(ocppj.ConnectionLost):
                    async with end.connect(station, server, ssl=mistrusting):
                        await station.call(BOOT)
            assert not csms.stations

    end.run(main())


def test_a_station_whose_check_is_pending_does_not_outlive_the_server(end: End) -> None:
    async def main() -> None:
        csms = CSMS({"2.0.1": Central()}, ping_timeout=0.2)
        async with end.listen(csms) as server:
            async with dial(server) as dead, dial(server) as raw:
                old = await csms.station("CS-1")
                closing = asyncio.create_task(server.close())
                await dead.receive()
                dead.abort()  # so the other one would be let in
                assert await raw.close_code() == 1001
                raw.writer.close()
                await closing
                assert old.closed
            assert not csms.stations

    end.run(main())


def test_each_check_runs_once_and_in_a_task(end: End) -> None:
    asked: list[tuple[str, object]] = []

    async def known(station_id: str) -> bool:
        async with asyncio.timeout(5):  # which needs a task
            await asyncio.sleep(0)
        asked.append(("known", station_id))
        return True

    def authenticate(handshake: Handshake) -> bool:
        asked.append(("authenticate", handshake.remote is not None))
        return True

    async def main() -> None:
        csms = CSMS({"2.0.1": Central()})
        listen = end.listen(csms, known=known, authenticate=authenticate)
        async with listen as server, dial(server) as raw:
            raw.send(HEARTBEAT)
            assert (await raw.message())[0] == 3
        assert asked == [("known", "CS-1"), ("authenticate", True)]

    end.run(main())


@pytest.mark.parametrize("name", ["AA:BB:CC", "x" * 49])
def test_identities_of_1_6_may_be_long_and_have_colons(end: End, name: str) -> None:
    class Old:
        def on_heartbeat(self, station: Any, request: Any) -> Any:
            return v16.HeartbeatResponse(current_time=NOW)

    async def main() -> None:
        csms = CSMS({"1.6": Old(), "2.0.1": Central()})
        station = ChargingStation(name, {"1.6": object()})
        async with end.listen(csms) as server, end.connect(station, server):
            assert (await station.call(v16.HeartbeatRequest())).current_time == NOW
            assert list(csms.stations) == [name]
        with pytest.raises(ValueError, match="is not a valid station identity"):
            ChargingStation(name, {"2.0.1": object(), "1.6": object()})

    end.run(main())


@pytest.mark.parametrize("name", ["picows", "picows-uvloop"])
def test_early_messages_are_bounded_by_their_bytes(name: str) -> None:
    """With websockets nothing can be sent before the checks are made."""
    end = ENDS[name]

    async def main() -> None:
        asking = asyncio.Event()

        async def known(station_id: str) -> bool:
            await asking.wait()
            return True

        codecs = {"2.0.1": ocppj.Codec("2.0.1", max_size=1000)}
        csms = CSMS({"2.0.1": Central()}, codecs=codecs)
        async with end.listen(csms, known=known) as server, dial(server) as raw:
            for _ in range(3):
                raw.send(b" " * 900)
            assert await raw.close_code() == 1008
            asking.set()

    end.run(main())
