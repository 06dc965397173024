"""A search for the most expensive frame at the default limits, for `python -m benchmarks.faults`.

A frame is a place with room for values, filled with a few of them in turn. Every place is tried
with every value, strictly and leniently; then the slowest frames are varied at random.
"""

import random
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from time import process_time
from typing import Final, NamedTuple

from ocppj import Codec, DecodeError, Policy
from ocppj.codec import MAX_SIZE

__all__ = ["Candidate", "least_time", "memory", "search"]

NESTED: Final = "[" * 17 + "]" * 17
TOO_DEEP: Final = "[" * 29 + "]" * 29
PLACES: Final = (
    '[2,"1","DataTransfer",{"vendorId":"x","data":[*]}]',
    '[2,"1","DataTransfer",{"vendorId":"`","data":[*],"surplus":1}]',
    '[2,"1","DataTransfer",{"data":[*]}]',
    '[2,"1","DataTransfer",{"vendorId":null,"data":{"":[*]}}]',
    f'[2,"1","DataTransfer",{{"vendorId":"x","data":[{NESTED},*]}}]',
    f'[2,"1","Heartbeat",{{"customData":{{"vendorId":"`","data":[{TOO_DEEP},*]}}}}]',
    '[2,"1","Heartbeat",{"customData":{"vendorId":1,"data":[*]}}]',
    '[2,"1","MeterValues",{"evseId":"1","meterValue":[{"timestamp":"x","sampledValue":[*]}]}]',
    '[2,"1","NotifyReport",{"requestId":1,"generatedAt":"x","seqNo":0,"reportData":[*]}]',
    '[2,"1","NoSuch",{"data":[*]}]',
    '[3,"1",{"data":[*]}]',
    '[4,"1","GenericError","",{"data":[*]}]',
    '[4,"1","GenericError",[*]]',
    "[*]",
)
UNITS: Final = (
    "0",
    "-1",
    "1e23",
    "9e302",
    "1e-310",
    "0.1",
    "9007199254740993.0",
    "1234567890123456789012",
    "[]",
    "{}",
    "[[]]",
    '{"":{}}',
    '{"a":1}',
    "[[[[[[[]]]]]]]",
    TOO_DEEP,
    "null",
    "true",
    '""',
    '"`"',
    '"\\n"',
    '"\\u0041"',
    '"\\ud83d\\ude00"',
    '"é"',
    '"[{"',
    '"' + "x" * 300 + '"',
    '{"value":1}',
    '{"value":"1","a":null}',
    '{"component":{"name":1},"variable":{"name":"x"}}',
)
POLICIES: Final = {"strict": Policy.strict(), "lenient": Policy.lenient()}
ROUNDS: Final = 6
RANDOM: Final = 300
KEPT: Final = 12


class Candidate(NamedTuple):
    """A frame of the search.

    Attributes:
        policy: name of the codec's policy.
        place: the frame around the values.
        units: the values, repeated in turn.
    """

    policy: str
    place: str
    units: tuple[str, ...]

    def frame(self) -> bytes:
        """Return the frame, of the maximum size by default."""
        unit = ",".join(self.units)
        room = MAX_SIZE - len(self.place.encode())
        count = max(1, room // (len(unit.encode()) + 1))
        return self.place.replace("*", ",".join([unit] * count)).encode()

    def described(self) -> str:
        """Return a description for a table."""
        unit = ", ".join(f"{unit:.24}" for unit in self.units)
        return (
            f"{self.policy}: `{self.place.replace('`', chr(39)):.60}` filled with `{unit}`".replace(
                "|", "\\|"
            )
        )


def _decoder(one: Candidate) -> Callable[[], object]:
    decode, data = Codec("2.0.1", policy=POLICIES[one.policy]).decode, one.frame()

    def work() -> object:
        with suppress(DecodeError):
            return decode(data, {"1": "DataTransfer"})
        return None

    return work


def least_time(work: Callable[[], object], rounds: int) -> float:
    """Return the minimum processor time of some rounds, in seconds."""
    times = []
    for _ in range(rounds):
        start = process_time()
        work()
        times.append(process_time() - start)
    return min(times)


def memory(one: Candidate) -> tuple[int, int]:
    """Return the bytes that the decoded frame keeps, and the peak while decoding."""
    work = _decoder(one)
    tracemalloc.start()
    try:
        kept = work()
        held, peak = tracemalloc.get_traced_memory()
        del kept
        return held, peak
    finally:
        tracemalloc.stop()


def _varied(one: Candidate, rng: random.Random) -> Candidate:
    match rng.randrange(4):
        case 0:
            return one._replace(policy=rng.choice(list(POLICIES)))
        case 1:
            return one._replace(place=rng.choice(PLACES))
        case 2:
            return one._replace(units=(*one.units[:3], rng.choice(UNITS)))
        case _:
            return one._replace(units=(rng.choice(UNITS), *one.units[1:]))


def search(seed: int = 1) -> tuple[int, list[tuple[float, Candidate]]]:
    """Return how many frames were tried, and the slowest with their seconds, slowest first."""
    rng = random.Random(seed)  # noqa: S311  not used for a secret
    times: dict[Candidate, float] = {}

    def tried(one: Candidate) -> None:
        if one not in times:
            times[one] = least_time(_decoder(one), 1)

    for policy in POLICIES:
        for place in PLACES:
            for unit in UNITS:
                tried(Candidate(policy, place, (unit,)))
    for _ in range(ROUNDS):
        best = sorted(times, key=times.__getitem__, reverse=True)[:KEPT]
        for _ in range(RANDOM // ROUNDS):
            tried(_varied(rng.choice(best), rng))
    best = sorted(times, key=times.__getitem__, reverse=True)[:KEPT]
    again = [(least_time(_decoder(one), 5), one) for one in best]
    return len(times), sorted(again, reverse=True)
