"""Which station a line of a log belongs to, as far as the logger tells.

Owns how that is found out without knowing the logger: a word that is the same around a call and
around its answer, place by place, names the station, the connection, or nothing that varies.
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
"""Bytes that are looked at of what is around a frame."""

MAX_COLUMNS: Final = 24
_DATE: Final = rb"\d{4}[-/.]\d\d[-/.]\d\d"
_TIME: Final = rb"\d\d?:\d\d(?::\d\d)?(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?"
_CLOCK: Final = re.compile(rb"(?<![\w:])(?:%b(?:[T ]+%b)?|%b)(?![\w:])" % (_DATE, _TIME, _TIME))
_TICK: Final = b"\0"
"""Stands for the digits of a clock, which is no station though it may show the same for a while."""

_TICKS: Final = bytes.maketrans(b"0123456789", _TICK * 10)
_BETWEEN: Final = b"[](){}<>|,;:=\"'/\\"
_BLANKS: Final = bytes.maketrans(_BETWEEN, b" " * len(_BETWEEN))


class _Head(NamedTuple):
    """A frame of the sample, and the words around it."""

    message_id: str
    is_call: bool
    words: list[bytes]

    def word(self, column: int) -> bytes | None:
        """Return the word at a place, counted from the left or, negative, from the right."""
        word = self.words[column] if -len(self.words) <= column < len(self.words) else _TICK
        return None if _TICK in word else word


def station_key(sample: Iterable[Line]) -> Callable[[bytes], Hashable]:
    """Return what makes of the text around a frame a key of its station.

    Where the sample does not show it, the key is always `None`.
    """
    heads = list(_heads(sample))
    places = (*range(MAX_COLUMNS), *range(-MAX_COLUMNS, 0))
    columns = [column for column in places if _names_station(heads, column)]
    if not columns:
        return lambda _: None
    pick = itemgetter(*columns)

    def key(around: bytes) -> Hashable:
        try:
            found: Hashable = pick(_words(around))
        except IndexError:
            return None
        return found

    return key


def _words(around: bytes) -> list[bytes]:
    return around[:MAX_AROUND].translate(_BLANKS).split()


def _heads(sample: Iterable[Line]) -> Iterator[_Head]:
    peek = Codec("2.1").peek  # which knows all message types; heads are the same in all versions
    for _, text, around in sample:
        with suppress(DecodeError):
            head = peek(text)
            ticking = _CLOCK.sub(lambda clock: clock.group().translate(_TICKS), around[:MAX_AROUND])
            yield _Head(head.message_id, head.message_type == CALL, _words(ticking))


def _names_station(heads: list[_Head], column: int) -> bool:
    """Tell whether answers have the word of their call in a column.

    Stations that count their messages use the same ids, so that a call of the same id and word is
    looked for. A few answers may be to calls that are not in the sample. A word that is new with
    each call is an id of the call.
    """
    waiting: Counter[str] = Counter()
    alike: Counter[tuple[str, bytes]] = Counter()
    words: Counter[bytes] = Counter()
    answers = same = 0
    for head in heads:
        word = head.word(column)
        if head.is_call:
            waiting[head.message_id] += 1
            if word is not None:
                words[word] += 1
                alike[head.message_id, word] += 1
        elif waiting[head.message_id]:
            answers += 1
            waiting[head.message_id] -= 1
            if word is not None and alike[head.message_id, word]:
                same += 1
                alike[head.message_id, word] -= 1
    repeats = len(words) == 1 or len(words) * 10 <= words.total() * 9
    return answers > 0 and same * 50 >= answers * 49 and repeats
