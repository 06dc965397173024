"""Shows the traffic of an endpoint: a transport that wraps another one.

Owns how a frame is shown. Knows nothing of sessions or handlers: it decodes frames itself.
"""

import shutil
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final, NamedTuple

import msgspec

from ocppj.aio.metrics import Direction
from ocppj.aio.security import Admission, Handshake
from ocppj.aio.transport import (
    Acceptor,
    Attach,
    Listening,
    Receiver,
    Transport,
    TransportModule,
)
from ocppj.catalog import Version
from ocppj.cli.demo.screen import Colour, Screen
from ocppj.cli.terminal import inline_json, shortened
from ocppj.codec import Codec
from ocppj.errors import DecodeError
from ocppj.frames import CALL, CALLERROR, CALLRESULT, CALLRESULTERROR, SEND, Frame

__all__ = ["Traffic", "TrafficEvent"]

WIDTH: Final = 160
"""Width of a line if stdout is not a terminal."""

MIN_WIDTH: Final = 40
MAX_CALLS: Final = 64
"""Maximum number of pending calls whose action is kept, to show it with the answer."""

ARROWS: Final[Mapping[Direction, str]] = {"in": "<-", "out": "->"}
COLOURS: Final[Mapping[str, Colour]] = {
    "call": "cyan",
    "send": "cyan",
    "result": "green",
    "error": "red",
    "invalid": "red",
    "kept": "grey",
}
PAYLOADS: Final = ("call", "kept", "result", "send")
HIDDEN_FIELD: Final = "timestamp"
"""Not shown of a payload: the line has the time."""

LABELS: Final = {
    CALL: "call",
    CALLRESULT: "result",
    CALLERROR: "error",
    CALLRESULTERROR: "error",
    SEND: "send",
}


class TrafficEvent(NamedTuple):
    """A frame that was received or sent, or that waits in an outbox.

    Attributes:
        station_id: of the station.
        direction: received or sent.
        label: call, result, error or send; invalid if it cannot be decoded; kept if it waits.
        action: of the call, or of the call that is answered; `"?"` if it is not known.
        text: the payload in JSON, or what is wrong.
    """

    station_id: str
    direction: Direction
    label: str
    action: str
    text: str


class Traffic:
    """A transport that wraps another one and shows its traffic.

    Args:
        transport: the other transport.
        codecs: of the supported versions.
        screen: shows the traffic.
        station_id: of the station that connects; not for a CSMS.
        note: called with each frame.
    """

    def __init__(
        self,
        transport: TransportModule,
        codecs: Iterable[Codec],
        screen: Screen,
        *,
        station_id: str = "",
        note: Callable[[TrafficEvent], None] | None = None,
    ) -> None:
        self._transport = transport
        self._codecs = {Version.named(codec.version).subprotocol: codec for codec in codecs}
        self._screen = screen
        self._station_id = station_id
        self._note = note

    async def serve(
        self, acceptor: Acceptor, host: str | Sequence[str] | None, port: int, **options: Any
    ) -> Listening:
        """Listen: see `ocppj.aio.transport.TransportModule`."""
        return await self._transport.serve(_ShownAcceptor(acceptor, self), host, port, **options)

    async def connect(
        self, url: str, subprotocols: Sequence[str], attach: Attach, **options: Any
    ) -> Awaitable[None]:
        """Connect: see `ocppj.aio.transport.TransportModule`."""

        def attached(subprotocol: str | None, transport: Transport) -> Receiver:
            tap = _Tap(self, self._station_id, subprotocol, transport)
            self.show_status(
                self._station_id, f"connected to {url}, {subprotocol or 'no subprotocol'}"
            )
            return tap.to(attach(subprotocol, tap))

        return await self._transport.connect(url, subprotocols, attached, **options)

    def codec(self, subprotocol: str | None) -> Codec | None:
        """Return the codec of a subprotocol, `None` if it is not supported."""
        return self._codecs.get(subprotocol or "")

    def show_status(self, station_id: str, text: str, colour: Colour = "grey") -> None:
        """Show a line about a station."""
        clock = datetime.now().astimezone().isoformat(timespec="milliseconds")[11:23]
        width = max(shutil.get_terminal_size((WIDTH, 24)).columns, MIN_WIDTH)
        self._screen.write(shortened(f"{clock} {station_id} {text}", width), colour)

    def show_kept(self, action: str, payload: str) -> None:
        """Show a call that waits in the outbox of the station."""
        self.show(TrafficEvent(self._station_id, "out", "kept", action, payload))

    def show(self, event: TrafficEvent) -> None:
        """Show a frame."""
        text = _summary(event.text) if event.label in PAYLOADS else event.text
        line = f"{ARROWS[event.direction]} {event.label:7} {event.action} {text}".rstrip()
        self.show_status(event.station_id, line, COLOURS[event.label])
        if self._note is not None:
            self._note(event)


class _ShownAdmission(Admission):
    """Shows rejected handshakes."""

    def __init__(self, admission: Admission, path: str, traffic: Traffic) -> None:
        self._admission = admission
        self._path = path
        self._traffic = traffic

    def early(self) -> HTTPStatus | None:
        found = self._admission.early()
        return None if found is None else self._show_refusal(found)

    async def finish(self, remote: Any, certificate: Any) -> Handshake | HTTPStatus:
        found = await self._admission.finish(remote, certificate)
        return self._show_refusal(found) if isinstance(found, HTTPStatus) else found

    def _show_refusal(self, refusal: HTTPStatus) -> HTTPStatus:
        text = f"rejected: {refusal.value} {refusal.phrase}"
        self._traffic.show_status(self._path, text, "red")
        return refusal


class _ShownAcceptor:
    """Wraps the acceptor of a CSMS: shows connections and their frames."""

    def __init__(self, acceptor: Acceptor, traffic: Traffic) -> None:
        self._acceptor = acceptor
        self._traffic = traffic
        self.max_size = acceptor.max_size
        self.subprotocol = acceptor.subprotocol

    def admission(self, path: str, headers: Mapping[str, str], name: str | None) -> Admission:
        return _ShownAdmission(self._acceptor.admission(path, headers, name), path, self._traffic)

    async def enter(
        self, handshake: Handshake, subprotocol: str | None, transport: Transport
    ) -> Receiver | None:
        station_id = handshake.station_id
        tap = _Tap(self._traffic, station_id, subprotocol, transport)
        receiver = await self._acceptor.enter(handshake, subprotocol, tap)
        if receiver is None:
            reason = "already connected" if subprotocol else "no common OCPP version"
            self._traffic.show_status(station_id, f"rejected: {reason}", "red")
            return None
        self._traffic.show_status(station_id, f"connected, {subprotocol}")
        return tap.to(receiver)


class _Tap:
    """Sits between a connection and its transport, and is each to the other."""

    def __init__(
        self, traffic: Traffic, station_id: str, subprotocol: str | None, transport: Transport
    ) -> None:
        self._traffic = traffic
        self._station_id = station_id
        self._codec = traffic.codec(subprotocol)
        self._transport = transport
        self._calls: dict[Direction, dict[str, str]] = {"in": {}, "out": {}}
        self.ping = transport.ping
        self.close = transport.close

    def to(self, receiver: Receiver) -> "_Tap":
        self._receiver = receiver
        return self

    async def send(self, data: bytes) -> None:
        self._show("out", data)
        await self._transport.send(data)

    def received(self, data: bytes, *, late: bool = False) -> bytes | None:
        self._show("in", data)
        answer = self._receiver.received(data, late=late)
        if answer is not None:
            self._show("out", answer)
        return answer

    def lost(self, reason: str = "") -> None:
        self._receiver.lost(reason)
        if self._codec is not None:  # a transport may report it twice
            self._codec = None
            self._traffic.show_status(self._station_id, "disconnected")

    def _show(self, direction: Direction, data: bytes) -> None:
        if self._codec is None:
            return
        answered = self._calls["out" if direction == "in" else "in"]
        try:
            frame = self._codec.decode(data, answered)
        except DecodeError as error:
            action = error.action
            if error.message_type not in (CALL, SEND):
                action = answered.pop(error.message_id or "", None)
            text = f"{error}: {_text(data)}"
            event = TrafficEvent(self._station_id, direction, "invalid", action or "?", text)
            self._traffic.show(event)
            return
        self._traffic.show(self._event(self._codec, direction, data, frame, answered))
        for violation in frame.violations:
            text = f"   tolerated {violation.rule} at {violation.path}"
            self._traffic.show_status(self._station_id, text, "red")

    def _event(
        self,
        codec: Codec,
        direction: Direction,
        data: bytes,
        frame: Frame,
        answered: dict[str, str],
    ) -> TrafficEvent:
        label = LABELS[frame.message_type]
        action: str | None = getattr(frame, "action", None)
        if label == "call" and action is not None:
            calls = self._calls[direction]
            calls[frame.message_id] = action
            while len(calls) > MAX_CALLS:
                del calls[next(iter(calls))]
        elif action is None:
            action = answered.pop(frame.message_id, "?")
        text = codec.peek(data).payload.decode()
        if label == "error":
            error: Any = frame
            text = f"{error.error_code}: {error.error_description}".removesuffix(": ")
        return TrafficEvent(self._station_id, direction, label, action, text)


def _text(data: bytes | str) -> str:
    return data if isinstance(data, str) else data.decode(errors="backslashreplace")


def _summary(payload: str) -> str:
    """Return the values in a payload, those at the top level first."""
    try:
        value = msgspec.json.decode(payload)
    except msgspec.DecodeError:  # the result of an unknown call, whose payload was not decoded
        return inline_json(payload)
    return " ".join(_values("", value))


def _values(name: str, value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in sorted(value.items(), key=lambda pair: isinstance(pair[1], dict | list)):
            if key != HIDDEN_FIELD:
                yield from _values(key, item)
    elif isinstance(value, list):
        for item in value:
            yield from _values(name, item)
    else:
        bare = isinstance(value, str) and value and not set(value) & set(' "=')
        yield f"{name}={value if bare else inline_json(value)}"
