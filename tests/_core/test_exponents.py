"""Numbers that are slow to decode: a frame with more than a few is rejected undecoded."""

import gc
import subprocess
import sys
import time
from contextlib import suppress
from itertools import product
from typing import Any, Final

import pytest

import ocppj
from ocppj import v201
from ocppj._core.exponents import MAX_EXPONENTS, SEARCHED_SIZE, too_many_exponents
from tests.conftest import BACKENDS, Make, backend_factory

MANY: Final = MAX_EXPONENTS + 1
FULL: Final = ",".join(["9e302"] * MANY)
WORST: Final = 0.06
"""Seconds that the most expensive frame may take at the default limits."""


def call(*numbers: str, before: str = "", after: str = "") -> str:
    data = ",".join(numbers)
    return f'[2,"1","DataTransfer",{{"vendorId":"x",{before}"data":[{data}]{after}}}]'


@pytest.mark.parametrize("number", ["9e302", "9E302", "1e-310", "1.5e+300", "9e0000302"])
def test_a_frame_may_have_a_few(make_backend: Make, number: str) -> None:
    frame = make_backend().decode(call(*[number] * MAX_EXPONENTS))
    assert frame.payload.data == [float(number)] * MAX_EXPONENTS
    with pytest.raises(ocppj.FrameError, match="more than 512 numbers") as caught:
        make_backend().decode(call(*[number] * MANY))
    assert caught.value.error_code == "PropertyConstraintViolation"
    assert caught.value.message_id == "1"


def test_the_size_that_is_not_searched_cannot_have_too_many(make_backend: Make) -> None:
    shortest = ("[" + ",".join(["9e302"] * MANY) + "]").encode()
    assert len(shortest) > SEARCHED_SIZE
    assert too_many_exponents(shortest)


@pytest.mark.parametrize(
    "frame",
    [
        call(*["9e302"] * MANY, before='"messageId":"`",'),
        call("[" * 17 + "]" * 17, *["9e302"] * MANY),
        call(*["9e302"] * MANY, after=',"surplus":1'),
        call(*["9e302"] * MANY).replace('"vendorId":"x",', ""),
        call(*["9e302"] * MANY).replace("DataTransfer", "NoSuch"),
        f'[4,"1","GenericError","",{{"data":[{FULL}]}}]',
        f'[4,"1","GenericError",[{FULL}]]',
        f'[3,"1",{{"status":"Accepted","data":[{FULL}]}}]',
    ],
)
@pytest.mark.parametrize("policy", [ocppj.Policy.strict(), ocppj.Policy.lenient()])
def test_it_is_checked_before_other_faults_and_policies(
    make_backend: Make, frame: str, policy: ocppj.Policy
) -> None:
    for backend in (make_backend(policy=policy), make_backend("1.6", policy=policy)):
        for data in (frame, frame.encode(), bytearray(frame.encode())):
            with pytest.raises(ocppj.FrameError, match="more than 512 numbers"):
                backend.decode(data, {"1": "DataTransfer"})
        with pytest.raises(ocppj.FrameError, match="more than 512 numbers"):
            backend.peek(frame)


def test_text_that_looks_like_exponents_does_not_count(make_backend: Make) -> None:
    text = '"' + '3e302\\"' * 2 * MANY + '"'
    assert make_backend().decode(call(text)).payload.data == ['3e302"' * 2 * MANY]
    assert make_backend().decode(call(*["3e30"] * MANY)).payload.data == [3e30] * MANY


def test_encode_rejects_the_same_frames_as_decode(make_backend: Make) -> None:
    def frame(count: int) -> Any:
        request = v201.DataTransferRequest(vendor_id="x", data=[9e302] * count)
        return ocppj.Call("1", "DataTransfer", request)

    backend = make_backend()
    assert backend.decode(backend.encode(frame(MAX_EXPONENTS))) == frame(MAX_EXPONENTS)
    with pytest.raises(ocppj.EncodeError, match="more than 512 numbers"):
        backend.encode(frame(MANY))


UNITS: Final = (
    "9e302",
    "1e-310",
    "1e23",
    "[]",
    "{}",
    '{"":0}',
    '"`"',
    "[[[[[[]]]]]]",
    "[" * 29 + "]" * 29,  # in vendor data one level too many
    "0.1",
    '"\\n"',
)
PLACES: Final = (
    '[2,"1","DataTransfer",{"vendorId":"x","data":[%s]}]',
    '[2,"1","DataTransfer",{"data":[%s]}]',
    '[2,"1","DataTransfer",{"vendorId":"x","data":[' + "[" * 17 + "]" * 17 + ",%s]}]",
    '[2,"1","DataTransfer",{"vendorId":"`","data":[%s],"surplus":1}]',
    '[2,"1","Heartbeat",{"customData":{"vendorId":1,"data":[' + "[" * 29 + "]" * 29 + ",%s]}}]",
    '[4,"1","GenericError","",{"data":[%s]}]',
)


def slow_frames(name: str, policy: ocppj.Policy) -> dict[str, float]:
    """Return the frames for which a backend takes too long, and the seconds."""
    backend = backend_factory(name)(policy=policy)
    gc.freeze()  # keeps the collector from traversing everything that was imported
    found = {}
    for unit, place in product(UNITS, PLACES):
        count = (ocppj.Codec("2.0.1").max_size - len(place)) // (len(unit) + 1)
        data = (place % ",".join([unit] * count)).encode()
        for _ in range(20):  # the machine may be busy
            start = time.process_time()
            with suppress(ocppj.DecodeError):
                backend.decode(data)
            took = time.process_time() - start
            if took < WORST:
                break
        else:
            found[place % unit] = took
    return found


@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize("policy", ["strict", "lenient"])
def test_no_frame_at_the_default_limits_takes_long(name: str, policy: str) -> None:
    """`python -m benchmarks.faults` searches for more."""
    backend_factory(name)  # or skip
    # In a fresh interpreter: with the memory that thousands of tests have fragmented, decoding
    # takes two to four times as long.
    program = (
        "import ocppj; from tests._core.test_exponents import slow_frames;"
        f"print(slow_frames({name!r}, ocppj.Policy.{policy}()))"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    assert done.stdout == "{}\n"
