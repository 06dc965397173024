"""Logs: frames are found in their lines, and memory is bounded."""

import io
import time
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ocppj
from ocppj.cli import log
from ocppj.cli.log import Log, LogError, find_frame

BARE = b'[2,"1","Heartbeat",{}]'
RESULT = b'[3,"1",{"currentTime":"2026-01-01T00:00:00Z"}]'
MAX_SIZE = 2**20

PREFIXES = [
    "2026-01-01T10:00:00Z [INFO] CS-1 >> ",
    "[2026-01-01 10:00:00] ",
    "[2026-01-01 10:00:00][INFO]",
    "2026-01-01 10:00:00,123 [http-nio-8080-exec-1] DEBUG c.e.Ocpp - [CS-1] Received: ",
    "INFO:ocpp:CS-1: receive message ",
    "\x1b[32m10:00:00\x1b[0m [3] Thread[main,5,main] ",
    "[2] [1,234] it's [ ",
    "<-- ",
    '{"unfinished": ',
    "Größe [5]: ",
]


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize(
    "frame",
    [
        BARE,
        RESULT,
        b'[ 2 , "1", "Heartbeat", {} ]',
        b'[4, "1", "GenericError", "", {}]',
        b'[2,"1","DataTransfer",{"vendorId":"a","data":[2,"2","Heartbeat",{}]}]',
        b'[2,"1","DataTransfer",{"vendorId":"a ] [3,\\"1\\",{}] }]"}]',
        # Invalid frames are found as well, so that the decoder can reject them.
        b'[2,5,"Heartbeat",{}]',
        b'[7,"1",{}]',
        b'["2","1","Heartbeat",{}]',
        b'[2.0,"1","Heartbeat",{}]',
        b'[null,"1","Heartbeat",{}]',
        b'[2,"1","Heartbeat",{"a":[1,2',
        b'[2,"1","Heartbeat"]',
        b'[2,"1","Heartbeat",{}',
        b'[2,"1","Heartbeat',
    ],
)
def test_a_frame_is_found_behind_a_prefix(prefix: str, frame: bytes) -> None:
    assert find_frame(prefix.encode() + frame) == frame
    assert find_frame(frame) == frame


@pytest.mark.parametrize(
    "line",
    [
        b"gw " + BARE + b" took 3 ms",
        b"gw " + BARE + b" [thread-1]",
        b"gw " + BARE + b"\x1b[0m",
        b"gw '" + BARE + b"'",
        b"gw b'" + BARE + b"' [x]",
        b'gw "' + BARE + b'" x',
        b"gw (" + BARE + b")",
        b"gw " + BARE + b" and [3,5 ",
        b"gw <" + BARE + b"> [3]",
        b'{"ts":1,"frame":' + BARE + b"}",
        b'{"ts":1,"frame":' + BARE + b' , "name": [1]}',
        b'2026 {"a":{"frame":' + BARE + b"}}",
        b'{"msg":"[2,\\"1\\",\\"Heartbeat\\",{}]","x":[1]}',
        b'{"msg":"in [2,\\"1\\",\\"Heartbeat\\",{}]"}',
        b't=1 msg="[2,\\"1\\",\\"Heartbeat\\",{}]" n=2',
    ],
)
def test_what_a_logger_writes_behind_a_frame_is_dropped(line: bytes) -> None:
    text = find_frame(line)
    assert text.startswith(BARE)
    assert ocppj.Codec("2.0.1").decode(text).message_id == "1"


@pytest.mark.parametrize(
    "line",
    [
        BARE + b" took 3 ms",
        BARE + b"]",
        BARE + b",",
        BARE + b" " + BARE,
        b"gw " + BARE + b"]",
        b"gw " + BARE + b" ]",
        b"gw " + BARE + b",",
        b"gw " + BARE + b" , 3]",
        b"gw " + BARE + b"x",
        b"gw " + BARE + b"}",
        b"gw " + BARE + b" " + BARE,
        b"gw " + BARE + b' and [3,5,"x',
        b"gw [" + BARE + b"]",
        b"gw '" + BARE + b"]'",
        b"\xef\xbb\xbf" + BARE,
        b'"[2,\\"1\\",\\"Heartbeat\\",{}]"',
        b'"' + BARE + b'"',
        b'["2","1","DataTransfer",{"vendorId":"a","data":' + BARE + b"}]",
        b'gw [2,5,"DataTransfer",{"vendorId":"a","data":' + BARE + b"}]",
        b't="[2,\\"1\\",\\"Heartbeat\\",{}]x" n=2',
        b't="[2,\\"1\\",\\"Heartbeat\\",{}\\q]" n=2',
        b't="[2,\\"1\\",\\"Heartbeat\\",{}',
        b"gw",
        b"gw [1, 2]",
        b"null",
        b"\x00\xff\xfe",
    ],
)
def test_nothing_that_could_belong_to_the_frame_is_dropped(line: bytes) -> None:
    with pytest.raises(ocppj.DecodeError):
        ocppj.Codec("2.0.1").decode(find_frame(line))


TEXTS = [
    b"gw",
    b"no frame [here]",
    b"[1, 2]",
    b"[2026-01-31 10:00:00] up",
    b"took [3, 5] ms",
    b'{"a":[2,1]}',
    b"\xff\x00",
    b"GET /ocpp/CS-1 HTTP/1.1",
    b"Thread[main,5,main] []",
]


@pytest.mark.parametrize("line", TEXTS)
def test_a_line_without_a_frame_comes_whole(line: bytes) -> None:
    assert find_frame(line) == line


@pytest.mark.parametrize("line", TEXTS)
def test_a_line_of_text_is_skipped_and_counted_unless_strict(line: bytes) -> None:
    data = BARE + b"\n" + line + b"\n\n" + RESULT
    for strict, got in (
        (False, [(1, BARE), (4, RESULT)]),
        (True, [(1, BARE), (2, line), (4, RESULT)]),
    ):
        source = Log(io.BytesIO(data), MAX_SIZE, strict=strict)
        assert [line[:2] for line in source] == got
        assert source.skipped == (0 if strict else 1)


def test_a_long_line_is_skipped_if_no_frame_is_in_it() -> None:
    long = b"y" * 20_000
    source = Log(io.BytesIO(long + b"\n" + long + BARE + b"\n" + b"x [2,5," + long), 1000)
    assert list(source) == []
    assert source.skipped == 3
    [(number, text)] = frames(long + b"\nx " + BARE[:-2] + long, 1000)
    assert (number, len(text)) == (2, 1000 + log.MAX_PREFIX_SIZE)


@pytest.mark.parametrize(
    ("line", "around"),
    [
        (BARE, b""),
        (b"10:00 CS-1 >> " + BARE, b"10:00 CS-1 >> "),
        (b"CS-1 [" + b"x] " + BARE + b" took 3 ms", b"CS-1 [x]  took 3 ms"),
        (b'{"id":"CS-1","frame":' + BARE + b',"n":1}', b'{"id":"CS-1","frame":,"n":1}'),
        (b'{"msg":"[2,\\"1\\",\\"Heartbeat\\",{}]","id":"CS-1"}', b'{"msg":"","id":"CS-1"}'),
    ],
)
def test_what_the_logger_wrote_around_a_frame_comes_with_it(line: bytes, around: bytes) -> None:
    assert list(Log(io.BytesIO(line), MAX_SIZE)) == [(1, BARE, around)]


@given(st.binary(max_size=60))
def test_find_takes_any_bytes(noise: bytes) -> None:
    assert find_frame(noise) in noise or b"\\" in noise
    find_frame(b'x [2,"' + noise)
    find_frame(b'x [2,\\"' + noise)


HOSTILE = [
    b"x [" * 300_000,
    b'x "' + b'\\"' * 400_000,
    b'x [2,"1","A",{"a":"' + b'\\"' * 400_000 + b" z",
    b'x [2,"' + b"\\" * 900_001,
    b'x [2,\\"' + b"\\\\" * 450_000,
    b'x [2,"1",' + b"[" * 900_000,
    b'x [2,"1"' + b'"' * 900_000,
    b"[1.1" * 250_000,
    b"[" + b" " * 900_000,
]


@pytest.mark.parametrize("line", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_lines_cost_no_more_than_long_ones(line: bytes) -> None:
    started = time.perf_counter()
    find_frame(line)
    assert time.perf_counter() - started < 5  # quadratic would be minutes


def frames(data: bytes, max_size: int = MAX_SIZE, **options: bool) -> list[tuple[int, bytes]]:
    return [line[:2] for line in Log(io.BytesIO(data), max_size, **options)]


def test_blank_lines_are_skipped_and_counted() -> None:
    data = b"\n" + BARE + b"\r\n \t \r\n\n  x " + RESULT + b"  "
    assert frames(data) == [(2, BARE), (5, RESULT)]


def test_a_byte_order_mark_is_taken_from_the_file_only() -> None:
    marked = b"\xef\xbb\xbf" + BARE + b"\n"
    assert frames(marked + marked) == [(1, BARE), (2, marked.strip())]
    assert frames(b"\xef\xbb\xbf\n" + BARE) == [(2, BARE)]


def test_size_is_what_was_read() -> None:
    data = BARE + b"\n\n" + b"x" * 20_000 + b"\n" + RESULT
    source = Log(io.BytesIO(data), 100)
    assert [number for number, *_ in source] == [1, 4]
    assert source.size == len(data)


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\n" + BARE])
@pytest.mark.parametrize("length", [5095, 5096, 5097, 20_000, 20_384, 20_385])
def test_a_long_line_comes_once_and_too_large(length: int, end: bytes) -> None:
    got = frames(b"y" * length + end, 1000, strict=True)
    assert [number for number, _ in got] == ([1, 2] if end.endswith(b"]") else [1])
    with pytest.raises(ocppj.DecodeError, match="larger than 1000 bytes"):
        ocppj.Codec("2.0.1", max_size=1000).decode(got[0][1])


def test_the_largest_frame_is_found_behind_a_prefix() -> None:
    head, tail = b'[2,"1","DataTransfer",{"vendorId":"x","data":"', b'"}]'
    largest = head + b"y" * (MAX_SIZE - len(head) - len(tail)) + tail
    [(_, text)] = frames(b"2026-01-01 10:00:00 [INFO] " + largest + b"\r\n")
    assert text == largest
    ocppj.Codec("2.0.1", max_size=MAX_SIZE).decode(text)


class Endless(io.RawIOBase):
    """200 MB without a line's end, and then a frame."""

    left = 200 * 2**20

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self.left <= 0:
            data = b"\n" + BARE if self.left == 0 else b""
            self.left = -1
        else:
            data = b"x" * min(len(buffer), self.left)
            self.left -= len(data)
        buffer[: len(data)] = data
        return len(data)


def test_a_line_is_never_held_whole() -> None:
    stream = io.BufferedReader(Endless(), 2**18)
    tracemalloc.start()
    try:
        got = [(number, len(text)) for number, text, _ in Log(stream, MAX_SIZE, strict=True)]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert got == [(1, MAX_SIZE + log.MAX_PREFIX_SIZE), (2, len(BARE))]
    assert peak < 8 * 2**20


class Broken(io.BytesIO):
    """A file on a disk that goes away."""

    def readline(self, size: int | None = -1, /) -> bytes:
        line = super().readline(size)
        if not line:
            raise OSError(5, "Input/output error")
        return line


def test_a_read_error_is_told_apart_from_others() -> None:
    source = iter(Log(Broken(BARE), MAX_SIZE))
    assert next(source) == (1, BARE, b"")
    with pytest.raises(LogError, match="Input/output error"):
        next(source)
