"""`ocpp` of The Mobility House, as a station and as a CSMS, over real connections."""

import asyncio
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest
from ocpp import charge_point as theirs
from ocpp import routing

import ocppj
from ocppj.aio import CSMS, ChargingStation
from tests.aio.ends import End
from tests.conftest import PACKAGES as OURS
from tests.conftest import VERSIONS
from tests.integration.exchanges import DOWN, UP, Exchange, calls, handler, requests
from tests.integration.points import PACKAGES

websockets = pytest.importorskip("websockets")

each_version = pytest.mark.parametrize("version", VERSIONS)


class Theirs:
    """Their end of a connection: gives the answers, makes the calls."""

    def __init__(self, version: str, exchanges: list[Exchange]) -> None:
        self.package: Any = PACKAGES[version]
        self.asked: list[tuple[str, Any]] = []
        self.done = asyncio.Event()
        methods = {f"on_{action}": self.method(action, answer) for action, _, answer in exchanges}
        self.kind = type("Peer", (self.package.ChargePoint,), methods)

    def method(self, action: str, answer: Any) -> Any:
        async def handle(_: Any, **request: Any) -> Any:
            self.asked.append((action, theirs.snake_to_camel_case(request)))
            made = getattr(self.package.call_result, action)
            return made(**theirs.camel_to_snake_case(answer))

        handle.__name__ = f"on_{action}"  # by which it is found
        return routing.on(action)(handle)

    async def calls(self, peer: Any, exchanges: list[Exchange]) -> None:
        for action, request, answer in exchanges:
            made = getattr(self.package.call, action)
            got = await peer.call(made(**theirs.camel_to_snake_case(request)), suppress=False)
            plain = theirs.remove_nones(theirs.serialize_as_dict(got))
            assert theirs.snake_to_camel_case(plain) == answer

    async def run(self, socket: Any, mine: list[Exchange]) -> None:
        """Make the calls while those of the other side are answered."""
        peer = self.kind("CS-1", socket)
        answering = asyncio.create_task(peer.start())
        try:
            await self.calls(peer, mine)
            self.done.set()
            with suppress(websockets.ConnectionClosed):
                await answering
        finally:
            answering.cancel()


@each_version
def test_their_station_and_our_csms(end: End, version: str) -> None:
    async def main() -> None:
        ours, asked = handler(version, UP[version])
        peer = Theirs(version, DOWN[version])
        csms = CSMS({version: ours})
        async with end.listen(csms) as server:
            subprotocol = f"ocpp{version}"
            url = f"ws://127.0.0.1:{server.port}/ocpp/CS-1"
            async with websockets.connect(url, subprotocols=[subprotocol]) as socket:
                running = asyncio.create_task(peer.run(socket, UP[version]))
                seen = await csms.station("CS-1")
                await calls(version, seen, DOWN[version])
                if version != "2.1":  # where theirs does not answer what it has no handler for
                    with pytest.raises(ocppj.CallFailed, match=r"NotImplemented|NotSupported"):
                        await seen.call(message(version, "ClearCacheRequest"))
                await peer.done.wait()
                await seen.close()
                await running
        assert asked == requests(UP[version])
        assert peer.asked == requests(DOWN[version])

    end.run(main())


@each_version
def test_our_station_and_their_csms(end: End, version: str) -> None:
    async def main() -> None:
        ours, asked = handler(version, DOWN[version])
        peer = Theirs(version, UP[version])
        ended = asyncio.Event()

        async def accept(socket: Any) -> None:
            await peer.run(socket, DOWN[version])
            ended.set()

        subprotocol = f"ocpp{version}"
        async with websockets.serve(accept, "127.0.0.1", 0, subprotocols=[subprotocol]) as server:
            address = SimpleNamespace(port=server.sockets[0].getsockname()[1])
            station = ChargingStation("CS-1", {version: ours})
            async with end.connect(station, address):
                await calls(version, station, UP[version])
                await peer.done.wait()
            await ended.wait()
        assert asked == requests(DOWN[version])
        assert peer.asked == requests(UP[version])

    end.run(main())


def message(version: str, name: str, **fields: Any) -> Any:
    return getattr(OURS[version], name)(**fields)
