"""Charge points of mobilityhouse/ocpp, plain and accelerated, on a connection that goes nowhere.

Owns how a test runs one script through both.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from importlib import import_module
from typing import Any, Final

from ocpp import messages

from ocppj.catalog import VERSIONS
from ocppj.integrations.mobilityhouse import Accelerated, accelerate

PACKAGES: Final[dict[str, Any]] = {
    version.name: import_module(version.package.replace("ocppj", "ocpp")) for version in VERSIONS
}
"""Version -> the package of mobilityhouse/ocpp for it."""

SIDES: Final = ("plain", "mixin", "accelerate")


class Wire:
    """A connection: what is sent is kept; what answers a call is handed in."""

    def __init__(self, answer: Callable[[list[Any]], Iterable[Any]] = lambda frame: ()) -> None:
        self.sent: list[Any] = []
        self.answer = answer
        self.point: Any = None

    async def send(self, text: str) -> None:
        assert isinstance(text, str)
        frame = json.loads(text)
        self.sent.append(frame)
        for message in self.answer(frame):
            await self.point.route_message(message if isinstance(message, str) else dumps(message))


def dumps(frame: Any) -> str:
    return json.dumps(frame, separators=(",", ":"))


def make(side: str, version: str, methods: dict[str, Any], **attributes: Any) -> type[Any]:
    """Return a charge point's class."""
    base = PACKAGES[version].ChargePoint
    bases = (Accelerated, base) if side == "mixin" else (base,)
    kind = type("Point", bases, {**methods, **attributes})
    return accelerate(kind) if side == "accelerate" else kind


def point(kind: type[Any], wire: Wire | None = None, **options: Any) -> Any:
    """Return a charge point whose message ids are known beforehand."""
    wire = Wire() if wire is None else wire
    wire.point = made = kind("station", wire, **options)
    numbers = iter(range(1000))
    made._unique_id_generator = lambda: f"id-{next(numbers)}"
    return made


def run(work: Awaitable[Any]) -> Any:
    """Run with validation where it is called, as an application may have it too."""
    before, messages.ASYNC_VALIDATION = messages.ASYNC_VALIDATION, False
    try:
        return asyncio.run(work)
    finally:
        messages.ASYNC_VALIDATION = before


def routed(
    side: str, version: str, methods: dict[str, Any], *received: Any, **attributes: Any
) -> list[Any]:
    """Return what a charge point sends when it receives messages."""

    async def work() -> list[Any]:
        made = point(make(side, version, methods, **attributes))
        for message in received:
            await made.route_message(message if isinstance(message, str) else dumps(message))
        sent: list[Any] = made._connection.sent
        return sent

    result: list[Any] = run(work())
    return result


def same(script: Callable[[str], Any]) -> Any:
    """Return what a script gives on every side."""
    outcomes = [script(side) for side in SIDES]
    assert outcomes[0] == outcomes[1] == outcomes[2]
    return outcomes[0]


def answering(*answers: Any) -> Wire:
    """Return a connection that answers each call with the next of some payloads or errors."""
    left = iter(answers)

    def answer(frame: list[Any]) -> list[Any]:
        one = next(left)
        return (
            []
            if one is None
            else [[4, frame[1], *one]]
            if type(one) is list
            else [[3, frame[1], one]]
        )

    return Wire(answer)


def caught(work: Callable[[], Awaitable[Any]]) -> Any:
    """Return a result, or the exception as its type and text."""

    async def tried() -> Any:
        try:
            return await work()
        except Exception as error:  # noqa: BLE001  any is compared
            return type(error), str(error)

    return tried()


def called(side: str, payload: Any, *answers: Any, version: str = "2.0.1", **options: Any) -> Any:
    """Return what a call gives or raises, and what was sent."""

    async def work() -> Any:
        wire = answering(*answers)
        made = point(make(side, version, {}), wire, response_timeout=0.01)
        return await caught(lambda: made.call(payload, **options)), wire.sent

    return run(work())
