"""What an endpoint adds to the codec for a call that is answered at once.

`benchmarks.instructions` counts it, layer by layer. No socket and no event loop is involved.
"""

import inspect
from collections.abc import Callable
from textwrap import dedent
from typing import Any, Final

import ocppj
from benchmarks.corpus import ENTRIES, frame_text
from benchmarks.gateways import ocppj_handler
from ocppj.aio import link
from ocppj.aio.endpoint import endpoints

__all__ = ["COLUMNS", "works"]

ACTIONS: Final = ("Heartbeat", "TransactionEvent")
COLUMNS: Final = ("decode, handler, encode", "session", "endpoint", "without the test for a tap")

TEST: Final = """\
    endpoint = self.endpoint
    if endpoint.metrics is not None:
        return self._measured(data, endpoint.metrics)
"""
"""All that a frame pays for metrics and a tap that are not set: `observed` of `ocppj.aio.tap` turns
a tap into metrics."""


def _untested() -> Any:
    """Return `Link.received` without the test for metrics and a tap."""
    source = dedent(inspect.getsource(link.Link.received))
    if TEST not in source:
        raise ValueError("Link.received has changed: adapt TEST")
    names = dict(vars(link))
    exec(source.replace(TEST, ""), names)  # noqa: S102  our own source
    return names["received"]


def works() -> dict[str, dict[str, tuple[Callable[[bytes], Any], bytes]]]:
    """Return action -> column -> what to call, and its argument."""
    handler = ocppj_handler()
    limits: dict[str, Any] = {"timeout": 30.0, "max_waiting": 64, "max_handling": 16}
    (endpoint,) = endpoints({"2.0.1": handler}, None, "csms", metrics=None, **limits).values()
    codec = endpoint.codec
    untested = type("Untested", (link.Link,), {"__slots__": (), "received": _untested()})
    found: dict[str, dict[str, tuple[Callable[[bytes], Any], bytes]]] = {}
    for entry in ENTRIES:
        if entry.version != "2.0.1" or entry.name not in ACTIONS or not entry.is_call:
            continue
        method = getattr(handler, codec.features[entry.name].method)
        session = ocppj.Session(codec, "csms")

        def least(data: bytes, method: Any = method) -> bytes:
            call: Any = codec.decode(data)
            return codec.encode(ocppj.CallResult(call.message_id, method(None, call.payload)))

        def answer(data: bytes, method: Any = method, session: Any = session) -> bytes:
            call: Any = session.receive(data)
            answer: bytes = session.reply(call, method(None, call.payload))
            return answer

        calls = (least, answer, link.Link("CS-1", endpoint, None).received)  # type: ignore[arg-type]  # nothing is sent
        calls = (*calls, untested("CS-1", endpoint, None).received)
        data = frame_text(entry).encode()
        found[entry.label] = {
            column: (call, data) for column, call in zip(COLUMNS, calls, strict=True)
        }
    return found
