"""The spans of calls in either direction, as the SDK of OpenTelemetry exports them."""

import asyncio
from typing import Any

import pytest

import ocppj
from ocppj import v201
from ocppj.aio import CSMS, ChargingStation
from ocppj.aio.endpoint import HandlerResponder
from tests.aio.ends import End, until
from tests.aio.wire import HEARTBEAT, UNLOCK, Central, Charger, dial

pytest.importorskip("opentelemetry.sdk.trace")

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from ocppj.aio.opentelemetry import Tracer

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Spans:
    """A tracer, and the spans that it has made."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = Tracer(self.provider)

    def finished(self) -> list[Any]:
        return list(self._exporter.get_finished_spans())

    def named(self, name: str) -> Any:
        (found,) = [span for span in self.finished() if span.name == name]
        return found


def attributes(action: str, **more: str) -> dict[str, str]:
    return {
        "rpc.system.name": "ocpp",
        "rpc.method": action,
        "ocpp.station.id": "CS-1",
        "ocpp.version": "2.0.1",
    } | {name.replace("__", "."): value for name, value in more.items()}


class Failing(Central):
    """Calls its station back, refuses, and fails; with the span that is current then."""

    def __init__(self) -> None:
        super().__init__()
        self.current: list[Any] = []

    def on_boot_notification(self, station: Any, request: Any) -> Any:
        self.current.append(trace.get_current_span())
        return super().on_boot_notification(station, request)

    async def on_data_transfer(self, station: Any, request: Any) -> Any:
        await asyncio.sleep(0)
        self.current.append(trace.get_current_span())
        await station.call(UNLOCK)
        return super().on_data_transfer(station, request)

    async def on_authorize(self, station: Any, request: Any) -> Any:
        await asyncio.sleep(0)
        raise ocppj.CallRefused("SecurityError", "not here")

    def on_status_notification(self, station: Any, request: Any) -> Any:
        raise RuntimeError("broken")


class Refusing(Charger):
    async def on_clear_cache(self, request: Any) -> Any:
        raise ocppj.CallRefused("NotSupported", "no cache")


def test_both_ends_make_a_span_of_each_call(end: End) -> None:
    ours, theirs, handler = Spans(), Spans(), Failing()

    async def main() -> None:
        csms = CSMS({"2.0.1": handler}, tracing=ours.tracer)
        station = ChargingStation("CS-1", {"2.0.1": Charger()}, tracing=theirs.tracer)
        async with end.listen(csms) as server, end.connect(station, server):
            await station.call(v201.HeartbeatRequest())
            await csms.call("CS-1", UNLOCK)

    end.run(main())
    for spans, kinds in ((ours, ("SERVER", "CLIENT")), (theirs, ("CLIENT", "SERVER"))):
        found = {span.name: span for span in spans.finished()}
        assert found.keys() == {"Heartbeat", "UnlockConnector"}
        for span, kind in zip((found["Heartbeat"], found["UnlockConnector"]), kinds, strict=True):
            assert span.kind is SpanKind[kind]
            assert span.status.status_code is StatusCode.UNSET
            assert span.end_time >= span.start_time
            assert span.parent is None
            known = dict(span.attributes)
            assert bool(known.pop("ocpp.message.id", None)) is (kind == "SERVER")
            assert known == attributes(span.name)


def test_the_span_of_a_call_is_current_in_its_handler(end: End) -> None:
    spans, handler = Spans(), Failing()

    async def main() -> None:
        csms = CSMS({"2.0.1": handler}, tracing=spans.tracer)
        async with end.listen(csms) as server, dial(server) as raw:
            raw.send([2, "1", "DataTransfer", {"vendorId": "us"}])
            unlock = await raw.message()
            raw.send([3, unlock[1], {"status": "Unlocked"}])
            assert (await raw.message())[0] == 3
            assert not trace.get_current_span().get_span_context().is_valid

    end.run(main())
    outer, inner = spans.named("DataTransfer"), spans.named("UnlockConnector")
    assert outer.attributes["ocpp.message.id"] == "1"
    assert handler.current[0].get_span_context() == outer.context
    assert inner.parent == outer.context
    assert inner.kind is SpanKind.CLIENT


def test_errors_are_in_the_spans(end: End) -> None:
    spans = Spans()

    async def main() -> None:
        csms = CSMS({"2.0.1": Failing()}, timeout=0.05, tracing=spans.tracer)
        async with end.listen(csms) as server, dial(server) as raw:
            raw.send([2, "1", "Authorize", {"idToken": {"idToken": "X", "type": "Local"}}])
            assert (await raw.message())[2] == "SecurityError"
            status = {"timestamp": "2026-01-01T00:00:00Z", "connectorStatus": "Available"}
            raw.send([2, "2", "StatusNotification", {**status, "evseId": 1, "connectorId": 1}])
            assert (await raw.message())[2] == "InternalError"
            seen = csms.stations["CS-1"]
            call = asyncio.create_task(seen.call(UNLOCK))
            raw.send([4, (await raw.message())[1], "NotSupported", "no lock", {}])
            with pytest.raises(ocppj.CallFailed):
                await call
            with pytest.raises(ocppj.CallTimeout):
                await seen.call(v201.ClearCacheRequest())

    end.run(main())
    for name, code in (
        ("Authorize", "SecurityError"),
        ("StatusNotification", "InternalError"),
        ("UnlockConnector", "NotSupported"),
    ):
        span = spans.named(name)
        assert span.status.status_code is StatusCode.ERROR
        assert span.attributes["error.type"] == code
        assert span.attributes["rpc.response.status_code"] == code
    assert spans.named("UnlockConnector").status.description == "no lock"
    (event,) = spans.named("StatusNotification").events
    assert event.attributes["exception.type"] == "RuntimeError"
    late = spans.named("ClearCache")
    assert late.attributes["error.type"] == "CallTimeout"
    assert "rpc.response.status_code" not in late.attributes


def test_a_call_that_is_cut_off_ends_its_span(end: End) -> None:
    spans, started = Spans(), asyncio.Event()

    class Slow(Central):
        async def on_heartbeat(self, station: Any, request: Any) -> Any:
            started.set()
            await asyncio.Event().wait()

    async def main() -> None:
        csms = CSMS({"2.0.1": Slow()}, tracing=spans.tracer)
        async with end.listen(csms) as server:
            async with dial(server) as raw:
                raw.send(HEARTBEAT)
                await started.wait()
            await until(spans.finished)

    end.run(main())
    assert spans.named("Heartbeat").attributes["error.type"] == "CancelledError"


@pytest.mark.parametrize("given", [None, "", "00-0-0-0", "ff" + PARENT[2:], "x" * 4000, "é"])
def test_an_invalid_traceparent_changes_nothing(given: str | None) -> None:
    tracer = Spans().tracer
    with tracer.continued(given):
        assert tracer.traceparent() is None
    with tracer.continued(PARENT):
        assert tracer.traceparent() == PARENT
        with tracer.continued(given):
            assert tracer.traceparent() == PARENT
    assert tracer.traceparent() is None


def test_without_tracing_the_responder_is_that_of_the_handlers() -> None:
    def responder(**options: Any) -> type:
        csms = CSMS({"2.0.1": Central()}, **options)
        return type(csms._endpoints["ocpp2.0.1"].responder)

    assert responder() is HandlerResponder
    assert responder(tracing=Spans().tracer) is not HandlerResponder
