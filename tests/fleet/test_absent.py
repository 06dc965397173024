"""Calls from anywhere that are kept until their station is back."""

import asyncio
import json
import time
from contextlib import AsyncExitStack

import pytest

import ocppj
from ocppj import v201
from ocppj.aio import Directory  # noqa: TC001  as users import it
from ocppj.fleet import Fleet
from tests.aio.ends import End, until
from tests.aio.wire import RESET, Gate
from tests.fleet.parts import UNLOCK, Wallbox, system
from tests.fleet.server import NatsServer
from tests.fleet.test_contract import command


class NotingGate(Gate, Wallbox):
    """Answers `Reset` when it may."""

    def __init__(self) -> None:
        Gate.__init__(self)
        Wallbox.__init__(self)

    on_unlock_connector = Wallbox.on_unlock_connector


def unlock(number: int) -> v201.UnlockConnectorRequest:
    return v201.UnlockConnectorRequest(evse_id=number, connector_id=1)


def test_calls_are_kept_until_the_station_is_back(nats: NatsServer, prefix: str, end: End) -> None:
    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            node, wallbox = await parts.gateway(), Wallbox()
            fleet = await parts.fleet()
            directory: Directory = fleet
            with pytest.raises(ocppj.NotConnected):
                await directory.call("CS-1", UNLOCK)  # by default none is kept
            with pytest.raises(ocppj.NotConnected, match=r"CS-1 has not connected within 0\.05 s"):
                await directory.call("CS-1", unlock(9), ttl=0.05)
            kept = [asyncio.create_task(directory.call("CS-1", unlock(n), ttl=10)) for n in (3, 1)]
            gone = asyncio.create_task(directory.call("CS-1", unlock(8), ttl=10))
            await until(lambda: fleet._kept._kept["CS-1"] == 3)
            gone.cancel()
            await parts.station(node, handlers=wallbox)
            answers = await asyncio.gather(*kept)
            assert [answer.status for answer in answers] == ["Unlocked"] * 2
            await directory.call("CS-1", unlock(2), ttl=5)  # it is there
            assert sorted(request.evse_id for request in wallbox.seen[:2]) == [1, 3]
            assert wallbox.seen[2:] == [unlock(2)]
            assert not fleet._kept._kept
            assert not fleet._arrivals

    end.run(main())


def test_a_call_is_delivered_once_or_not_at_all(nats: NatsServer, prefix: str, end: End) -> None:
    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            node, gate = await parts.gateway(), NotingGate()
            fleet = await parts.fleet()
            station = await parts.station(node, handlers=gate)
            resetting = asyncio.create_task(fleet.call("CS-1", RESET, ttl=10))
            await gate.asked.get()
            with pytest.raises(ocppj.LocalProtocolError, match="UnlockConnector was not sent"):
                await fleet.call("CS-1", unlock(1), ttl=0.1)
            kept = asyncio.create_task(fleet.call("CS-1", unlock(2), ttl=10))
            await asyncio.sleep(0.1)  # it is queued at the node
            await node.gateway.stations["CS-1"].close()
            with pytest.raises(ocppj.ConnectionLost) as failed:
                await resetting
            assert not isinstance(failed.value, ocppj.NotConnected)
            await until(lambda: not station.connected)
            async with AsyncExitStack() as stack:
                again = ocppj.aio.ChargingStation("CS-1", {"2.0.1": gate})
                await stack.enter_async_context(end.connect(again, node.server))
                await kept
            assert gate.asked.empty()
            assert gate.seen == [unlock(2)]

    end.run(main())


def test_waiting_takes_the_context_and_ends_with_it(
    nats: NatsServer, prefix: str, end: End
) -> None:
    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            fleet = Fleet(await parts.broker())
            with pytest.raises(ocppj.LocalProtocolError, match="use async with"):
                await fleet.call("CS-1", UNLOCK, ttl=1)
            async with fleet:
                kept = asyncio.create_task(fleet.call("CS-1", UNLOCK, ttl=10))
                await until(lambda: fleet._arrivals)
            with pytest.raises(ocppj.NotConnected, match="not followed any more"):
                await kept

    end.run(main())


def test_a_command_in_any_language_can_expire(nats: NatsServer, prefix: str, end: End) -> None:
    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            node, wallbox = await parts.gateway(), Wallbox()
            await parts.station(node, handlers=wallbox)
            client, payload = await parts.plain(), {"evseId": 1, "connectorId": 1}
            for expires, wanted in ((time.time() + 10, "result"), (time.time() - 1, "busy")):
                status, _ = await command(
                    client,
                    prefix,
                    payload,
                    action="UnlockConnector",
                    timeout=5,
                    expires=int(expires * 1000),
                )
                assert status == wanted
            for wrong in ("soon", "9" * 400, ""):
                status, answer = await command(
                    client, prefix, payload, action="UnlockConnector", timeout=5, expires=wrong
                )
                assert status == "invalid", wrong
                assert "Ocpp-Expires" in json.dumps(answer)
            status, answer = await command(
                client, prefix, payload, action="UnlockConnector", timeout=5, generation=999
            )
            assert (status, answer["code"]) == ("gone", "NotSent")
            assert wallbox.seen == [UNLOCK]

    end.run(main())
