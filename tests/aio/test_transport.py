"""Transports by name, and what differs between them."""

import asyncio

import pytest

from ocppj.aio import CSMS, ChargingStation
from tests.aio.ends import End
from tests.aio.wire import (
    BOOT,
    UNLOCK,
    Central,
    Charger,
    dial,
)


def test_an_unknown_transport() -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match="unknown transport 'tcp'"):
            async with CSMS({"2.0.1": object()}).listen(transport="tcp"):  # type: ignore[arg-type]
                raise AssertionError

    asyncio.run(main())


def test_compression_is_what_the_websockets_transport_offers(end: End) -> None:
    async def main() -> None:
        asked = {"Sec-WebSocket-Extensions": "permessage-deflate"}
        async with (
            end.listen(CSMS({"2.0.1": Central()})) as server,
            dial(server, headers=asked) as raw,
        ):
            agreed = raw.headers.get("sec-websocket-extensions", "")
            offers = end.transport == "websockets"
            assert agreed.partition(";")[0] == ("permessage-deflate" if offers else "")

    end.run(main())


def test_both_transports_talk_to_each_other(end: End) -> None:
    other = End("picows" if end.transport == "websockets" else "websockets", end.loop)

    async def main() -> None:
        csms = CSMS({"2.0.1": Central()})
        station = ChargingStation("CS-1", {"2.0.1": Charger()})
        async with end.listen(csms) as server, other.connect(station, server):
            await station.call(BOOT)
            assert (await csms.stations["CS-1"].call(UNLOCK)).status == "Unlocked"

    end.run(main())
