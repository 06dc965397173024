"""Where mobilityhouse/ocpp breaks the specification: what it does, and what we do.

Each test runs both. `docs/mobilityhouse.md` has the list.
"""

import asyncio
import gc
import tracemalloc
from typing import Any

import pytest
from ocpp import charge_point, exceptions
from ocpp.routing import after, on
from ocpp.v16 import call_result as results_16
from ocpp.v21 import call as calls_21
from ocpp.v21 import datatypes as types_21
from ocpp.v201 import call as calls
from ocpp.v201 import call_result as results

from ocppj import Message, v21
from ocppj.integrations.names import key_map, snake, to_wire

from .points import Wire, make, point, routed, run

NOW = "2026-01-31T12:00:00Z"


@on("Heartbeat")
def heartbeat(self: Any, **kwargs: Any) -> Any:
    kind = results_16 if self._ocpp_version == "1.6" else results
    return kind.Heartbeat(current_time=NOW)


@on("StatusNotification")
def status(self: Any, **kwargs: Any) -> Any:
    kind = results_16 if self._ocpp_version == "1.6" else results
    return kind.StatusNotification()


METHODS = {"heartbeat": heartbeat, "status": status}


def both(version: str, *received: Any, methods: dict[str, Any] = METHODS) -> tuple[Any, Any]:
    """Return the frames that a plain and an accelerated charge point send."""
    return tuple(routed(side, version, methods, *received) for side in ("plain", "mixin"))


def code(sent: list[Any]) -> str:
    ((number, message_id, error_code, _, details),) = sent
    assert (number, message_id, details) == (4, "7", {})
    return str(error_code)


@pytest.mark.parametrize(
    ("version", "frame", "reply"),
    [
        ("2.0.1", "{", ["-1", "RpcFrameworkError"]),
        ("2.0.1", '[2,"7","Heartbeat"]', ["7", "RpcFrameworkError"]),
        ("2.0.1", '[9,"7","Heartbeat",{}]', ["7", "MessageTypeNotSupported"]),
        ("2.1", "[]", ["-1", "RpcFrameworkError"]),
        ("1.6", '[2,"7","Heartbeat",{},{}]', ["7", "FormationViolation"]),
    ],
)
def test_malformed_frames_are_answered(version: str, frame: str, reply: list[str]) -> None:
    plain, ours = both(version, frame)
    assert plain == []
    assert [one[1:3] for one in ours] == [reply]


@pytest.mark.parametrize("frame", ["{", '[9,"7",{}]', '[3,"7"]', '[4,"7",{}]'])
def test_what_1_6_does_not_answer_is_not_answered(frame: str) -> None:
    assert both("1.6", frame) == ([], [])


def test_an_action_that_is_no_string_is_answered() -> None:
    frame = [2, "7", {}, {}]
    with pytest.raises(TypeError, match="unhashable"):
        routed("plain", "2.0.1", METHODS, frame)
    assert code(routed("mixin", "2.0.1", METHODS, frame)) == "RpcFrameworkError"


STATUS_16 = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}


@pytest.mark.parametrize(
    ("change", "plain", "ours"),
    [
        ({"surplus": 1}, "FormatViolation", "FormationViolation"),
        ({"status": None}, "ProtocolError", "OccurenceConstraintViolation"),
        ({"status": "Free"}, "FormatViolation", "PropertyConstraintViolation"),
        ({"info": "x" * 51}, "TypeConstraintViolation", "PropertyConstraintViolation"),
        ({"connectorId": "1"}, "TypeConstraintViolation", "TypeConstraintViolation"),
    ],
)
def test_error_codes_are_those_of_1_6_and_of_the_fault(
    change: dict[str, Any], plain: str, ours: str
) -> None:
    payload = {key: item for key, item in (STATUS_16 | change).items() if item is not None}
    frames = both("1.6", [2, "7", "StatusNotification", payload])
    assert frames[0][0][2] == plain
    assert code(frames[1]) == ours


def test_error_codes_are_those_of_2_x_and_of_the_fault() -> None:
    payload = {"timestamp": NOW, "connectorStatus": "Available", "evseId": 1}
    plain, ours = both("2.0.1", [2, "7", "StatusNotification", payload])
    assert plain[0][2] == "ProtocolError"
    assert code(ours) == "OccurrenceConstraintViolation"


def test_the_message_is_not_repeated_in_the_error() -> None:
    plain, ours = both("1.6", [2, "7", "StatusNotification", STATUS_16 | {"surplus": "secret"}])
    assert "secret" in str(plain)
    assert "secret" not in str(ours)


@pytest.mark.parametrize(
    ("version", "error", "ours"),
    [
        ("1.6", exceptions.FormatViolationError, "FormationViolation"),
        ("1.6", exceptions.OccurrenceConstraintViolationError, "OccurenceConstraintViolation"),
        ("2.0.1", exceptions.FormationViolationError, "FormatViolation"),
        ("2.1", exceptions.OccurenceConstraintViolationError, "OccurrenceConstraintViolation"),
        ("2.1", exceptions.SecurityError, "SecurityError"),
    ],
)
def test_errors_of_handlers_are_spelled_as_the_version_does(
    version: str, error: type[Exception], ours: str
) -> None:
    @on("Heartbeat")
    def fail(self: Any, **kwargs: Any) -> Any:
        raise error

    plain, fixed = both(version, [2, "7", "Heartbeat", {}], methods={"fail": fail})
    assert plain[0][2] == error.code
    assert code(fixed) == ours


def test_descriptions_have_at_most_255_characters_in_2_x() -> None:
    @on("Heartbeat")
    def fail(self: Any, **kwargs: Any) -> Any:
        raise exceptions.GenericError("x" * 300)

    methods = {"fail": fail}
    lengths = [
        [len(sent[0][3]) for sent in both(version, [2, "7", "Heartbeat", {}], methods=methods)]
        for version in ("1.6", "2.0.1")
    ]
    assert lengths == [[300, 300], [300, 255]]


@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
def test_not_supported_and_not_implemented_are_not_exchanged(version: str) -> None:
    known, unknown = [2, "7", "DataTransfer", {"vendorId": "x"}], [2, "7", "Fly", {}]
    assert [both(version, known)[0][0][2], both(version, unknown)[0][0][2]] == [
        "NotImplemented",
        "NotSupported",
    ]
    assert [code(both(version, known)[1]), code(both(version, unknown)[1])] == [
        "NotSupported",
        "NotImplemented",
    ]


def test_no_handler_comes_before_a_wrong_payload() -> None:
    plain, ours = both("2.0.1", [2, "7", "DataTransfer", {"surplus": 1}])
    assert plain[0][2] == "NotImplemented"
    assert code(ours) == "NotSupported"


def test_actions_of_2_1_without_handler_are_answered() -> None:
    plain, ours = both("2.1", [2, "7", "DataTransfer", {"vendorId": "x"}])
    assert plain == []
    assert code(ours) == "NotSupported"


def test_actions_of_2_1_with_a_follow_up_alone_are_answered() -> None:
    @after("DataTransfer")
    def follow(self: Any, **kwargs: Any) -> None:
        raise AssertionError("there was no response")

    frame = [2, "7", "DataTransfer", {"vendorId": "x"}]
    with pytest.raises(UnboundLocalError):
        routed("plain", "2.1", {"follow": follow}, frame)
    assert code(routed("mixin", "2.1", {"follow": follow}, frame)) == "NotSupported"


def test_results_that_nobody_waits_for_are_not_kept() -> None:
    def kept(side: str) -> int:
        async def work() -> int:
            made = point(make(side, "2.0.1", {}))
            for number in range(5000):
                await made.route_message(f'[3,"unknown-{number}",{{}}]')
                await made.route_message(f'[4,"unknown-{number}","GenericError","",{{}}]')
            size: int = made._response_queue.qsize()
            return size

        return int(run(work()))

    assert (kept("plain"), kept("mixin")) == (10_000, 0)


def test_results_that_were_kept_end_in_a_recursion_error() -> None:
    def called(side: str) -> Any:
        async def work() -> Any:
            wire = Wire(lambda frame: [[3, frame[1], {"currentTime": NOW}]])
            made = point(make(side, "2.0.1", {}), wire)
            for number in range(5000):
                await made.route_message(f'[3,"unknown-{number}",{{}}]')
            return await made.call(calls.Heartbeat())

        return run(work())

    with pytest.raises(RecursionError):
        called("plain")
    assert called("mixin") == results.Heartbeat(current_time=NOW)


def test_a_second_answer_is_not_kept() -> None:
    async def work() -> int:
        result = [3, "id-0", {"currentTime": NOW}]
        made = point(make("mixin", "2.0.1", {}), Wire(lambda frame: [result, result]))
        await made.call(calls.Heartbeat())
        size: int = made._response_queue.qsize()
        return size

    assert run(work()) == 0


PERIOD = {"start_period": 0, "limit": 1.0}


@pytest.mark.parametrize(
    ("payload", "wire"),
    [
        (
            calls_21.NotifySettlement(
                settlement_amount=1.5,
                settlement_time=NOW,
                status="Settled",
                psp_ref="x",
                receipt_url="https://x",
            ),
            {
                "settlementAmount": 1.5,
                "settlementTime": NOW,
                "status": "Settled",
                "pspRef": "x",
                "receiptUrl": "https://x",
            },
        ),
        (
            calls_21.PullDynamicScheduleUpdate(
                charging_profile_id=1, custom_data={"vendor_id": "x", "social": 1}
            ),
            {"chargingProfileId": 1, "customData": {"vendorId": "x", "social": 1}},
        ),
        (
            calls_21.UpdateDynamicSchedule(
                charging_profile_id=1,
                schedule_update={"limit": 1.0, "limit_l2": 2.0, "setpointReactive_L3": 3.0},
            ),
            {
                "chargingProfileId": 1,
                "scheduleUpdate": {"limit": 1.0, "limit_L2": 2.0, "setpointReactive_L3": 3.0},
            },
        ),
        (
            calls_21.UpdateDynamicSchedule(
                charging_profile_id=1,
                schedule_update=types_21.ChargingScheduleUpdateType(limit=1.0, limit_l2=2.0),
            ),
            {"chargingProfileId": 1, "scheduleUpdate": {"limit": 1.0, "limit_L2": 2.0}},
        ),
        (
            calls_21.BatterySwap(
                battery_data=[
                    types_21.BatteryDataType(evse_id=1, serial_number="x", soc=50.0, soh=90.0)
                ],
                event_type="BatteryIn",
                id_token={"id_token": "x", "type": "Central"},
                request_id=1,
            ),
            {
                "batteryData": [{"evseId": 1, "serialNumber": "x", "soC": 50.0, "soH": 90.0}],
                "eventType": "BatteryIn",
                "idToken": {"idToken": "x", "type": "Central"},
                "requestId": 1,
            },
        ),
    ],
    ids=["receiptUrl", "social", "limit_L2", "limit_L2 in a dataclass", "soC"],
)
def test_names_are_not_broken(payload: Any, wire: dict[str, Any]) -> None:
    def called(side: str) -> list[Any]:
        async def work() -> list[Any]:
            connection = Wire()
            made = point(make(side, "2.1", {}), connection, response_timeout=0)
            with pytest.raises((TimeoutError, exceptions.OCPPError)):
                await made.call(payload)
            return connection.sent

        sent: list[Any] = run(work())
        return sent

    action = type(payload).__name__
    assert called("mixin") == [[2, "id-0", action, wire]]
    assert called("plain") != called("mixin")


def test_43_names_of_2_1_are_broken_by_the_renaming_and_none_by_ours() -> None:
    kinds = [
        kind
        for kind in vars(v21).values()
        if isinstance(kind, type(Message)) and kind is not Message
    ]
    broken = set()
    for kind in kinds:
        for wire in kind.__struct_encode_fields__:
            given = snake({wire: 1})
            assert to_wire(given, key_map(kind)) == {wire: 1}
            if charge_point.snake_to_camel_case(given) != {wire: 1}:
                broken.add(wire)
    assert len(broken) == 43


def test_long_keys_are_not_remembered() -> None:
    @on("Heartbeat")
    def echo(self: Any, custom_data: Any) -> Any:
        return results.Heartbeat(current_time=NOW, custom_data=custom_data)

    def frame(number: int) -> Any:
        return [
            2,
            "7",
            "Heartbeat",
            {"customData": {"vendorId": "x", "k" * 90_000 + str(number): 1}},
        ]

    routed("mixin", "2.0.1", {"echo": echo}, frame(0))
    tracemalloc.start()
    for number in range(1, 100):
        assert routed("mixin", "2.0.1", {"echo": echo}, frame(number))[0][0] == 3
    gc.collect()
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size < 5_000_000


def test_keys_of_vendors_do_not_become_one() -> None:
    def echoed(side: str, data: dict[str, Any]) -> tuple[Any, Any]:
        seen = []

        @on("Heartbeat")
        def echo(self: Any, custom_data: Any) -> Any:
            seen.append(custom_data)
            return results.Heartbeat(current_time=NOW, custom_data=custom_data)

        sent = routed(side, "2.0.1", {"echo": echo}, [2, "7", "Heartbeat", {"customData": data}])
        return seen[0], sent[0][2]["customData"]

    data = {"vendorId": "x", "fanSpeed": 1, "fan_speed": 2}
    assert echoed("plain", data)[1] == {"vendorId": "x", "fanSpeed": 2}
    seen, sent = echoed("mixin", data)
    assert seen == {"vendor_id": "x", "fanSpeed": 1, "fan_speed": 2}
    assert sent == data
    assert echoed("plain", {"vendorId": "x", "social": 1})[1] == {"vendorId": "x", "SoCial": 1}
    assert echoed("mixin", {"vendorId": "x", "social": 1})[1] == {"vendorId": "x", "social": 1}


def test_a_response_of_ours_that_is_wrong_does_not_blame_the_peer() -> None:
    @on("Heartbeat")
    def wrong(self: Any, **kwargs: Any) -> Any:
        return results.Heartbeat(current_time=7)

    plain, ours = both("2.0.1", [2, "7", "Heartbeat", {}], methods={"wrong": wrong})
    assert plain[0][2] == "TypeConstraintViolation"
    assert code(ours) == "InternalError"


def test_what_is_not_json_is_not_sent() -> None:
    @on("TransactionEvent")
    def nan(self: Any, **kwargs: Any) -> Any:
        return results.TransactionEvent(total_cost=float("nan"))

    frame = [2, "7", "TransactionEvent", EVENT]
    ((_, _, payload),) = routed("plain", "2.0.1", {"nan": nan}, frame)
    assert str(payload) == "{'totalCost': nan}"
    assert code(routed("mixin", "2.0.1", {"nan": nan}, frame)) == "InternalError"


EVENT = {
    "eventType": "Started",
    "timestamp": NOW,
    "triggerReason": "CablePluggedIn",
    "seqNo": 0,
    "transactionInfo": {"transactionId": "x"},
}


@pytest.mark.parametrize("message_id", ["x" * 37, 7, None])
def test_message_ids_have_at_most_36_characters(message_id: Any) -> None:
    plain, ours = both("2.0.1", [2, message_id, "Heartbeat", {}])
    assert plain == [[3, message_id, {"currentTime": NOW}]]
    assert [one[1:3] for one in ours] == [["-1", "RpcFrameworkError"]]


def test_a_wrong_result_is_reported_in_2_1() -> None:
    def called(side: str) -> list[Any]:
        async def work() -> list[Any]:
            wire = Wire(lambda frame: [[3, "id-0", {"surplus": 1}]] if frame[0] == 2 else [])
            made = point(make(side, "2.1", {}), wire)
            with pytest.raises(exceptions.OCPPError) as caught:
                await made.call(calls_21.Heartbeat())
            return [type(caught.value), *(frame[:3] for frame in wire.sent[1:])]

        result: list[Any] = run(work())
        return result

    plain, ours = called("plain"), called("mixin")
    assert plain == ours[:1]
    assert [frame[:2] for frame in ours[1:]] == [[5, "id-0"]]


EVENTS = {"id": 1, "pending": 0, "basetime": NOW, "data": [{"t": 0.0, "v": "1"}]}


def test_a_send_of_2_1_is_handled_and_not_answered() -> None:
    def seen(side: str) -> tuple[list[Any], list[Any]]:
        calls = []

        @on("NotifyPeriodicEventStream")
        async def stream(self: Any, **kwargs: Any) -> None:
            calls.append(kwargs)
            raise ValueError("not heard of")

        frame = [6, "7", "NotifyPeriodicEventStream", EVENTS]
        return calls, routed(side, "2.1", {"stream": stream}, frame)

    assert seen("plain") == ([], [])
    assert seen("mixin") == ([EVENTS], [])


def test_a_send_without_handler_and_a_result_error_are_logged() -> None:
    frames = [[6, "7", "NotifyPeriodicEventStream", EVENTS], [5, "7", "GenericError", "", {}]]
    assert both("2.1", *frames) == ([], [])


def test_a_timestamp_has_to_be_one() -> None:
    payload = {"timestamp": "soon", "connectorStatus": "Available", "evseId": 1, "connectorId": 1}
    plain, ours = both("2.0.1", [2, "7", "StatusNotification", payload])
    assert plain == [[3, "7", {}]]
    assert code(ours) == "PropertyConstraintViolation"


def test_validation_does_not_wait_for_a_thread() -> None:
    def steps(side: str) -> int:
        async def work() -> int:
            made = point(make(side, "2.0.1", METHODS))
            done = False
            turns = 0

            async def count() -> None:
                nonlocal turns
                while not done:
                    turns += 1
                    await asyncio.sleep(0)

            counting = asyncio.create_task(count())
            await made.route_message('[2,"7","Heartbeat",{}]')
            done = True
            await counting
            return turns

        return asyncio.run(work())

    assert steps("mixin") == 0
    assert steps("plain") > 0


def test_numbers_without_end_do_not_end_the_connection() -> None:
    number = "9" * 5000

    @on("AcmeFan", skip_schema_validation=True)
    def fan(self: Any, **kwargs: Any) -> Any:
        raise AssertionError(kwargs)

    frames = [f'[2,"7","AcmeFan",{{"a":{number}}}]', f'[3,"7",{{"a":{number}}}]']
    for frame in frames:
        with pytest.raises(ValueError, match="4300 digits"):
            routed("plain", "2.0.1", {"fan": fan}, frame)
    assert code(routed("mixin", "2.0.1", {"fan": fan}, *frames)) == "InternalError"

    async def work() -> None:
        wire = Wire(lambda frame: [f'[3,"id-0",{{"a":{number}}}]'])
        made = point(make("mixin", "2.0.1", {}), wire, response_timeout=0)
        with pytest.raises(TimeoutError):
            await made.call(calls.Heartbeat(), skip_schema_validation=True)

    run(work())


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ('[3,"id-0",{"currentTime":7}]', exceptions.TypeConstraintViolationError),
        ('[3,"id-0",{},{}]', exceptions.ProtocolError),
        ('[3,"id-0",' + "[" * 40 + "]" * 40 + "]", exceptions.OCPPError),
    ],
)
def test_a_wrong_answer_reaches_the_caller(answer: str, error: type[Exception]) -> None:
    async def work(side: str) -> None:
        made = point(make(side, "2.0.1", {}), Wire(lambda frame: [answer]), response_timeout=0.01)
        with pytest.raises(error):
            await made.call(calls.Heartbeat())

    for side in ("plain", "mixin"):
        run(work(side))
