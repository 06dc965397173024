"""Handler methods: what they may return and raise, and how the call is answered."""

import asyncio
import json
from collections.abc import Awaitable, Iterator
from functools import wraps
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import pytest

import ocppj
from ocppj import v16, v21, v201
from tests.conftest import PACKAGES, VERSIONS
from tests.test_session import FREE, SEND, FanRequest, FanResponse, make, response, vendor

SECRET = "the password is 1234"


class Errors(list[tuple[Any, Exception]]):
    """Records the calls of `on_error`."""

    def __call__(self, frame: Any, error: Exception) -> None:
        self.append((frame, error))


def answer(
    method: Any,
    errors: Errors | None = None,
    *,
    session: ocppj.Session | None = None,
    call: str = '[2,"i","Heartbeat",{}]',
    context: tuple[Any, ...] = (),
    name: str = "on_heartbeat",
) -> list[Any]:
    """Return the frame that answers a call to a method of a handler."""
    session = session or make()
    handler = type("Handler", (), {name: staticmethod(method)})()
    handlers = ocppj.Handlers(handler, session.codec)
    given = session.receive(call)
    assert isinstance(given, ocppj.Call)
    told = Errors() if errors is None else errors
    data = handlers.answer(session, given, context, told)
    if not isinstance(data, bytes):
        data = asyncio.run(finished(data))
    assert not session.handling
    assert errors is not None or not told
    assert all(frame is given for frame, _ in told)
    frame: list[Any] = json.loads(data)
    if session.codec.policy == ocppj.Policy():
        session.codec.decode(data, {"i": given.action})
    return frame


async def finished(data: Awaitable[Any]) -> Any:
    return await data


def heartbeat(*_: Any) -> Any:
    return response("2.0.1", "Heartbeat")


def returning(value: Any) -> Any:
    return lambda *_: value


def raising(error: BaseException) -> Any:
    def method(*_: Any) -> Any:
        raise error

    return method


def later(method: Any) -> Any:
    """Return the asynchronous form of a method."""

    async def on(*arguments: Any) -> Any:
        await asyncio.sleep(0)
        return method(*arguments)

    return on


class Eventually:
    """An awaitable that is not a coroutine."""

    def __init__(self, method: Any, *_: Any) -> None:
        self.method = method

    def __await__(self) -> Iterator[Any]:
        yield
        return self.method()


FORMS = {
    "sync": lambda method: method,
    "async": later,
    "awaitable": lambda method: lambda *_: Eventually(method),
}
every_form = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)

GOOD = [3, "i", {"currentTime": "2026-01-31T12:00:00Z"}]
BROKEN = [4, "i", "InternalError", "", {}]


@every_form
def test_a_method_answers(form: Any) -> None:
    assert answer(form(heartbeat)) == GOOD


@pytest.mark.parametrize("version", VERSIONS)
def test_a_method_answers_in_every_version(version: str) -> None:
    session = make(version)
    assert answer(returning(response(version, "Heartbeat")), session=session)[:2] == [3, "i"]


def test_a_method_gets_the_context_and_the_request() -> None:
    seen: list[Any] = []

    def method(*arguments: Any) -> Any:
        seen.extend(arguments)
        return heartbeat()

    assert answer(method, context=("CS-1", 5)) == GOOD
    assert seen == ["CS-1", 5, v201.HeartbeatRequest()]


@pytest.mark.parametrize("name", ["on_reset", "heartbeat", "handle"])
def test_without_a_method_it_is_not_supported(name: str) -> None:
    assert answer(heartbeat, name=name) == [
        4,
        "i",
        "NotSupported",
        "Heartbeat is not supported",
        {},
    ]


@pytest.mark.parametrize("off", [None, 5])
def test_a_method_may_be_switched_off(off: Any) -> None:
    class Base:
        def on_heartbeat(self, station: Any, request: Any) -> Any:
            return heartbeat()

    class Handler(Base):
        on_heartbeat = off

    session = make()
    handlers = ocppj.Handlers(Handler(), session.codec)
    call: Any = session.receive('[2,"i","Heartbeat",{}]')
    data = handlers.answer(session, call, (), Errors())
    assert json.loads(data)[2] == "NotSupported"


@every_form
def test_a_method_may_raise_call_refused(form: Any) -> None:
    refusal = ocppj.CallRefused("SecurityError", "go away", {"a": [None, 1]})
    assert answer(form(raising(refusal))) == [4, "i", "SecurityError", "go away", {"a": [None, 1]}]
    bare = ocppj.CallRefused("GenericError")
    assert answer(form(raising(bare))) == [4, "i", "GenericError", "", {}]


@pytest.mark.parametrize(
    ("version", "code", "answered"),
    [
        ("1.6", "FormationViolation", "FormationViolation"),
        ("1.6", "FormatViolation", "InternalError"),
        ("2.0.1", "FormationViolation", "InternalError"),
        ("2.1", "FormatViolation", "FormatViolation"),
    ],
)
def test_the_code_is_the_versions(version: str, code: str, answered: str) -> None:
    errors = Errors()
    frame = answer(raising(ocppj.CallRefused(code, "d")), errors, session=make(version))
    assert frame[2] == answered
    assert len(errors) == (code != answered)


@every_form
@pytest.mark.parametrize(
    "refusal",
    [
        ocppj.CallRefused("Nope", SECRET),
        ocppj.CallRefused("", SECRET),
        ocppj.CallRefused(404, SECRET),
        ocppj.CallRefused("GenericError", 5),
        ocppj.CallRefused("GenericError", SECRET, {"a": object()}),
        ocppj.CallRefused("GenericError", SECRET, {5: 5}),
        ocppj.CallRefused("GenericError", "\ud800"),
        ocppj.CallRefused("GenericError", SECRET, {"a": 2**70}),
    ],
    ids=str,
)
def test_an_invalid_call_refused_is_reported_only_to_us(form: Any, refusal: Any) -> None:
    errors = Errors()
    assert answer(form(raising(refusal)), errors) == BROKEN
    ((_, error),) = errors
    assert isinstance(error, ocppj.EncodeError)
    assert error.__cause__ is refusal


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError(SECRET)


@every_form
@pytest.mark.parametrize(
    "fault",
    [
        ValueError(SECRET),
        KeyError(SECRET),
        Unprintable(),
        TimeoutError(SECRET),
        StopIteration(SECRET),
        ocppj.CallFailed("SecurityError", SECRET),
        ocppj.EncodeError(SECRET, "$.secret"),
        ocppj.LocalProtocolError(SECRET),
        ExceptionGroup(SECRET, [ocppj.CallRefused("GenericError", SECRET)]),
    ],
    ids=lambda fault: type(fault).__name__,
)
@pytest.mark.parametrize("version", VERSIONS)
def test_other_exceptions_do_not_leak(form: Any, fault: Exception, version: str) -> None:
    errors = Errors()
    assert answer(form(raising(fault)), errors, session=make(version)) == BROKEN
    ((_, error),) = errors
    assert error is fault or error.__cause__ is fault  # Python wraps StopIteration


@every_form
@pytest.mark.parametrize(
    "wrong",
    [
        None,
        b"{}",
        {"currentTime": "2026-01-31T12:00:00Z"},
        v201.HeartbeatRequest(),
        v16.HeartbeatResponse(current_time=heartbeat().current_time),
        v201.HeartbeatResponse(current_time=heartbeat().current_time.replace(tzinfo=None)),
        v201.HeartbeatResponse(current_time=SECRET),
    ],
    ids=lambda wrong: type(wrong).__name__,
)
def test_an_invalid_response_is_not_sent(form: Any, wrong: Any) -> None:
    errors = Errors()
    assert answer(form(returning(wrong)), errors) == BROKEN
    ((_, error),) = errors
    assert isinstance(error, ocppj.EncodeError)
    assert str(error.path).startswith("$")


def test_a_response_beyond_its_bounds_is_not_sent() -> None:
    errors = Errors()
    beyond = v201.DataTransferResponse(
        status=v201.DataTransferStatusEnumType.ACCEPTED,
        status_info=v201.StatusInfoType(reason_code="x" * 21),
    )
    call = '[2,"i","DataTransfer",{"vendorId":"v"}]'
    assert answer(returning(beyond), errors, call=call, name="on_data_transfer") == BROKEN
    ((_, error),) = errors
    assert isinstance(error, ocppj.EncodeError)
    assert error.path == "$.statusInfo.reasonCode"


@every_form
@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, asyncio.CancelledError])
def test_a_base_exception_propagates_and_the_call_can_be_answered(form: Any, kind: Any) -> None:
    session = make()
    handler = type("Handler", (), {"on_heartbeat": staticmethod(form(raising(kind())))})()
    handlers = ocppj.Handlers(handler, session.codec)
    call: Any = session.receive('[2,"i","Heartbeat",{}]')
    errors = Errors()
    with pytest.raises(kind):
        drive(handlers.answer(session, call, (), errors))
    assert errors == []
    assert json.loads(session.fail(call, "InternalError")) == BROKEN


def drive(awaitable: Any) -> Any:
    """Run an awaitable without an event loop, which handles these exceptions itself."""
    steps = awaitable.__await__()
    try:
        while True:
            next(steps)
    except StopIteration as done:
        return done.value


def test_a_call_with_a_long_id_is_always_answered() -> None:
    long = "i" * 50
    call = f'[2,"{long}","Heartbeat",{{"x":1}}]'
    for method, expected in (
        (heartbeat, [3, long, GOOD[2]]),
        (returning(None), [4, long, *BROKEN[2:]]),
        (raising(ValueError()), [4, long, *BROKEN[2:]]),
        (raising(ocppj.CallRefused("Nope")), [4, long, *BROKEN[2:]]),
        (raising(ocppj.CallRefused("GenericError")), [4, long, "GenericError", "", {}]),
    ):
        session = ocppj.Session(ocppj.Codec("2.0.1", policy=FREE), "csms")
        assert answer(method, Errors(), session=session, call=call) == expected


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("on_bootnotification", "do you mean on_boot_notification?"),
        ("on_BootNotification", "do you mean on_boot_notification?"),
        ("on_heart_beat", "do you mean on_heartbeat?"),
        ("on_remote_start_transaction", "do you mean on_request_start_transaction?"),
    ],
)
def test_a_misspelt_method_is_an_error_with_a_hint(name: str, hint: str) -> None:
    handler = type("Mine", (), {name: heartbeat})()
    with pytest.raises(
        ValueError, match=rf"Mine\.{name} answers no action of OCPP 2.0.1"
    ) as caught:
        ocppj.Handlers(handler, make().codec)
    assert str(caught.value).endswith(hint)


def test_an_unknown_method_without_a_similar_name_gets_no_hint() -> None:
    handler = type("Mine", (), {"on_zzz": heartbeat})()
    with pytest.raises(ValueError, match=r"on_zzz answers no action of OCPP 2\.0\.1$"):
        ocppj.Handlers(handler, make().codec)


def test_others_may_begin_with_on() -> None:
    handler = type("Mine", (), {"on_connect": heartbeat, "on_close": heartbeat, "on_time": 5})()
    ocppj.Handlers(handler, make().codec, iter(["on_close", "on_connect"]))
    with pytest.raises(ValueError, match="on_connect"):
        ocppj.Handlers(handler, make().codec, ["on_close"])


class Declared(v201.remote_control.ChargingStationHandler):
    def on_unlock_connector(self, station: Any, request: Any) -> Any:
        return v201.UnlockConnectorResponse(status=v201.UnlockStatusEnumType.UNLOCKED)


@pytest.mark.parametrize("action", ["UnlockConnector", "TriggerMessage"])
def test_a_method_that_is_only_declared_answers_not_supported(action: str) -> None:
    session = ocppj.Session(ocppj.Codec("2.0.1"), "charging_station")
    handlers = ocppj.Handlers(Declared(), session.codec, role=session.role)
    payload = {
        "UnlockConnector": '{"evseId":1,"connectorId":1}',
        "TriggerMessage": '{"requestedMessage":"Heartbeat"}',
    }
    call: Any = session.receive(f'[2,"i","{action}",{payload[action]}]')
    data: Any = handlers.answer(session, call, ("CS-1",), Errors())
    own = action == "UnlockConnector"
    assert json.loads(data)[2] == ({"status": "Unlocked"} if own else "NotSupported")


class Narrowed(v201.remote_control.ChargingStationHandler):
    def on_trigger_message(self, request: v201.TriggerMessageRequest, /) -> Any:
        if request.requested_message == "Heartbeat":
            return v201.TriggerMessageResponse(status=v201.TriggerMessageStatusEnumType.ACCEPTED)
        return super().on_trigger_message(request)


@pytest.mark.parametrize(
    ("message", "expected"), [("Heartbeat", "Accepted"), ("BootNotification", "NotSupported")]
)
def test_a_declared_method_raises_call_refused(message: str, expected: str) -> None:
    session = ocppj.Session(ocppj.Codec("2.0.1"), "charging_station")
    handlers = ocppj.Handlers(Narrowed(), session.codec, role=session.role)
    call: Any = session.receive(f'[2,"i","TriggerMessage",{{"requestedMessage":"{message}"}}]')
    data: Any = handlers.answer(session, call, (), Errors())
    if expected == "NotSupported":
        assert json.loads(data)[2:4] == [expected, "TriggerMessage is not supported"]
    else:
        assert json.loads(data)[2] == {"status": expected}


def test_a_declared_method_may_be_set_on_the_object() -> None:
    handler: Any = Declared()
    handler.on_trigger_message = heartbeat
    handlers = ocppj.Handlers(handler, make().codec)
    assert set(handlers._methods) == {"UnlockConnector", "TriggerMessage"}


def test_declared_methods_of_blocks_left_out_are_no_error() -> None:
    codec = ocppj.Codec("2.0.1", profiles=[v201.availability.PROFILE])
    handler = type("Mine", (v201.remote_control.ChargingStationHandler,), {})()
    assert ocppj.Handlers(handler, codec)._methods == {}


def test_a_method_for_what_the_other_side_receives_is_an_error() -> None:
    codec = make().codec
    handler = type("Mine", (), {"on_clear_cache": heartbeat, "on_data_transfer": heartbeat})()
    ocppj.Handlers(handler, codec)
    ocppj.Handlers(handler, codec, role="charging_station")
    problem = r"^Mine\.on_clear_cache: ClearCache is sent by the csms, not to it$"
    with pytest.raises(ValueError, match=problem):
        ocppj.Handlers(handler, codec, role="csms")


def test_a_method_needs_only_one_action_that_the_role_receives() -> None:
    codec = vendor(
        ocppj.Feature("Fan", FanRequest, FanResponse, "csms", "on_fan"),
        ocppj.Feature("Turbo", FanRequest, FanResponse, "charging_station", "on_fan"),
    )
    ocppj.Handlers(type("Mine", (), {"on_fan": heartbeat})(), codec, role="csms")


def test_a_class_as_handler_is_an_error() -> None:
    with pytest.raises(TypeError, match=r"^Declared is a class: make an instance of it$"):
        ocppj.Handlers(Declared, make().codec)


@pytest.mark.parametrize("method", ["", "on_acme_fan", "fan", "on_reset"])
def test_vendors_name_their_methods(method: str) -> None:
    codec = vendor(ocppj.Feature("AcmeFan", FanRequest, FanResponse, "csms", method))
    session = ocppj.Session(codec, "charging_station")
    frame = answer(
        returning(FanResponse(note="n")),
        session=session,
        call='[2,"i","AcmeFan",{"speed":1}]',
        name=method or "on_AcmeFan",
    )
    assert frame == [3, "i", {"note": "n"}]


def test_two_actions_may_have_one_method() -> None:
    codec = vendor(
        ocppj.Feature("Fan", FanRequest, FanResponse, "csms", "on_fan"),
        ocppj.Feature("Turbo", FanRequest, FanResponse, "csms", "on_fan"),
    )
    for action in ("Fan", "Turbo"):
        session = ocppj.Session(codec, "charging_station")
        call = f'[2,"i","{action}",{{"speed":1}}]'
        method = returning(FanResponse(note="n"))
        assert answer(method, session=session, call=call, name="on_fan") == [3, "i", {"note": "n"}]


def notified(method: Any, name: str = "on_notify_periodic_event_stream") -> tuple[Any, Errors]:
    """Return the result of `notify` for a SEND, and the errors."""
    session, errors = make("2.1"), Errors()
    handlers = ocppj.Handlers(type("H", (), {name: staticmethod(method)})(), session.codec)
    send = session.receive(SEND)
    assert isinstance(send, ocppj.Send)
    done = handlers.notify(send, ("CS-1",), errors)
    if done is not None:
        assert asyncio.run(finished(done)) is None
    assert all(frame is send for frame, _ in errors)
    return done, errors


@every_form
def test_a_send_has_a_method_and_no_answer(form: Any) -> None:
    seen: list[Any] = []
    done, errors = notified(form(lambda *arguments: seen.append(arguments)))
    assert errors == []
    assert (done is None) == (form is FORMS["sync"])
    assert len(seen) == 1


def test_a_send_gets_the_context_and_the_request() -> None:
    seen: list[Any] = []
    notified(lambda *arguments: seen.extend(arguments))
    assert seen[0] == "CS-1"
    assert isinstance(seen[1], v21.NotifyPeriodicEventStreamRequest)


@every_form
@pytest.mark.parametrize("fault", [ValueError(SECRET), ocppj.CallRefused("GenericError")])
def test_an_exception_of_the_method_of_a_send_is_reported_to_us(
    form: Any, fault: Exception
) -> None:
    _, errors = notified(form(raising(fault)))
    assert [error for _, error in errors] == [fault]


def test_a_send_without_a_method_is_dropped() -> None:
    assert notified(raising(ValueError()), "on_heartbeat") == (None, [])


@pytest.mark.parametrize("version", VERSIONS)
def test_the_protocols_have_the_methods_of_the_features(version: str) -> None:
    package = PACKAGES[version]
    methods: dict[str, set[str]] = {"CSMSHandler": set(), "ChargingStationHandler": set()}
    for found in iter_modules(package.__path__):
        module = import_module(f"{package.__name__}.{found.name}")
        for name in methods:
            own = {n for n in vars(getattr(module, name, object)) if n.startswith("on_")}
            peer = "charging_station" if name == "CSMSHandler" else "csms"
            features = module.PROFILE.features if hasattr(module, "PROFILE") else ()
            assert own == {f.method for f in features if f.sender in (peer, "both")}, module
            methods[name] |= own
    features = [f for profile in package.PROFILES for f in profile.features]
    names = {f.method for f in features}
    assert methods["CSMSHandler"] | methods["ChargingStationHandler"] == names
    assert len(names) == len(features)


class Central:
    def on_heartbeat(self, station: Any, request: v201.HeartbeatRequest) -> Any:
        return heartbeat()


class Quoted:
    def on_heartbeat(self, station: "Unimportable", request: "v201.HeartbeatRequest") -> Any:  # type: ignore[name-defined]  # noqa: F821  what only a type checker knows
        return heartbeat()


class Wrapped:
    @wraps(Central.on_heartbeat)
    def on_heartbeat(self, *arguments: Any) -> Any:
        return heartbeat()


class Either:
    def on_heartbeat(
        self, station: Any, request: v16.HeartbeatRequest | v201.HeartbeatRequest, more: int = 0
    ) -> Any:
        return heartbeat()


@pytest.mark.parametrize("cls", [Central, Quoted, Wrapped, Either])
def test_a_handler_for_another_version_is_an_error(cls: type) -> None:
    ocppj.Handlers(cls(), ocppj.Codec("2.0.1"), role="csms")
    with pytest.raises(TypeError) as caught:
        ocppj.Handlers(cls(), ocppj.Codec("2.1"))
    annotated = "ocppj.v201.availability.HeartbeatRequest"
    if cls is Either:
        annotated = f"ocppj.v16.core.HeartbeatRequest | {annotated}"
    assert str(caught.value) == (
        f"{cls.__name__}.on_heartbeat expects {annotated}, but the request of Heartbeat in OCPP "
        "2.1 is ocppj.v21.availability.HeartbeatRequest"
    )


def test_a_method_for_the_request_of_another_action_is_an_error() -> None:
    class Mixed:
        def on_heartbeat(self, station: Any, request: v201.BootNotificationRequest) -> Any: ...

    with pytest.raises(
        TypeError, match=r"^Mixed\.on_heartbeat expects .*BootNotificationRequest, "
    ):
        ocppj.Handlers(Mixed(), ocppj.Codec("2.0.1"))


def test_annotations_that_say_nothing_of_the_version_are_no_error() -> None:
    class Open:
        def on_heartbeat(self, station: Any, request: ocppj.Message) -> Any: ...
        def on_status_notification(self, station: Any, request: object) -> Any: ...
        def on_data_transfer(self, *arguments: v16.DataTransferRequest) -> Any: ...
        def on_authorize(self, request: "Unimportable") -> Any: ...  # type: ignore[name-defined]  # noqa: F821  what only a type checker knows
        def on_notify_event(self) -> Any: ...

    assert len(ocppj.Handlers(Open(), ocppj.Codec("2.0.1"))._methods) == 5


def test_a_method_is_checked_only_for_actions_that_reach_it() -> None:
    class Mine:
        def on_fan(self, request: FanRequest) -> Any: ...

    codec = vendor(
        ocppj.Feature("Fan", v201.HeartbeatRequest, FanResponse, "csms", "on_fan"),
        ocppj.Feature("Turbo", FanRequest, FanResponse, "charging_station", "on_fan"),
    )
    ocppj.Handlers(Mine(), codec, role="csms")
    with pytest.raises(TypeError, match="the request of Fan"):
        ocppj.Handlers(Mine(), codec)


def test_handlers_show_their_actions() -> None:
    codec = make().codec
    assert repr(ocppj.Handlers(Central(), codec)) == "<Handlers of Central for Heartbeat>"
    assert repr(ocppj.Handlers(object(), codec)) == "<Handlers of object for no action>"
