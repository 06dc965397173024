"""No identity can break out of its subject token, and no header out of its line."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocppj.fleet.subjects import (
    MAX_HEADER_SIZE,
    MAX_TOKEN_LENGTH,
    VERSION_TOKENS,
    Subjects,
    headers,
    parse_headers,
    parse_time,
    station_of,
    status_of,
    token,
)

SAFE = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_%")
HOSTILE = [
    ".",
    "*",
    ">",
    " ",
    "a.b",
    "a b",
    "CS\r\nPUB x 1",
    "$JS",
    "%2E",
    "~",
    "ä",
    "🔌",
    "\0",
    "/",
]


@given(st.text(min_size=1, max_size=48) | st.sampled_from(HOSTILE))
def test_an_identity_is_one_token_and_comes_back(identity: str) -> None:
    try:
        code = token(identity)
    except ValueError:
        with pytest.raises(UnicodeEncodeError):
            identity.encode()
        return
    assert set(code) <= SAFE
    assert station_of(code) == identity


@given(st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20))
def test_two_identities_never_share_a_token(one: str, other: str) -> None:
    with contextlib.suppress(ValueError):
        assert (token(one) == token(other)) == (one == other)


def test_the_token_is_that_of_the_contract() -> None:
    assert token("CS-1_a") == "CS-1_a"
    assert token("a.b c~ä") == "a%2Eb%20c%7E%C3%A4"


@pytest.mark.parametrize("identity", ["", "x" * (MAX_TOKEN_LENGTH + 1), "\ud800"])
def test_an_identity_without_a_token_is_an_error(identity: str) -> None:
    with pytest.raises(ValueError, match=r"token|Unicode"):
        token(identity)


@given(st.text() | st.from_regex(r"[A-Za-z%0-9a-f]{1,9}", fullmatch=True))
def test_only_tokens_are_read(code: str) -> None:
    try:
        identity = station_of(code)
    except ValueError:
        return
    assert token(identity) == code


def test_subjects_are_those_of_the_contract() -> None:
    subjects = Subjects("ocpp")
    assert subjects.up("2.0.1", "CS-1", "Heartbeat") == "ocpp.up.v201.CS-1.Heartbeat"
    assert subjects.call("CS-1") == "ocpp.call.CS-1"
    assert subjects.event("CS-1") == "ocpp.event.CS-1"
    assert subjects.node("n1") == "ocpp.node.n1"
    assert (subjects.stations, subjects.nodes) == ("ocpp_stations", "ocpp_nodes")
    assert subjects.journal == "ocpp_journal"
    assert VERSION_TOKENS == {"1.6": "v16", "2.0.1": "v201", "2.1": "v21"}
    assert Subjects.split("ocpp.up.v16.a%20b.Boot") == ("1.6", "a b", "Boot")


@pytest.mark.parametrize("subject", ["", "ocpp.up.v201.CS-1", "ocpp.up.v9.CS-1.A", "a.b.v16.%zz.A"])
def test_other_subjects_are_no_frames_subjects(subject: str) -> None:
    with pytest.raises(ValueError, match="subject"):
        Subjects.split(subject)


@pytest.mark.parametrize("prefix", ["", "a.b", "*", ">", "a b", "x" * 33, "é"])
def test_a_prefix_is_one_token(prefix: str) -> None:
    with pytest.raises(ValueError, match="prefix"):
        Subjects(prefix)


@given(
    st.dictionaries(
        st.from_regex(r"[A-Za-z-]{1,12}", fullmatch=True),
        st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=20).map(str.strip),
        max_size=5,
    )
)
def test_headers_come_back(values: dict[str, str]) -> None:
    assert parse_headers(headers(values)) == values


def test_a_line_break_in_a_header_is_an_error() -> None:
    with pytest.raises(ValueError, match="line break"):
        headers({"Ocpp-Station": "CS-1\r\nOcpp-Generation: 1"})


@given(st.binary(max_size=200))
def test_any_bytes_are_read_as_headers(data: bytes) -> None:
    assert all(isinstance(value, str) for value in parse_headers(data).values())
    assert isinstance(status_of(data), int | None)


def test_only_so_much_of_headers_is_read() -> None:
    many = {f"H{number}": "x" * 20 for number in range(10_000)}
    assert len(parse_headers(headers(many))) < MAX_HEADER_SIZE / 20


def test_the_status_stands_before_the_headers() -> None:
    assert status_of(b"NATS/1.0 503\r\n\r\n") == 503
    assert status_of(b"NATS/1.0\r\nA: b\r\n\r\n") is None


@pytest.mark.parametrize("text", ["", "x", "1.5", "9" * 21, "9" * 5000, "1" + "0" * 400])
def test_a_time_that_is_none_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"time|invalid literal"):
        parse_time(text)


def test_a_time_is_in_milliseconds() -> None:
    assert parse_time("1790000000500") == 1_790_000_000.5
