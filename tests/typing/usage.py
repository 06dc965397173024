"""Code of users. Not run: mypy and pyright check it."""

from collections.abc import Awaitable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, TypeAlias, TypeVar, assert_type

from starlette.applications import Starlette
from starlette.routing import Mount

import ocppj
from ocppj import v16, v21, v201
from ocppj.aio import CSMS, ChargingStation, Directory
from ocppj.aio.transport import Acceptor, Attach, Listening
from ocppj.fleet import Fleet
from ocppj.testing import Wire, connected, sample
from ocppj.v201 import availability, provisioning, remote_control
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


class Partial(ChargingStationHandler):
    """Derives from the protocol and defines one of its methods."""

    async def on_unlock_connector(
        self, request: UnlockConnectorRequest, /
    ) -> UnlockConnectorResponse:
        return UnlockConnectorResponse(status=UnlockStatusEnumType.UNLOCKED)


partial: ChargingStationHandler = Partial()


class PartialCsms(availability.CSMSHandler, provisioning.CSMSHandler):
    """Derives from the protocols of two blocks."""

    def on_heartbeat(
        self, station: str, request: v201.HeartbeatRequest, /
    ) -> v201.HeartbeatResponse:
        return v201.HeartbeatResponse(current_time=datetime.now(UTC))


partial_csms: provisioning.CSMSHandler = PartialCsms()


class Csms:
    """A handler for some blocks. The names and types of the station argument are free."""

    async def on_boot_notification(
        self, station: str, request: v201.BootNotificationRequest
    ) -> v201.BootNotificationResponse:
        status = v201.RegistrationStatusEnumType.ACCEPTED
        return v201.BootNotificationResponse(
            current_time=datetime.now(UTC), interval=300, status=status
        )

    def on_notify_report(
        self, station: str, request: v201.NotifyReportRequest
    ) -> v201.NotifyReportResponse:
        return v201.NotifyReportResponse()

    def on_heartbeat(self, _: object, request: v201.HeartbeatRequest) -> v201.HeartbeatResponse:
        raise ocppj.CallRefused("NotSupported", "no clock here", {"a": 1})

    def on_status_notification(
        self, station: object, request: v201.StatusNotificationRequest
    ) -> v201.StatusNotificationResponse:
        return v201.StatusNotificationResponse()


csms: provisioning.CSMSHandler = Csms()
also: availability.CSMSHandler = Csms()


def on_error(frame: ocppj.Call[Any] | ocppj.Send[Any], error: Exception) -> None:
    """Gets the exceptions of handlers."""


handlers = ocppj.Handlers(csms, codec, others=["on_connect"])
session = ocppj.Session(codec, role="csms", timeout=5.0, next_id=lambda: "i")
role: ocppj.Role = "charging_station"
match session.receive(b""):
    case ocppj.Call() as asked:
        assert_type(session.reply(asked, v201.HeartbeatResponse), bytes)
        assert_type(session.fail(asked, "GenericError", "no", {"a": 1}), bytes)
        assert_type(handlers.answer(session, asked, (), on_error), bytes | Awaitable[bytes])
    case ocppj.Send() as sent:
        assert_type(handlers.notify(sent, (), on_error), Awaitable[None] | None)
assert_type(session.call(request, now=1.0), bytes)
assert_type(session.expire(now=31.0), tuple[ocppj.Call[Any], ...])
assert_type(session.pending, ocppj.Call[Any] | None)

R = TypeVar("R")


def call(request: ocppj.Request[R]) -> R:
    """Return the response of a request."""
    raise ocppj.CallTimeout(request.response_type)


assert_type(call(v201.HeartbeatRequest()), v201.HeartbeatResponse)
assert_type(call(v16.HeartbeatRequest()), v16.HeartbeatResponse)
assert_type(call(v21.HeartbeatRequest()), v21.HeartbeatResponse)
assert_type(call(request).status, v201.RequestStartStopStatusEnumType)


class VendorResponse(ocppj.Message, kw_only=True):
    accepted: bool


class VendorRequest(ocppj.Message, kw_only=True):
    response_type: ClassVar = VendorResponse  # bare, because of the field `type`

    type: str
    note: ocppj.Maybe[str] = None


assert_type(VendorRequest(type="fan").note, str | None)
assert_type(call(VendorRequest(type="fan")), VendorResponse)


class ServerOnly:
    """A transport that cannot connect."""

    async def serve(
        self, acceptor: Acceptor, host: str | Sequence[str] | None, port: int, **options: Any
    ) -> Listening:
        raise NotImplementedError


class ClientOnly:
    """A transport that cannot listen."""

    async def connect(
        self,
        url: str,
        subprotocols: Sequence[str],
        attach: Attach,
        *,
        max_size: int,
        headers: Mapping[str, str],
        **options: Any,
    ) -> Awaitable[None]:
        raise NotImplementedError


async def transports(central: CSMS, station: ChargingStation) -> None:
    """Each end accepts a transport with its half of the functions."""
    async with central.listen(transport=ServerOnly()) as server:
        assert_type(server.port, int)
    async with station.connect("ws://", transport=ClientOnly()) as connected:
        assert_type(connected, ChargingStation)
    assert_type(await central.call("CS-1", v201.ClearCacheRequest()), v201.ClearCacheResponse)


Cleared: TypeAlias = v16.ClearCacheResponse | v201.ClearCacheResponse | v21.ClearCacheResponse


async def call_either(
    central: CSMS,
    station: ChargingStation,
    asked: v16.ClearCacheRequest | v201.ClearCacheRequest | v21.ClearCacheRequest,
) -> None:
    """A request of one version or another gives the response of one or the other."""
    beat = v16.HeartbeatRequest() if station.version == "1.6" else v201.HeartbeatRequest()
    assert_type(await station.call(beat), v16.HeartbeatResponse | v201.HeartbeatResponse)
    seen = await central.station("CS-1")
    assert_type(await seen.call(asked), Cleared)
    assert_type(await central.call("CS-1", asked), Cleared)


async def in_memory(central: CSMS, station: ChargingStation) -> None:
    """Tests of a user's own."""
    async with connected(central, station) as wire:
        assert_type(wire, Wire)
        assert_type(wire.frames[0].sender, ocppj.Role)
    assert_type(sample(v201.ClearCacheRequest), v201.ClearCacheRequest)


def mounted(central: CSMS) -> Starlette:
    """ASGI frameworks accept a CSMS as an application."""
    application = central.asgi(known=lambda name: name != "CS-1")
    return Starlette(routes=[Mount("/ocpp", application)], lifespan=application.lifespan)


async def on_either(central: CSMS, fleet: Fleet) -> None:
    """A CSMS and a Fleet can stand for each other."""
    directories: list[Directory] = [central, fleet]
    for directory in directories:
        answer = await directory.call("CS-1", v201.ClearCacheRequest())
        assert_type(answer, v201.ClearCacheResponse)
        station = await directory.station("CS-1", timeout=1)
        assert_type(await station.call(v201.ClearCacheRequest()), v201.ClearCacheResponse)
