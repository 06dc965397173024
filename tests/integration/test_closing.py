"""How connections and servers end: what is still handled, who is waited for, what is said of it."""

import asyncio
from typing import Any

import pytest

import ocppj
from ocppj.aio import CSMS
from tests.integration.conftest import End, until
from tests.integration.wire import CLOSE, UNLOCK, Central, dial


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "received 1005"),
        ((1001).to_bytes(2), "received 1001"),
        ((4000).to_bytes(2) + b"bye", "received 4000 .*bye"),
    ],
)
def test_who_calls_too_late_is_told_with_which_code_the_peer_closed(
    end: End, payload: bytes, reason: str
) -> None:
    async def main() -> None:
        csms = CSMS({"2.0.1": Central()})
        async with end.listen(csms) as server, dial(server) as raw:
            seen = await csms.station("CS-1")
            raw.send(payload, CLOSE)
            await raw.receive()
            raw.writer.close()
            await until(lambda: seen.closed)
            with pytest.raises(ocppj.ConnectionLost, match=reason):
                await seen.call(UNLOCK)

    end.run(main())
