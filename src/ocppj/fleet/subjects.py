"""What the broker sees of a fleet: subjects, headers and the names of buckets and streams.

This module is the contract for workers and callers in other languages; `docs/fleet.md` has it in
prose. It does no I/O.
"""

import re
from collections.abc import Mapping
from typing import Final, TypeVar
from urllib.parse import quote_from_bytes, unquote_to_bytes

import msgspec

from ocppj.catalog import VERSIONS

__all__ = [
    "ACTION",
    "CLOSE",
    "DEADLINE",
    "EXPIRES",
    "GENERATION",
    "MAX_TOKEN_LENGTH",
    "NOT_SENT",
    "STATION",
    "STATUS",
    "TIMEOUT",
    "TRACEPARENT",
    "VERSION_TOKENS",
    "VIOLATIONS",
    "Subjects",
    "action_of",
    "headers",
    "parse_headers",
    "parse_json",
    "parse_time",
    "station_of",
    "status_of",
    "token",
]

T = TypeVar("T")

STATION: Final = "Ocpp-Station"
GENERATION: Final = "Ocpp-Generation"
DEADLINE: Final = "Ocpp-Deadline"
"""Unix time in ms by the sender's clock: see "Clocks" in `docs/fleet.md`."""

VIOLATIONS: Final = "Ocpp-Violations"
TRACEPARENT: Final = "traceparent"
ACTION: Final = "Ocpp-Action"
TIMEOUT: Final = "Ocpp-Timeout"
EXPIRES: Final = "Ocpp-Expires"
CLOSE: Final = "Ocpp-Close"
STATUS: Final = "Ocpp-Status"
NOT_SENT: Final = "NotSent"
"""`code` in a reply with the status `gone` or `timeout`: the station has not got the command."""

MAX_TOKEN_LENGTH: Final = 576
"""Maximum length of a token: 48 characters of four UTF-8 bytes each, percent-encoded.
OCPP 1.6 does not limit an identity, but NATS closes the connection of a client whose subject
has more than 4 KiB."""

MAX_HEADER_SIZE: Final = 4096
"""Maximum size of the headers that are looked at, in bytes."""

VERSION_TOKENS: Final[Mapping[str, str]] = {
    version.name: version.package.rpartition(".")[2] for version in VERSIONS
}
"""OCPP version -> its token in a subject, `v16` and the like."""

_VERSION_NAMES: Final = {code: name for name, code in VERSION_TOKENS.items()}
_PLAIN: Final = re.compile(rf"[A-Za-z0-9_-]{{1,{MAX_TOKEN_LENGTH}}}", re.ASCII)
_TOKEN: Final = re.compile(r"(?:[A-Za-z0-9_-]|%[0-9A-F]{2})+", re.ASCII)
_PREFIX: Final = re.compile(r"[A-Za-z0-9_-]{1,32}", re.ASCII)
_VERSION_LINE: Final = b"NATS/1.0"
_LINE: Final = b"\r\n"
_WHITE: Final = " \t\r\n\v\f"


def token(text: str) -> str:
    """Return the subject token for an identity or an action.

    The UTF-8 bytes of all characters but `A-Z a-z 0-9 - _` become `%XX`, so that no text can be
    more than one token, or a wildcard.

    Raises:
        ValueError: the text is empty, too long, or not valid Unicode.
    """
    if _PLAIN.fullmatch(text):  # as nearly all are
        return text
    try:
        # `quote` leaves dots and tildes alone.
        found = quote_from_bytes(text.encode(), "").replace(".", "%2E").replace("~", "%7E")
    except UnicodeEncodeError:
        raise ValueError(f"{text!r:.80} is not valid Unicode") from None
    if not 1 <= len(found) <= MAX_TOKEN_LENGTH:
        problem = f"{text!r:.80} has a subject token of {len(found)} characters"
        raise ValueError(f"{problem}: use 1 to {MAX_TOKEN_LENGTH}")
    return found


def _text(code: str) -> str:
    if _PLAIN.fullmatch(code):  # as nearly all are
        return code
    if not _TOKEN.fullmatch(code):
        raise ValueError(f"{code!r:.80} is not a subject token")
    text = unquote_to_bytes(code).decode()
    if token(text) != code:
        raise ValueError(f"{code!r:.80} is not the subject token of {text!r:.80}")
    return text


def station_of(code: str) -> str:
    """Return the station identity of a token.

    Raises:
        ValueError: it is not the token of any identity.
    """
    return _text(code)


def action_of(code: str) -> str:
    """Return the action of a token.

    Raises:
        ValueError: it is not the token of any action.
    """
    return _text(code)


MAX_TIME_DIGITS: Final = 20


class Subjects:
    """The subjects of one fleet.

    Args:
        prefix: first token of all its subjects, and the beginning of the names of its buckets and
            its stream: up to 32 letters, digits, `-` and `_`. Two fleets on one broker need two.

    Raises:
        ValueError: the prefix has other characters, or none.
    """

    __slots__ = ("journal", "nodes", "prefix", "stations")

    def __init__(self, prefix: str = "ocpp") -> None:
        if not _PREFIX.fullmatch(prefix):
            raise ValueError(f"prefix={prefix!r}: use 1 to 32 letters, digits, - and _")
        self.prefix = prefix
        self.stations = f"{prefix}_stations"
        self.nodes = f"{prefix}_nodes"
        self.journal = f"{prefix}_journal"

    def up(self, version: str, station: str = "*", action: str = "*") -> str:
        """Return where a station's frames go.

        Args:
            version: of OCPP.
            station: its token.
            action: its token.
        """
        return f"{self.prefix}.up.{VERSION_TOKENS[version]}.{station}.{action}"

    def stored(self, version: str, station: str = "*", action: str = "*") -> str:
        """Return where frames go that the stream keeps."""
        return f"{self.prefix}.journal.{VERSION_TOKENS[version]}.{station}.{action}"

    def call(self, station: str) -> str:
        """Return where commands to a station go."""
        return f"{self.prefix}.call.{station}"

    def event(self, station: str = "*") -> str:
        """Return where the events of a station go."""
        return f"{self.prefix}.event.{station}"

    def tap(self, station: str = "*") -> str:
        """Return where the frames of a station are asked for."""
        return f"{self.prefix}.tap.{station}"

    def frame(self, station: str) -> str:
        """Return where the frames of a station are shown that were asked for."""
        return f"{self.prefix}.frame.{station}"

    def summary(self, node: str | None = None) -> str:
        """Return where a node sums up what its stations do; or where it is asked for that."""
        return f"{self.prefix}.summary" if node is None else f"{self.prefix}.summary.{node}"

    def node(self, node: str) -> str:
        """Return where other nodes reach a node."""
        return f"{self.prefix}.node.{node}"

    @staticmethod
    def split(subject: str) -> tuple[str, str, str]:
        """Return the version's name, the station's identity and the action of a station's frame.

        Raises:
            ValueError: the subject has not the form of `up` or `stored`.
        """
        parts = subject.split(".")
        if len(parts) != 5 or parts[2] not in _VERSION_NAMES:
            raise ValueError(f"{subject!r:.80} is not the subject of a station's frame")
        return _VERSION_NAMES[parts[2]], station_of(parts[3]), action_of(parts[4])


def parse_json(data: bytes, cls: type[T]) -> T:
    """Return what the JSON of a message says.

    Raises:
        ValueError: it is not JSON, or not of this type.
    """
    try:
        return msgspec.json.decode(data, type=cls)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"not a {cls.__name__}: {error}") from error


def headers(values: Mapping[str, str]) -> bytes:
    """Return headers as NATS has them on the wire.

    Raises:
        ValueError: a value has a line break.
    """
    lines = [_VERSION_LINE]
    for name, value in values.items():
        if "\r" in value or "\n" in value:
            raise ValueError(f"{name}={value!r:.80}: a header has no line break")
        lines.append(f"{name}: {value}".encode())
    return _LINE.join((*lines, b"", b""))


def parse_headers(data: bytes) -> dict[str, str]:
    """Return the headers of a message; what is not a header is skipped.

    Only the first 4 KiB are looked at. Bytes that are not UTF-8 become U+FFFD.
    """
    found = {}
    for line in data[:MAX_HEADER_SIZE].decode("utf-8", "replace").split("\r\n")[1:]:
        name, colon, value = line.partition(":")
        if colon:
            found[name] = value.strip(_WHITE)
    return found


def status_of(data: bytes) -> int | None:
    """Return the status that the server has put before the headers, such as 503: no responders."""
    status = data[len(_VERSION_LINE) + 1 : len(_VERSION_LINE) + 4]
    return int(status) if status.isdigit() else None


def parse_time(text: str) -> float:
    """Return a Unix time in seconds from the text of one in milliseconds.

    Raises:
        ValueError: it is not an integer, or has more digits than a time.
    """
    if len(text) > MAX_TIME_DIGITS:
        raise ValueError(f"{len(text)} characters are no time")
    return int(text) / 1000
