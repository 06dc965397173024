"""Behaviour that stays the same: scripts run through plain and accelerated charge points."""

import asyncio
import contextlib
import inspect
import logging
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from ocpp import exceptions, messages
from ocpp.routing import after, create_route_map, on
from ocpp.v16 import call as calls_16
from ocpp.v16 import call_result as results_16
from ocpp.v201 import call, call_result, datatypes, enums

from tests.conftest import VERSIONS

from .points import (
    PACKAGES,
    SIDES,
    Wire,
    answering,
    called,
    caught,
    dumps,
    make,
    point,
    routed,
    run,
    same,
)

NOW = "2026-01-31T12:00:00Z"
BOOT = {"reason": "PowerUp", "chargingStation": {"model": "Wallbox", "vendorName": "Acme"}}


def test_a_call_error_is_suppressed_or_raised() -> None:
    error = ["SecurityError", "no", {"a": 1}]
    assert same(lambda side: called(side, call.Heartbeat(), error))[0] is None
    kind, text = same(lambda side: called(side, call.Heartbeat(), error, suppress=False))[0]
    assert kind is exceptions.SecurityError
    assert "no" in text
    kind, _ = same(lambda side: called(side, call.Heartbeat(), ["New", "", {}], suppress=False))[0]
    assert kind is exceptions.UnknownCallErrorCodeError


def test_a_call_error_without_details_is_one() -> None:
    error = ["SecurityError", "no"]
    kind, _ = same(lambda side: called(side, call.Heartbeat(), error, suppress=False))[0]
    assert kind is exceptions.SecurityError


def test_a_call_times_out_in_the_same_words() -> None:
    kind, text = same(lambda side: called(side, call.Heartbeat(), None))[0]
    assert kind is TimeoutError
    assert text == 'Waited 0.01s for response on [2,"id-0","Heartbeat",{}].'


def test_a_call_may_bring_its_message_id() -> None:
    answer = {"currentTime": NOW}
    response, sent = same(lambda side: called(side, call.Heartbeat(), answer, unique_id="mine"))
    assert sent[0][1] == "mine"
    assert response == call_result.Heartbeat(current_time=NOW)


@pytest.mark.parametrize(
    "payload",
    [
        call.GetVariables(get_variable_data=[]),
        call.GetVariables(get_variable_data=[{"component": {"name": "x"}}]),
        call.Reset(type="Soon"),
        call.Reset(type=7),
        call.Reset(type="Immediate", evse_id="1"),
        call.Reset(type="Immediate", custom_data={"social": 1}),
        call.Reset(type="Immediate", custom_data={"vendor_id": ("a", "b")}),
        call.DataTransfer(vendor_id="x" * 256),
        call.DataTransfer(vendor_id=b"x"),
        call.DataTransfer(vendor_id=None),
    ],
    ids=str,
)
def test_a_wrong_request_raises_the_same_and_is_not_sent(payload: Any) -> None:
    (kind, _), sent = same(lambda side: called(side, payload))
    assert issubclass(kind, exceptions.OCPPError)
    assert sent == []


@pytest.mark.parametrize(
    "answer",
    [{}, {"currentTime": 7}, {"currentTime": NOW, "surplus": 1}, "x", {"currentTime": None}],
    ids=str,
)
def test_a_wrong_response_raises_the_same(answer: Any) -> None:
    (kind, _), _ = same(lambda side: called(side, call.Heartbeat(), answer))
    assert issubclass(kind, exceptions.OCPPError)


def test_values_are_written_the_same() -> None:
    class Sub(str):
        __slots__ = ()

    payloads = [
        call.DataTransfer(vendor_id=Sub("x"), data={"a_b": [Decimal("1.25"), None, {"c_d": None}]}),
        call.DataTransfer(vendor_id="x", data=[(1, 2), {"a_b": (1,)}]),
        call.DataTransfer(
            vendor_id="x", data={"enum": enums.ResetEnumType.immediate, "big": 2**60}
        ),
        call.DataTransfer(vendor_id="\ud83d\ude00 é", message_id="", data={"fan_speed": 1e22}),
        call.Reset(type=enums.ResetEnumType.immediate, evse_id=True and 1),
        call.ClearCache(custom_data={"vendor_id": "x", "nested_one": {"a_b": [{"c_d": 1}]}}),
        call.SetVariables(
            set_variable_data=[
                datatypes.SetVariableDataType(
                    attribute_value="1",
                    component=datatypes.ComponentType(name="c", evse=datatypes.EVSEType(id=1)),
                    variable=datatypes.VariableType(name="v"),
                )
            ]
        ),
    ]
    for payload in payloads:
        _, sent = same(lambda side, payload=payload: called(side, payload, None))
        assert len(sent) == 1


def test_large_messages_are_the_business_of_the_websocket() -> None:
    large = "x" * 3_000_000
    payload = call.DataTransfer(vendor_id="x", data=large)
    answer = {"status": "Accepted", "data": large}
    response, sent = same(lambda side: called(side, payload, answer))
    assert len(sent[0][3]["data"]) == len(response.data) == len(large)


def test_tenths_of_1_6_are_decimals_here_and_floats_on_the_wire() -> None:
    period = {"start_period": 0, "limit": 21.4}
    profile = {
        "charging_profile_id": 1,
        "stack_level": 0,
        "charging_profile_purpose": "TxProfile",
        "charging_profile_kind": "Absolute",
        "charging_schedule": {
            "charging_rate_unit": "A",
            "charging_schedule_period": [period],
        },
    }
    payload = calls_16.SetChargingProfile(connector_id=1, cs_charging_profiles=profile)
    _, sent = same(lambda side: called(side, payload, {"status": "Accepted"}, version="1.6"))
    schedule = sent[0][3]["csChargingProfiles"]["chargingSchedule"]
    assert schedule["chargingSchedulePeriod"][0]["limit"] == 21.4
    wrong = calls_16.SetChargingProfile(
        connector_id=1,
        cs_charging_profiles=profile
        | {"charging_schedule": profile["charging_schedule"] | {"min_charging_rate": 4.11}},
    )
    (kind, _), _ = same(lambda side: called(side, wrong, version="1.6"))
    assert kind is exceptions.FormatViolationError
    answer = {"status": "Accepted", "chargingSchedule": schedule}
    ask = calls_16.GetCompositeSchedule(connector_id=1, duration=60)
    response, _ = same(lambda side: called(side, ask, answer, version="1.6"))
    limit = response.charging_schedule["charging_schedule_period"][0]["limit"]
    assert (type(limit), limit) == (Decimal, Decimal("21.4"))

    def received(side: str, *, skip: bool) -> Any:
        seen = []

        @on("SetChargingProfile", skip_schema_validation=skip)
        def take(self: Any, cs_charging_profiles: Any, **kwargs: Any) -> Any:
            seen.append(cs_charging_profiles["charging_schedule"]["charging_schedule_period"])
            return results_16.SetChargingProfile(status="Accepted")

        frame = [2, "7", "SetChargingProfile", sent[0][3]]
        return routed(side, "1.6", {"take": take}, frame), repr(seen)

    assert "Decimal('21.4')" in same(lambda side: received(side, skip=False))[1]
    assert "Decimal" not in same(lambda side: received(side, skip=True))[1]


def test_without_validation_anything_goes() -> None:
    payload = call.Reset(type="Soon", evse_id="x")
    answer = {"status": "Perhaps"}
    response, sent = same(lambda side: called(side, payload, answer, skip_schema_validation=True))
    assert response == call_result.Reset(status="Perhaps")
    assert sent == [[2, "id-0", "Reset", {"type": "Soon", "evseId": "x"}]]


def test_one_call_at_a_time() -> None:
    def script(side: str) -> Any:
        async def work() -> Any:
            made = point(make(side, "2.0.1", {}))
            first = asyncio.create_task(made.call(call.Heartbeat()))
            second = asyncio.create_task(made.call(call.Heartbeat()))
            await asyncio.sleep(0.01)
            before = list(made._connection.sent)
            await made.route_message(f'[3,"id-0",{{"currentTime":"{NOW}"}}]')
            await first
            await asyncio.sleep(0.01)
            second.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await second
            third = asyncio.create_task(made.call(call.Heartbeat()))
            await asyncio.sleep(0.01)
            await made.route_message(f'[3,"id-2",{{"currentTime":"{NOW}"}}]')
            return before, made._connection.sent, await third

        return run(work())

    before, sent, _ = same(script)
    assert (len(before), len(sent)) == (1, 3)


def test_a_response_may_be_put_in_the_queue_by_hand() -> None:
    def script(side: str) -> Any:
        async def work() -> Any:
            made = point(make(side, "2.0.1", {}))
            made._response_queue.put_nowait(messages.CallResult("other", {}))
            made._response_queue.put_nowait(messages.CallResult("id-0", {"currentTime": NOW}))
            good = await made.call(call.Heartbeat())
            made._response_queue.put_nowait(messages.CallResult("id-1", {"currentTime": 7}))
            return good, await caught(lambda: made.call(call.Heartbeat()))

        return run(work())

    good, (kind, _) = same(script)
    assert good == call_result.Heartbeat(current_time=NOW)
    assert kind is exceptions.TypeConstraintViolationError


@pytest.mark.parametrize("version", VERSIONS)
def test_handlers_may_be_functions_or_coroutines_and_ask_for_the_id(version: str) -> None:
    results = PACKAGES[version].call_result

    def script(side: str) -> Any:
        seen: list[Any] = []

        @on("DataTransfer")
        async def take(self: Any, call_unique_id: str, vendor_id: str, **kwargs: Any) -> Any:
            await asyncio.sleep(0)
            seen.append((call_unique_id, vendor_id, kwargs))
            return results.DataTransfer(status="Accepted")

        @after("DataTransfer")
        async def follow(self: Any, vendor_id: str, call_unique_id: str, **kwargs: Any) -> None:
            seen.append((call_unique_id, vendor_id, kwargs))

        @on("Heartbeat")
        def beat(self: Any, **kwargs: Any) -> Any:
            return results.Heartbeat(current_time=NOW)

        @after("Heartbeat")
        def lost(self: Any, **kwargs: Any) -> None:
            raise KeyError("lost")

        methods = {"take": take, "follow": follow, "beat": beat, "lost": lost}

        async def work() -> Any:
            made = point(make(side, version, methods))
            await made.route_message('[2,"7","DataTransfer",{"vendorId":"x","data":"y"}]')
            await asyncio.sleep(0)
            await made.route_message('[2,"8","Heartbeat",{}]')
            return made._connection.sent

        return run(work()), seen

    sent, seen = same(script)
    assert [frame[:2] for frame in sent] == [[3, "7"], [3, "8"]]
    assert seen == [("7", "x", {"data": "y"})] * 2


INJECTS = "inject_response" in inspect.signature(after).parameters
"""Whether the installed version has `@after(action, inject_response=True)`; 2.1.0 does not."""


def after_with_response(action: str) -> Callable[[Any], Any]:
    """Return that decorator, or what it does to a function."""
    if INJECTS:
        decorator: Callable[[Any], Any] = after(action, inject_response=True)
        return decorator

    def decorate(function: Any) -> Any:
        function._inject_response = True
        return after(action)(function)  # `functools.wraps` copies the attribute

    return decorate


SERIAL = datatypes.StatusInfoType(reason_code="serial", additional_info=None)
STATUS_INFO = {
    "a dataclass": SERIAL,
    "a dict": {"reason_code": "serial", "additional_info": None},
    "nothing": None,
}


@pytest.mark.parametrize("info", STATUS_INFO)
@pytest.mark.parametrize("side", SIDES if INJECTS else SIDES[1:])
def test_a_hook_gets_the_response_that_it_asks_for(side: str, info: str) -> None:
    seen: list[Any] = []

    @on("BootNotification")
    def boot(self: Any, **kwargs: Any) -> Any:
        return call_result.BootNotification(NOW, 300, "Accepted", STATUS_INFO[info])

    @after_with_response("BootNotification")
    async def follow(
        self: Any, call_response: Any, call_unique_id: str, reason: str, **kwargs: Any
    ) -> None:
        seen.append((call_response, call_unique_id, reason))

    async def work() -> Any:
        made = point(make(side, "2.0.1", {"boot": boot, "follow": follow}))
        await made.route_message(f'[2,"7","BootNotification",{dumps(BOOT)}]')
        await asyncio.sleep(0)
        return made._connection.sent

    ((*_, sent),) = run(work())
    expected = {"current_time": NOW, "interval": 300, "status": "Accepted"}
    details = {"status_info": {"reason_code": "serial"}} if STATUS_INFO[info] else {}
    assert seen == [(expected | details, "7", "PowerUp")]
    assert sent.keys() == {"currentTime", "interval", "status"} | (
        {"statusInfo"} if details else set()
    )


def test_a_hook_of_a_send_gets_an_empty_response() -> None:
    seen: list[Any] = []

    @on("NotifyPeriodicEventStream")
    def take(self: Any, **kwargs: Any) -> None:
        """Answer nothing."""

    @after_with_response("NotifyPeriodicEventStream")
    def follow(self: Any, call_response: Any, **kwargs: Any) -> None:
        seen.append(call_response)

    data = [{"t": 0, "v": "1"}]
    payload = {"id": 1, "pending": 0, "basetime": NOW, "data": data}
    send = [6, "7", "NotifyPeriodicEventStream", payload]
    assert routed("mixin", "2.1", {"take": take, "follow": follow}, send) == []
    assert seen == [{}]


def test_what_follows_may_call_the_station() -> None:
    def script(side: str) -> Any:
        @on("BootNotification")
        def boot(self: Any, **kwargs: Any) -> Any:
            return call_result.BootNotification(current_time=NOW, interval=1, status="Accepted")

        @after("BootNotification")
        async def follow(self: Any, **kwargs: Any) -> None:
            self.response = await self.call(call.ClearCache())

        async def work() -> Any:
            wire = Wire(
                lambda frame: [[3, frame[1], {"status": "Accepted"}]] if frame[0] == 2 else []
            )
            made = point(make(side, "2.0.1", {"boot": boot, "follow": follow}), wire)
            await made.route_message(f'[2,"7","BootNotification",{dumps(BOOT)}]')
            await asyncio.sleep(0.01)
            return wire.sent, made.response

        return run(work())

    sent, response = same(script)
    assert [frame[0] for frame in sent] == [3, 2]
    assert response == call_result.ClearCache(status="Accepted")


@pytest.mark.parametrize(
    "error",
    [
        exceptions.SecurityError(description="no", details={"why": "x"}),
        ValueError("secret"),
        exceptions.NotSupportedError(),
    ],
    ids=repr,
)
def test_errors_of_handlers_become_call_errors(error: Exception) -> None:
    @on("Heartbeat")
    async def fail(self: Any, **kwargs: Any) -> Any:
        raise error

    sent = same(lambda side: routed(side, "2.0.1", {"fail": fail}, [2, "7", "Heartbeat", {}]))
    assert sent[0][0] == 4
    assert "secret" not in str(sent)


def test_arguments_that_a_handler_does_not_take_are_its_error() -> None:
    @on("BootNotification")
    def boot(self: Any, reason: Any) -> Any:
        raise AssertionError(reason)

    sent = same(
        lambda side: routed(side, "2.0.1", {"boot": boot}, [2, "7", "BootNotification", BOOT])
    )
    assert sent[0][2] == "InternalError"


def test_routes_without_validation_take_anything() -> None:
    def script(side: str) -> Any:
        seen = []

        @on("StatusNotification", skip_schema_validation=True)
        def status(self: Any, **kwargs: Any) -> Any:
            seen.append(kwargs)
            return call_result.StatusNotification(custom_data={"a_b": 1})

        @on("AcmeFan", skip_schema_validation=True)
        def fan(self: Any, **kwargs: Any) -> Any:
            seen.append(kwargs)
            return datatypes.StatusInfoType(reason_code="x", additional_info={"a_b": None})

        methods = {"status": status, "fan": fan}
        good = {"timestamp": NOW, "connectorStatus": "Available", "evseId": 1, "connectorId": 1}
        sent = routed(
            side,
            "2.0.1",
            methods,
            [2, "1", "StatusNotification", good],
            [2, "2", "StatusNotification", {"evseID": None, "howMany": 1.5}],
            [2, "3", "AcmeFan", {"fanSpeed": 1, "someV2X": [{"aB": 1}]}],
            [2, "4", "AcmeFan", []],
            [2, "5", "AcmeFan", {}],
        )
        return sent, seen

    sent, seen = same(script)
    assert [frame[0] for frame in sent] == [3, 3, 3, 4, 3]
    assert seen[1] == {"evse_id": None, "how_many": 1.5}


def test_vendor_actions_with_validation_have_no_schema() -> None:
    @on("AcmeFan")
    def fan(self: Any, **kwargs: Any) -> Any:
        raise AssertionError(kwargs)

    codes = same(lambda side: routed(side, "2.0.1", {"fan": fan}, [2, "3", "AcmeFan", {}])[0][:3])
    assert codes == [4, "3", "NotImplemented"]


def test_a_handler_without_response_is_heard_of() -> None:
    @on("Heartbeat")
    def nothing(self: Any, **kwargs: Any) -> None: ...

    def script(side: str) -> Any:
        with pytest.raises(TypeError) as error:
            routed(side, "2.0.1", {"nothing": nothing}, [2, "7", "Heartbeat", {}])
        return str(error.value)

    assert "dataclass" in same(script)


def test_the_logger_is_told_the_same(caplog: pytest.LogCaptureFixture) -> None:
    @on("Heartbeat")
    def beat(self: Any, **kwargs: Any) -> Any:
        return call_result.Heartbeat(current_time=NOW)

    @on("ClearCache")
    def fail(self: Any, **kwargs: Any) -> Any:
        raise ValueError

    def script(side: str) -> Any:
        caplog.clear()
        logger = logging.getLogger("mine")

        async def work() -> None:
            wire = answering(*([None] * 2), ["GenericError", "", {}])
            kind = make(side, "2.0.1", {"beat": beat, "fail": fail})
            made = point(kind, wire, logger=logger)
            await made.route_message('[2,"1","Heartbeat",{}]')
            await made.route_message('[2,"2","ClearCache",{}]')
            await made.call(call.Heartbeat())

        with caplog.at_level(logging.INFO, "mine"):
            run(work())
        return [(record.levelname, record.getMessage()) for record in caplog.records]

    records = same(script)
    assert ("INFO", 'station: send [2,"id-0","Heartbeat",{}]') in records
    assert [level for level, _ in records] == ["INFO", "ERROR", "INFO", "INFO", "WARNING"]


def test_handle_call_may_be_called_by_itself() -> None:
    @on("BootNotification")
    def boot(self: Any, **kwargs: Any) -> Any:
        return call_result.BootNotification(current_time=NOW, interval=1, status="Accepted")

    def script(side: str) -> Any:
        async def work() -> Any:
            made = point(make(side, "2.0.1", {"boot": boot}))
            action = enums.Action.boot_notification
            good = await made._handle_call(messages.Call("7", action, BOOT))
            wrong = messages.Call("8", "BootNotification", {"reason": 7})
            error = await caught(lambda: made._handle_call(wrong))
            return good.payload, good.action, error[0], made._connection.sent

        return run(work())

    assert same(script)[2] is exceptions.TypeConstraintViolationError


def test_handlers_and_responses_may_be_put_in_an_instance() -> None:
    def script(side: str) -> Any:
        async def work() -> Any:
            made = point(make(side, "2.0.1", {}))

            @on(enums.Action.heartbeat)
            def beat(call_unique_id: str, **kwargs: Any) -> Any:
                return call_result.Heartbeat(current_time=NOW, custom_data={"vendor_id": "x"})

            made.beat = beat
            made.route_map = create_route_map(made)
            await made.route_message('[2,"7","Heartbeat",{}]')

            async def given(unique_id: str, _: float) -> Any:
                return messages.CallResult(unique_id, {"currentTime": NOW}, "Heartbeat")

            made._get_specific_response = given
            return await made.call(call.Heartbeat()), made._connection.sent

        return run(work())

    assert [frame[0] for frame in same(script)[1]] == [3, 2]
