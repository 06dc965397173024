"""A trace goes on across the broker: from whoever calls to the station's answer, and back."""

from itertools import pairwise
from typing import Any

import pytest

from tests.aio.ends import End
from tests.fleet.parts import BOOT, UNLOCK, Central, system
from tests.fleet.server import NatsServer

pytest.importorskip("opentelemetry.sdk.trace")

from opentelemetry.trace import SpanKind

from tests.aio.test_opentelemetry import PARENT, Spans

TRACE_ID = int(PARENT.split("-")[1], 16)


def named(spans: Spans, name: str, kind: SpanKind) -> Any:
    (found,) = [one for one in spans.finished() if one.name == name and one.kind is kind]
    return found


def test_a_command_is_one_trace(nats: NatsServer, prefix: str, end: End) -> None:
    node_spans, caller_spans = Spans(), Spans()

    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            broker = await parts.broker(tracing=node_spans.tracer)
            node = await parts.gateway(broker=broker)
            await parts.station(node)
            fleet = await parts.fleet(tracing=caller_spans.tracer)
            with caller_spans.tracer.continued(PARENT):  # the header of an HTTP request
                assert (await fleet.call("CS-1", UNLOCK)).status.value == "Unlocked"

    end.run(main())
    asked = named(caller_spans, "UnlockConnector", SpanKind.CLIENT)
    called = named(node_spans, "UnlockConnector", SpanKind.CLIENT)
    assert asked.parent.span_id == int(PARENT.split("-")[2], 16)
    assert called.parent.span_id == asked.context.span_id
    assert called.context.trace_id == asked.context.trace_id == TRACE_ID


@pytest.mark.parametrize("headers", [[PARENT], [PARENT] * 2])
def test_a_trace_reaches_from_the_http_request_to_the_stations_answer(
    nats: NatsServer, prefix: str, end: End, headers: list[str]
) -> None:
    httpx = pytest.importorskip("httpx")
    pytest.importorskip("starlette")
    from ocppj.web import application  # noqa: PLC0415  after the skip

    node_spans, web_spans = Spans(), Spans()

    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            node = await parts.gateway(broker=await parts.broker(tracing=node_spans.tracer))
            await parts.station(node)
            fleet = await parts.fleet(tracing=web_spans.tracer)
            app = web_spans.tracer.http(application(fleet))
            url = "http://127.0.0.1/stations/CS-1/calls/UnlockConnector"
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
                answer = await client.post(
                    url,
                    json={"evseId": 1, "connectorId": 1},
                    headers=[("traceparent", one) for one in headers],
                )
            assert answer.json() == {"status": "Unlocked"}, answer.text

    end.run(main())
    asked = named(web_spans, "UnlockConnector", SpanKind.CLIENT)
    called = named(node_spans, "UnlockConnector", SpanKind.CLIENT)
    assert called.parent.span_id == asked.context.span_id
    # Two headers are not valid: see W3C Trace Context.
    assert (called.context.trace_id == TRACE_ID) is (len(headers) == 1)


def test_a_call_of_a_station_is_one_trace_up_to_the_worker_and_what_it_calls(
    nats: NatsServer, prefix: str, end: End
) -> None:
    node_spans, worker_spans = Spans(), Spans()

    class Curious(Central):
        async def on_boot_notification(self, station: Any, request: Any) -> Any:
            await station.call(UNLOCK)
            return super().on_boot_notification(station, request)

    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            node = await parts.gateway(broker=await parts.broker(tracing=node_spans.tracer))
            await parts.worker(Curious(), broker=await parts.broker(tracing=worker_spans.tracer))
            station = await parts.station(node)
            await station.call(BOOT)

    end.run(main())
    received = named(node_spans, "BootNotification", SpanKind.SERVER)
    handled = named(worker_spans, "BootNotification", SpanKind.SERVER)
    asked = named(worker_spans, "UnlockConnector", SpanKind.CLIENT)
    called = named(node_spans, "UnlockConnector", SpanKind.CLIENT)
    chain = [received, handled, asked, called]
    assert received.parent is None
    for parent, child in pairwise(chain):
        assert child.parent.span_id == parent.context.span_id
    assert len({span.context.trace_id for span in chain}) == 1


def test_one_process_may_trace_without_the_others(nats: NatsServer, prefix: str, end: End) -> None:
    spans = Spans()

    async def main() -> None:
        async with system(nats.url, prefix, end) as parts:
            node = await parts.gateway()
            await parts.worker(broker=await parts.broker(tracing=spans.tracer))
            station = await parts.station(node)
            await station.call(BOOT)
            fleet = await parts.fleet(tracing=spans.tracer)
            await fleet.call("CS-1", UNLOCK)

    end.run(main())
    assert [(one.name, one.parent) for one in spans.finished()] == [
        ("BootNotification", None),
        ("UnlockConnector", None),
    ]
