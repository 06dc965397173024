"""Traces and metrics of endpoints for OpenTelemetry (extra `otel`).

Spans have the names and attributes of the semantic conventions for RPC: the name is the action, and
`rpc.system.name` is `ocpp`. `ocpp.station.id`, `ocpp.version` and `ocpp.message.id` are ours.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeAlias

try:
    from opentelemetry.context import attach, detach, get_current
    from opentelemetry.metrics import Counter, MeterProvider, UpDownCounter, get_meter
    from opentelemetry.trace import (
        Span,
        SpanKind,
        StatusCode,
        TracerProvider,
        get_tracer,
        use_span,
    )
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
except ModuleNotFoundError as error:
    problem = f"{error.name} is not installed: pip install 'ocppj[otel]'"
    raise ModuleNotFoundError(problem, name=error.name) from error

from ocppj.aio.endpoint import Responder
from ocppj.aio.link import outcome_of
from ocppj.aio.series import (
    CALL_SECONDS,
    CONNECTIONS,
    FRAMES,
    SECONDS,
    VIOLATIONS,
    Counting,
    Series,
)
from ocppj.codec import Codec
from ocppj.errors import CallFailed
from ocppj.frames import Call, Send
from ocppj.handlers import OnError
from ocppj.session import Session

__all__ = ["OpenTelemetry", "Tracer"]

TRACEPARENT: Final = "traceparent"
HEADER: Final = TRACEPARENT.encode()
Application: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]
"""An ASGI application."""


class OpenTelemetry(Counting):
    """Count frames, violations, latencies and connections: `CSMS(..., metrics=OpenTelemetry())`.

    The instruments have the names and the labels that `ocppj.aio.prometheus.Prometheus` has; an
    exporter for Prometheus adds `_total` to the counters. One object may serve several endpoints.

    Args:
        codecs: their actions become labels; others are counted with an empty action.
        meter_provider: the global one by default.
    """

    def __init__(self, *codecs: Codec, meter_provider: MeterProvider | None = None) -> None:
        super().__init__(*codecs)
        meter = get_meter("ocppj", meter_provider=meter_provider)
        self._numbers: dict[Series, Counter | UpDownCounter] = {
            FRAMES: meter.create_counter(FRAMES.name, "{frame}", FRAMES.description),
            VIOLATIONS: meter.create_counter(
                VIOLATIONS.name, "{violation}", VIOLATIONS.description
            ),
            CONNECTIONS: meter.create_up_down_counter(
                CONNECTIONS.name, "{connection}", CONNECTIONS.description
            ),
        }
        self._seconds = meter.create_histogram(
            CALL_SECONDS.name,
            "s",
            CALL_SECONDS.description,
            explicit_bucket_boundaries_advisory=SECONDS,
        )

    def _add(self, series: Series, amount: int, *labels: str) -> None:
        self._numbers[series].add(amount, dict(zip(series.labels, labels, strict=True)))

    def _observe(self, series: Series, seconds: float, *labels: str) -> None:
        self._seconds.record(seconds, dict(zip(series.labels, labels, strict=True)))


class Tracer:
    """Makes a span of each call, in either direction: `CSMS(..., tracing=Tracer())`.

    A span of our call has kind CLIENT and ends with the response. A span of the peer's call has
    kind SERVER, is current while the handler runs, and ends with the answer. A CALLERROR sets the
    status ERROR, and its code is `error.type` and `rpc.response.status_code`. A SEND has no span.

    In a fleet, pass it to `ocppj.fleet.connect`: traces then go on in other processes.

    Args:
        tracer_provider: the global one by default.
    """

    def __init__(self, tracer_provider: TracerProvider | None = None) -> None:
        self._tracer = get_tracer("ocppj", tracer_provider=tracer_provider)
        self._propagator = TraceContextTextMapPropagator()

    def start(
        self,
        kind: SpanKind,
        station_id: str,
        version: str,
        action: str,
        message_id: str | None = None,
    ) -> Span:
        """Start a span, which does not become the current one."""
        attributes = {
            "rpc.system.name": "ocpp",
            "rpc.method": action,
            "ocpp.station.id": station_id,
            "ocpp.version": version,
        }
        if message_id is not None:
            attributes["ocpp.message.id"] = message_id
        return self._tracer.start_span(action, kind=kind, attributes=attributes)

    @contextmanager
    def call(self, station_id: str, version: str, action: str) -> Iterator[None]:
        """See `ocppj.aio.Tracing.call`."""
        span = self.start(SpanKind.CLIENT, station_id, version, action)
        try:
            with _current(span):
                yield
        except CallFailed as error:
            _fail(span, error.error_code, error.error_description, answered=True)
            raise
        except BaseException as error:
            _fail(span, type(error).__qualname__, str(error))
            raise
        finally:
            span.end()

    def responder(self, responder: Responder) -> Responder:
        """See `ocppj.aio.Tracing.responder`."""
        return _Responder(self, responder)

    @contextmanager
    def continued(self, traceparent: str | None) -> Iterator[None]:
        """See `ocppj.aio.Tracing.continued`."""
        carrier = {} if traceparent is None else {TRACEPARENT: traceparent}
        token = attach(self._propagator.extract(carrier, get_current()))
        try:
            yield
        finally:
            detach(token)

    def http(self, application: Application) -> Application:
        """Return an ASGI application that continues the traces of HTTP requests.

        It reads the header `traceparent`, and makes no span itself.
        """

        async def traced(scope: Any, receive: Any, send: Any) -> None:
            found = [value for name, value in scope.get("headers", ()) if name == HEADER]
            header = found[0].decode("latin-1") if len(found) == 1 else None
            with self.continued(header):
                await application(scope, receive, send)

        return traced

    def traceparent(self) -> str | None:
        """See `ocppj.aio.Tracing.traceparent`."""
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier)
        return carrier.get(TRACEPARENT)


class _Responder:
    """Makes a span of each call that another responder answers."""

    def __init__(self, tracer: Tracer, responder: Responder) -> None:
        self._tracer = tracer
        self._responder = responder

    def answer(
        self, session: Session, call: Call[Any], data: bytes, owner: Any, on_error: OnError
    ) -> bytes | Awaitable[bytes]:
        span = self._tracer.start(
            SpanKind.SERVER, owner.id, session.codec.version, call.action, call.message_id
        )

        def report(message: Call[Any] | Send[Any], error: Exception) -> None:
            span.record_exception(error)
            on_error(message, error)

        try:
            with _current(span):
                answer = self._responder.answer(session, call, data, owner, report)
        except BaseException as error:
            _fail(span, type(error).__qualname__)
            span.end()
            raise
        if isinstance(answer, bytes):
            _end(span, answer)
            return answer
        return self._finish(span, answer)

    async def _finish(self, span: Span, answer: Awaitable[bytes]) -> bytes:
        try:
            with _current(span):
                data = await answer
        except BaseException as error:  # the connection has ended, for instance
            _fail(span, type(error).__qualname__)
            span.end()
            raise
        _end(span, data)
        return data

    def notify(
        self, send: Send[Any], data: bytes, owner: Any, on_error: OnError
    ) -> Awaitable[None] | None:
        return self._responder.notify(send, data, owner, on_error)


def _current(span: Span) -> Any:
    """Return a context in which a span is current; what is raised in it is not recorded twice."""
    return use_span(span, record_exception=False, set_status_on_exception=False)


def _fail(span: Span, problem: str, description: str = "", *, answered: bool = False) -> None:
    span.set_attribute("error.type", problem)
    if answered:
        span.set_attribute("rpc.response.status_code", problem)
    span.set_status(StatusCode.ERROR, description or None)


def _end(span: Span, answer: bytes) -> None:
    if code := outcome_of(answer):
        _fail(span, code, answered=True)
    span.end()
