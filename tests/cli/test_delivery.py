"""What `ocppj station --outbox` queues, and the response that it waits for."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from ocppj import Codec, v16
from ocppj.aio import CSMS, ChargingStation
from ocppj.cli.demo.delivery import Delivery
from ocppj.cli.demo.messages import now


class Central:
    def on_start_transaction(self, station: Any, request: Any) -> Any:
        accepted = v16.IdTagInfo(status=v16.AuthorizationStatus.ACCEPTED)
        return v16.StartTransactionResponse(id_tag_info=accepted, transaction_id=7)


@pytest.mark.parametrize(("handler", "transaction"), [(Central(), 7), (object(), None)])
def test_the_response_is_that_of_the_message(
    tmp_path: Path, handler: object, transaction: int | None
) -> None:
    codec = Codec("1.6")
    shown: list[str] = []

    def started(number: int) -> Any:
        fields = {"connectorId": number, "idTag": "A", "meterStart": 0, "timestamp": now()}
        return "StartTransaction", fields

    async def main() -> None:
        path = str(tmp_path / "outbox.db")
        delivery = Delivery(path, {"1.6": codec}, lambda action, _: shown.append(action))
        outbox = delivery.outbox
        outbox.attempts = 1  # what is not supported is dropped
        outbox.booted(accepted=True)
        station = ChargingStation("CS-1", {"1.6": object()}, outbox=outbox)
        async with outbox, CSMS({"1.6": handler}).listen("127.0.0.1", 0) as server:
            assert await delivery.send(station, codec, started(1), wait=False) is None
            assert shown == ["StartTransaction"]
            async with station.connect(f"ws://127.0.0.1:{server.port}"):
                response = await delivery.send(station, codec, started(2), wait=True)
                assert getattr(response, "transaction_id", None) == transaction
                await outbox.join()
            assert await outbox.count() == 0

    asyncio.run(asyncio.wait_for(main(), 20))
    assert shown == ["StartTransaction"]


@pytest.mark.parametrize(
    "message",
    [("StartTransaction", {}), ("TransactionEvent", {}), ("MeterValues", {"transactionId": 1})],
)
def test_transactions_have_to_arrive(message: Any) -> None:
    assert Delivery.keeps(message)


@pytest.mark.parametrize("message", [("MeterValues", {}), ("Heartbeat", {})])
def test_the_rest_has_not(message: Any) -> None:
    assert not Delivery.keeps(message)
