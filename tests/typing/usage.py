"""How a user's code looks to a type checker. Not run: mypy and pyright read it."""

from collections.abc import Awaitable
from datetime import UTC, datetime
from typing import assert_type

import ocppj
from ocppj import v16, v201
from ocppj.v201 import remote_control
from ocppj.v201.enums import IdTokenEnumType, UnlockStatusEnumType
from ocppj.v201.remote_control import (
    ChargingStationHandler,
    RequestStartTransactionRequest,
    RequestStartTransactionResponse,
    RequestStopTransactionRequest,
    RequestStopTransactionResponse,
    TriggerMessageRequest,
    TriggerMessageResponse,
    UnlockConnectorRequest,
    UnlockConnectorResponse,
)

codec = ocppj.Codec("2.0.1")
assert_type(codec.encode(ocppj.Call("i", "Heartbeat", v201.HeartbeatRequest())), bytes)
assert_type(codec.peek(b"").action, str | None)
assert_type(codec.profiles, tuple[ocppj.Profile, ...])

token = v201.IdTokenType(id_token="T", type=IdTokenEnumType.CENTRAL)
request = RequestStartTransactionRequest(remote_start_id=1, id_token=token)
assert_type(request.evse_id, int | None)
assert_type(request.id_token, v201.IdTokenType)
assert_type(request.response_type, type[RequestStartTransactionResponse])
assert_type(v201.HeartbeatResponse(current_time=datetime.now(UTC)).current_time, datetime)
assert_type(v16.UnitOfMeasure("Wh"), v16.UnitOfMeasure)
request.evse_id = None

assert_type(remote_control.UNLOCK_CONNECTOR.response_type, type[UnlockConnectorResponse] | None)


def handle(frame: ocppj.Frame) -> str:
    match frame:
        case ocppj.Call(message_id=message_id, payload=v201.BootNotificationRequest() as boot):
            return message_id + boot.charging_station.model
        case ocppj.CallError():
            return frame.error_code
        case _:
            return frame.message_id


class Station:
    """Sync and async methods both fit the protocol."""

    def on_request_start_transaction(
        self, request: RequestStartTransactionRequest
    ) -> RequestStartTransactionResponse:
        return RequestStartTransactionResponse(status=v201.RequestStartStopStatusEnumType.ACCEPTED)

    async def on_request_stop_transaction(
        self, request: RequestStopTransactionRequest
    ) -> RequestStopTransactionResponse:
        return RequestStopTransactionResponse(status=v201.RequestStartStopStatusEnumType.REJECTED)

    def on_trigger_message(
        self, request: TriggerMessageRequest
    ) -> Awaitable[TriggerMessageResponse]:
        raise ocppj.CallRefused("NotSupported")

    def on_unlock_connector(self, request: UnlockConnectorRequest) -> UnlockConnectorResponse:
        return UnlockConnectorResponse(status=UnlockStatusEnumType.UNLOCKED)


handler: ChargingStationHandler = Station()


class VendorRequest(ocppj.Message, kw_only=True):
    fan_speed: int
    note: ocppj.Maybe[str] = None


assert_type(VendorRequest(fan_speed=1).note, str | None)
