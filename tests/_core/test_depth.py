"""Frames that nest too deep for the interpreter are rejected like those beyond `max_depth`.

That depth differs: CPython has a recursion limit of 1,000 (3.11) or several thousand, or checks how
much of the stack is left (3.14), and msgspec's decoders give up at different depths. So the tests
first find the depths to try.
"""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import msgspec
import pytest

import ocppj
from ocppj import v201
from ocppj._core.depth import nests_deeper_than
from tests.conftest import Make

MAX_SIZE = 2**20
NO_LIMIT = 2**31 - 1
AROUND = range(-40, 8, 2)


def edge(decode: Callable[[bytes], object]) -> int:
    """Return the maximum nesting of arrays that a decoder can follow."""
    low, high = 1, MAX_SIZE // 2
    while low < high:
        middle = (low + high + 1) // 2
        try:
            decode(b"[" * middle + b"]" * middle)
        except RecursionError:
            high = middle - 1
        else:
            low = middle
    return low


@cache
def depths() -> list[int]:
    """Return depths near the maximum of each decoder, and of recursive Python code."""
    edges = {
        edge(decode)
        for decode in (
            msgspec.json.Decoder(list[msgspec.Raw]).decode,
            msgspec.json.Decoder().decode,
            walk,
        )
    }
    # On CPython 3.14 the edge is near 100,000 levels and not sharp; such tests take longest.
    near = {one + step for one in edges for step in AROUND[:: 1 if one < 20_000 else 9]}
    return sorted(depth for depth in {*near, 100_000} if depth > 0)


def walk(text: bytes) -> None:
    """Recurse once for each level, as Python code would."""

    def visit(level: int) -> None:
        if level:
            visit(level - 1)

    visit(text.count(b"["))


FRAMES = {
    "CALL": '[2,"x","DataTransfer",{"vendorId":"v","data":%s}]',
    "CALL, equal keys": '[2,"x","Heartbeat",{"customData":%s,"customData":{"vendorId":"v"}}]',
    "CALL, surplus": '[2,"x","Heartbeat",{"surplus":%s}]',
    "CALLRESULT": '[3,"x",{"status":"Accepted","customData":{"vendorId":"v","n":%s}}]',
    "CALLERROR": '[4,"x","InternalError","",{"details":%s}]',
    "CALLRESULTERROR": '[5,"x","InternalError","",{"details":%s}]',
    "SEND": '[6,"x","NotifyPeriodicEventStream",{"surplus":%s}]',
    "action": '[2,"x",%s,{}]',
    "message id": '[2,%s,"Heartbeat",{}]',
    "message type": '[%s,"x","Heartbeat",{}]',
    "surplus element": '[2,"x","Heartbeat",{},%s]',
    "bare": "%s",
    "cut": '[2,"x","DataTransfer",{"vendorId":"v","data":%.1000s',
}


def deep(name: str, depth: int) -> Iterator[bytes]:
    for inner in ("[" * depth + "]" * depth, '{"a":' * depth + "1" + "}" * depth):
        text = (FRAMES[name] % inner).encode()
        if len(text) <= MAX_SIZE:
            yield text


@pytest.mark.parametrize("max_depth", [32, NO_LIMIT])
@pytest.mark.parametrize(
    "policy", [ocppj.Policy(), ocppj.Policy.lenient()], ids=["strict", "lenient"]
)
@pytest.mark.parametrize("name", FRAMES)
def test_only_our_errors_are_raised(
    make_backend: Make, name: str, max_depth: int, policy: ocppj.Policy
) -> None:
    codec = ocppj.Codec("2.1", max_depth=max_depth, max_size=MAX_SIZE, policy=policy)
    backend = type(make_backend("2.1"))(codec._table, policy)

    def tried(call: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return call(*arguments)
        except (ocppj.DecodeError, ocppj.EncodeError) as error:
            return error

    for depth in depths():
        for text in deep(name, depth):
            result = tried(backend.decode, text, {"x": "DataTransfer"})
            if max_depth == 32 and "equal" not in name:
                assert isinstance(result, ocppj.FrameError)
            tried(backend.peek, text)
            frame = tried(backend.decode, text)
            if isinstance(frame, ocppj.CallResult):
                tried(codec.decode_result, frame, "DataTransfer")
            elif isinstance(frame, ocppj.Call | ocppj.CallError | ocppj.CallResultError):
                tried(backend.encode, frame)


def test_a_result_decoded_later_may_nest_too_deep(codec: ocppj.Codec) -> None:
    deepest = depths()[-1]
    for inner in ("[" * deepest + "]" * deepest, '{"a":' * 90_000 + "1" + "}" * 90_000):
        payload = msgspec.Raw(b'{"status":"Accepted","data":%b}' % inner.encode())
        frame = ocppj.CallResult("x", payload)
        for taker in (codec, codec.with_policy(ocppj.Policy.lenient())):
            with pytest.raises(ocppj.PayloadError, match="nested too deep"):
                taker.decode_result(frame, "DataTransfer")


@pytest.mark.parametrize("depth", [1, 2, 33, 500, 1000])
def test_the_depth_of_a_value(depth: int) -> None:
    for text in (b"[" * depth + b"]" * depth, b'{"a":' * depth + b"1" + b"}" * depth):
        twin = b'{"a":%b,"a":[]}' % text  # only the last of equal keys counts
        if depth < 900:  # up to there all that reads it can follow
            assert not nests_deeper_than(text, depth)
            assert not nests_deeper_than(twin, 2)
        assert nests_deeper_than(text, depth - 1)
        assert nests_deeper_than(twin, 1)


@pytest.mark.parametrize("depth", [100_000, 250_000])
def test_nesting_beyond_the_recursion_limit_is_too_deep(depth: int) -> None:
    assert nests_deeper_than(b"[" * depth + b"]" * depth, 32)


@pytest.mark.parametrize("bad", [float("nan"), (1,), {1: 2}, object()])
@pytest.mark.parametrize("depth", [450, 700, 960, 2000, 100_000])
def test_an_outgoing_payload_may_nest_too_deep(make_backend: Make, bad: Any, depth: int) -> None:
    for _ in range(depth):
        bad = [bad]
    frame = ocppj.Call("x", "DataTransfer", v201.DataTransferRequest(vendor_id="v", data=bad))
    for max_depth in (32, NO_LIMIT):
        with pytest.raises(ocppj.EncodeError):
            make_backend(max_depth=max_depth, max_size=MAX_SIZE).encode(frame)
