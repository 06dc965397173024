"""A Starlette endpoint with pydantic and with ocppj: `python -m benchmarks.starlette`.

Calls the ASGI application in this process, on a connection that only provides and counts messages.
This measures the endpoint and Starlette, without a network.
"""

import argparse
import asyncio
import gc
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from time import perf_counter
from typing import Annotated, Any, Final, Literal

from pydantic import Field, TypeAdapter
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

import ocppj
from benchmarks import sections
from benchmarks.corpus import ENTRIES, Entry, frame_text
from benchmarks.page import environment, machine, publish
from benchmarks.peers.models import CALLS
from benchmarks.peers.models import RESULTS as MODELS
from ocppj import v201

__all__ = ["main"]

MESSAGES: Final = {
    entry.name: entry
    for entry in ENTRIES
    if entry.name in ("Heartbeat", "BootNotification", "TransactionEvent")
}
NOW: Final = datetime(2026, 3, 14, 9, 31, 24, tzinfo=UTC)
MessageId = Annotated[str, Field(max_length=36)]
Endpoint = Callable[[WebSocket], Awaitable[None]]
Answer = Callable[[str], str]


def _answered(answer: Answer) -> Endpoint:
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept("ocpp2.0.1")
        async for text in websocket.iter_text():
            await websocket.send_text(answer(text))

    return endpoint


def _model_response(action: str) -> Any:
    kind = MODELS["2.0.1"][action]
    if action == "TransactionEvent":
        return kind(totalCost=4.85)
    if action == "BootNotification":
        return kind(currentTime=NOW, interval=300, status="Accepted")
    return kind(currentTime=NOW)


def _struct_response(action: str) -> Any:
    if action == "TransactionEvent":
        return v201.TransactionEventResponse(total_cost=4.85)
    if action == "BootNotification":
        status = v201.RegistrationStatusEnumType.ACCEPTED
        return v201.BootNotificationResponse(current_time=NOW, interval=300, status=status)
    return v201.HeartbeatResponse(current_time=NOW)


RESULT: Final[TypeAdapter[Any]] = TypeAdapter(tuple[Literal[3], MessageId, Any])


def _dumped(message_id: str, action: str) -> str:
    result = (3, message_id, _model_response(action))
    return RESULT.dump_json(result, by_alias=True, exclude_none=True).decode()


def known(entry: Entry) -> Endpoint:
    """Return an endpoint with pydantic that knows the action beforehand."""
    request: Any = CALLS["2.0.1"][entry.action]
    action: Any = Literal[entry.action]
    validate = TypeAdapter(tuple[Literal[2], MessageId, action, request]).validate_json

    def answer(text: str) -> str:
        _, message_id, action, _ = validate(text)
        return _dumped(message_id, action)

    return _answered(answer)


def pydantic(_: Entry) -> Endpoint:
    """Return an endpoint with pydantic that looks the action up."""
    head = TypeAdapter(tuple[Literal[2], MessageId, str, dict[str, Any]]).validate_json
    models = {name: TypeAdapter(kind).validate_python for name, kind in CALLS["2.0.1"].items()}

    def answer(text: str) -> str:
        _, message_id, action, payload = head(text)
        models[action](payload)
        return _dumped(message_id, action)

    return _answered(answer)


def ours(_: Entry) -> Endpoint:
    """Return an endpoint with ocppj."""
    codec = ocppj.Codec("2.0.1")

    def answer(text: str) -> str:
        frame: Any = codec.decode(text)
        return codec.encode(
            ocppj.CallResult(frame.message_id, _struct_response(frame.action))
        ).decode()

    return _answered(answer)


def floor(entry: Entry) -> Endpoint:
    """Return an endpoint that decodes nothing."""
    text = f'[3,"{entry.frame[1]}",{{}}]'
    return _answered(lambda _: text)


SIDES: Final[dict[str, tuple[str, Callable[[Entry], Endpoint]]]] = {
    "pydantic": ("pydantic", pydantic),
    "known": ("pydantic, action known", known),
    "ocppj": ("ocppj", ours),
    "floor": ("one fixed answer", floor),
}


async def drive(endpoint: Endpoint, text: str, number: int) -> float:
    """Return messages per second of an application with that endpoint."""
    application = Starlette(routes=[WebSocketRoute("/{station}", endpoint)])
    left, sent = number, 0

    async def receive() -> dict[str, Any]:
        nonlocal left
        left -= 1
        if left == number - 1:
            return {"type": "websocket.connect"}
        if left < 0:
            return {"type": "websocket.disconnect", "code": 1000}
        return {"type": "websocket.receive", "text": text}

    async def send(message: Any) -> None:
        nonlocal sent
        if message["type"] == "websocket.send":
            assert message["text"].startswith("[3,")
            sent += 1

    scope = {
        "type": "websocket",
        "path": "/s",
        "headers": [],
        "query_string": b"",
        "subprotocols": ["ocpp2.0.1"],
    }
    start = perf_counter()
    await application(scope, receive, send)
    spent = perf_counter() - start
    assert sent == number - 1
    return sent / spent


def measure(rounds: int, number: int) -> dict[str, dict[str, float]]:
    """Return message -> side -> messages per second, the best of interleaved rounds."""
    rates: dict[str, dict[str, float]] = {}
    for name, entry in MESSAGES.items():
        endpoints = {side: make(entry) for side, (_, make) in SIDES.items()}
        best = dict.fromkeys(SIDES, 0.0)
        for _ in range(rounds):
            for side, endpoint in endpoints.items():
                gc.collect()
                rate = asyncio.run(drive(endpoint, frame_text(entry), number))
                best[side] = max(best[side], rate)
        rates[name] = {side: round(rate) for side, rate in best.items()}
    return rates


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser("python -m benchmarks.starlette", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    figures = {
        "environment": environment("ocppj", "msgspec", "pydantic", "starlette"),
        "sides": {side: name for side, (name, _) in SIDES.items()},
        "labels": {name: one.label for name, one in MESSAGES.items()},
        "rates": measure(arguments.rounds, 3000),
    }
    publish(
        "starlette",
        figures,
        "# A Starlette endpoint with pydantic and with ocppj",
        machine(figures["environment"]),
        "Messages per second that an endpoint decodes, validates and answers with a validated "
        "response; best of interleaved rounds; `python -m benchmarks.starlette`. "
        "`pydantic` decodes the frame, then looks the action up; `action known` validates the "
        "whole frame with one `TypeAdapter.validate_json` and accepts no other action. The last "
        "column has the ratios of ocppj to these two.",
        sections.starlette(figures),
    )


if __name__ == "__main__":
    main()
