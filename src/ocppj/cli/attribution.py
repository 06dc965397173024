"""Attributes the lines of a log to stations, without knowing the logger's format.

A logger writes the same station or connection around a call and around its answer. So a column of
words that are equal around calls and their answers, and that differ between calls, names stations.
"""

import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import suppress
from operator import itemgetter
from typing import Final, NamedTuple

from ocppj.cli.log import Line
from ocppj.codec import Codec
from ocppj.errors import DecodeError
from ocppj.frames import CALL

__all__ = ["station_key"]

MAX_AROUND: Final = 512
"""Maximum number of bytes compared of the text around a frame."""

MAX_COLUMNS: Final = 24
"""Maximum number of words compared, counted from the left and again from the right."""

_DATE: Final = rb"\d{4}[-/.]\d\d[-/.]\d\d"
_TIME: Final = rb"\d\d?:\d\d(?::\d\d)?(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?"
_CLOCK: Final = re.compile(rb"(?<![\w:])(?:%b(?:[T ]+%b)?|%b)(?![\w:])" % (_DATE, _TIME, _TIME))
_TICK: Final = b"\0"
"""Replaces the digits of dates and times, which may be equal around a call and its answer."""

_TICKS: Final = bytes.maketrans(b"0123456789", _TICK * 10)
_BETWEEN: Final = b"[](){}<>|,;:=\"'/\\"
_BLANKS: Final = bytes.maketrans(_BETWEEN, b" " * len(_BETWEEN))


class _Head(NamedTuple):
    """A frame of the sample, and the words around it."""

    message_id: str
    is_call: bool
    words: list[bytes]

    def word(self, column: int) -> bytes | None:
        """Return the word in a column, counted from the left or, if negative, from the right."""
        word = self.words[column] if -len(self.words) <= column < len(self.words) else _TICK
        return None if _TICK in word else word


def station_key(sample: Iterable[Line]) -> Callable[[bytes], Hashable]:
    """Return a function from the text around a frame to a key of its station.

    If the sample does not show where stations are named, the key is always `None`.
    """
    heads = list(_heads(sample))
    candidates = (*range(MAX_COLUMNS), *range(-MAX_COLUMNS, 0))
    # A word that is counted from the left and from the right is needed once.
    columns: dict[tuple[bytes | None, ...], int] = {}
    for column in candidates:
        if _names_station(heads, column):
            columns.setdefault(tuple(head.word(column) for head in heads), column)
    if not columns:
        return lambda _: None
    pick = itemgetter(*columns.values())

    def key(around: bytes) -> Hashable:
        try:
            words: Hashable = pick(_words(around))
        except IndexError:
            return None
        return words

    return key


def _words(around: bytes) -> list[bytes]:
    return around[:MAX_AROUND].translate(_BLANKS).split()


def _heads(sample: Iterable[Line]) -> Iterator[_Head]:
    peek = Codec("2.1").peek  # has all message types; heads are the same in all versions
    for _, text, around in sample:
        with suppress(DecodeError):
            head = peek(text)
            ticking = _CLOCK.sub(lambda clock: clock.group().translate(_TICKS), around[:MAX_AROUND])
            yield _Head(head.message_id, head.message_type == CALL, _words(ticking))


def _names_station(heads: list[_Head], column: int) -> bool:
    """Return whether the word in a column names the station.

    At least 98 % of the answers must have the word of their call: a few may answer calls before the
    sample. Stations that count their messages share ids, so the call is found by id and word. At
    most 90 % of the words may be distinct: a word that is new for each call names the call.
    """
    pending: Counter[str] = Counter()
    pending_words: Counter[tuple[str, bytes]] = Counter()
    words: Counter[bytes] = Counter()
    answers = same = 0
    for head in heads:
        word = head.word(column)
        if head.is_call:
            pending[head.message_id] += 1
            if word is not None:
                words[word] += 1
                pending_words[head.message_id, word] += 1
        elif pending[head.message_id]:
            answers += 1
            pending[head.message_id] -= 1
            if word is not None and pending_words[head.message_id, word]:
                same += 1
                pending_words[head.message_id, word] -= 1
    repeats = len(words) == 1 or len(words) * 10 <= words.total() * 9
    return answers > 0 and same * 50 >= answers * 49 and repeats
