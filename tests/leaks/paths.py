"""The paths of frames: each a function, and the arguments that it is called with in turn."""

import random
from collections.abc import Callable
from typing import Any, Final

import ocppj
from ocppj import v16, v201
from ocppj.policy import RULES, Policy
from tests.strategies import SNIPPETS, good, mutate

__all__ = ["PATHS", "SLOW"]

Frame = tuple[bytes | str, dict[str, str]]
Work = tuple[Callable[[Any], object], list[Any]]

strict: Final = ocppj.Codec("2.0.1")
lenient: Final = strict.with_policy(Policy(**dict.fromkeys(RULES, "report")))  # type: ignore[arg-type]


def frames(*, spoilt: bool = False) -> list[Frame]:
    """Return valid or mutated frames, every other one as str, each with its pending calls."""
    chance = random.Random(7)
    found: list[Frame] = []
    for valid, message_id, action in good("2.0.1", 40):
        data = valid
        if spoilt:
            edit = chance.random(), chance.randrange(8), chance.choice(SNIPPETS)
            data = mutate(valid, [edit])
        text = data if len(found) % 2 else data.decode(errors="replace")
        found.append((text, {message_id: action}))
    return found


def tried(call: Callable[..., Any], *arguments: Any) -> Any:
    """Return the result of a call, or the text of our error and its reply."""
    try:
        return call(*arguments)
    except ocppj.DecodeError as error:
        return str(error), error.reply()
    except ocppj.EncodeError as error:
        return str(error)


def decode() -> Work:
    return lambda one: strict.decode(*one), frames()


def refuse() -> Work:
    return lambda one: tried(strict.decode, *one), frames(spoilt=True)


def tolerate() -> Work:
    return lambda one: tried(lenient.decode, *one), frames(spoilt=True)


def later() -> Work:
    results = [one for one in frames() if isinstance(strict.decode(*one), ocppj.CallResult)]
    return (
        lambda one: strict.decode_result(strict.decode(one[0]), *one[1].values()),  # type: ignore[arg-type]
        results,
    )


def encode() -> Work:
    return strict.encode, [strict.decode(*one) for one in frames()]


def unsendable() -> Work:
    payloads = [
        v201.UnlockConnectorRequest(evse_id=number, connector_id=1)  # type: ignore[arg-type]
        for number in (-1, 2**64, "1", None, float("nan"), [], object())
    ]
    calls = [ocppj.Call("i", "UnlockConnector", payload) for payload in payloads]
    return lambda frame: tried(strict.encode, frame), calls


def peek() -> Work:
    return lambda one: tried(strict.peek, one[0]), frames() + frames(spoilt=True)


def reframe() -> Work:
    def work(one: Frame) -> Any:
        head = strict.peek(one[0])
        return head.payload, head.reframe("other"), hash(head)

    return work, frames()


def session() -> Work:
    """Return a session that calls, is called, and receives invalid frames."""
    one = ocppj.Session(strict, "csms")
    clear = v201.ClearCacheRequest()

    def work(frame: Frame) -> Any:
        one.call(clear)
        try:
            event = one.receive(frame[0])
            if isinstance(event, ocppj.Call):
                one.fail(event, "NotSupported")
        except (ocppj.DecodeError, ocppj.RemoteProtocolError) as error:
            error.reply()
        return one.cancel()

    return work, frames() + frames(spoilt=True)


def codec() -> Work:
    """Return a codec that shares its table with no other."""

    def work(version: str) -> Any:
        profiles = [v16.remote_trigger.PROFILE]
        return ocppj.Codec(version, profiles=profiles).encode(ocppj.CallError("i", "GenericError"))

    return work, ["1.6"]


PATHS: Final[dict[str, Callable[[], Work]]] = {
    path.__name__: path
    for path in (decode, refuse, tolerate, later, encode, unsendable, peek, reframe, session, codec)
}
SLOW: Final = {"codec": 1000}
"""Name -> number of frames in one call."""
