"""The frames of connections in memory: a record of them, and faults on demand.

Owns which frames arrive, when and as what. Knows nothing of connections.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import msgspec

from ocppj.codec import Codec
from ocppj.errors import DecodeError
from ocppj.frames import CALL, SEND, Frame
from ocppj.session import Role

__all__ = ["Fault", "Recorded", "Rule", "Traffic", "Wire"]

Fault: TypeAlias = Literal["drop", "delay", "duplicate", "garble", "cut"]


@dataclass(frozen=True, slots=True)
class Recorded:
    """A frame as its sender sent it.

    Attributes:
        station_id: identity of the charging station, on either end.
        sender: who sent it.
        data: its bytes.
        message_type: 2 to 6; `None` if it is not a frame.
        message_id: `None` if it is not a frame.
        action: of a CALL or SEND, or of the call that it answers; `None` if there is none.
        fault: what happened to it on the way; `None` if it arrived unchanged.
        version: the OCPP version of the connection.
    """

    station_id: str
    sender: Role
    data: bytes
    message_type: int | None
    message_id: str | None
    action: str | None
    fault: Fault | None
    version: str

    @property
    def frame(self) -> Frame:
        """The decoded frame.

        Raises:
            DecodeError: it is invalid.
        """
        pending = {self.message_id: self.action} if self.message_id and self.action else {}
        return Codec(self.version).decode(self.data, pending)

    @property
    def payload(self) -> Any:
        """The last element of the frame, as JSON values: the payload, or the error details."""
        return msgspec.json.decode(self.data)[-1]


@dataclass(slots=True)
class Rule:
    """What happens to frames that match, as long as there are times left."""

    fault: Fault
    times: int
    wanted: Mapping[str, object]
    seconds: float = 0.0

    def matches(self, frame: Recorded) -> bool:
        """Tell whether the rule is for a frame."""
        return self.times > 0 and all(
            getattr(frame, name) == value for name, value in self.wanted.items()
        )


class Traffic:
    """What the transport reports to a `Wire`."""

    def __init__(self) -> None:
        self.frames: list[Recorded] = []
        self.rules: list[Rule] = []
        self.cuts: set[Callable[[], None]] = set()
        self._actions: dict[tuple[str, Role, str], str] = {}  # of calls, by who has sent them

    def sent(
        self, station_id: str, sender: Role, data: bytes, version: str
    ) -> tuple[Fault | None, float]:
        """Record a frame; return what happens to it, and how many seconds it is delayed."""
        message_type = message_id = action = None
        with suppress(DecodeError):
            head = Codec(version).peek(data)
            message_type, message_id, action = head.message_type, head.message_id, head.action
            if message_type in (CALL, SEND):
                self._actions[station_id, sender, message_id] = str(action)
            else:
                caller: Role = "charging_station" if sender == "csms" else "csms"
                action = self._actions.get((station_id, caller, message_id))
        frame = Recorded(station_id, sender, data, message_type, message_id, action, None, version)
        rule = next((rule for rule in self.rules if rule.matches(frame)), None)
        if rule is None:
            self.frames.append(frame)
            return None, 0.0
        rule.times -= 1
        self.frames.append(replace(frame, fault=rule.fault))
        return rule.fault, rule.seconds


class Wire:
    """The frames of the connections of `connected`, and faults for them.

    The methods `drop`, `delay`, `duplicate`, `garble` and `cut` affect frames that are sent from
    now on. They have the same arguments. A frame matches if all that are given match:

    - `sender`: `"csms"` or `"charging_station"`;
    - `action`: of a CALL or SEND, or of the call that the frame answers;
    - `message_type`: 2 (CALL) to 6 (SEND);
    - `station_id`: identity of the charging station;
    - `times`: how many of the frames that match; 1 by default.

    Attributes:
        frames: all frames that were sent, in their order.
    """

    def __init__(self, traffic: Traffic) -> None:
        self.frames: Sequence[Recorded] = traffic.frames
        self._traffic = traffic

    @property
    def actions(self) -> list[str | None]:
        """The action of each frame; that of an answer is the action of its call."""
        return [frame.action for frame in self.frames]

    def drop(self, *, times: int = 1, **wanted: Any) -> None:
        """Lose frames."""
        self._add(Rule("drop", times, wanted))

    def delay(self, seconds: float, *, times: int = 1, **wanted: Any) -> None:
        """Hold frames up, and with them all that come after them in the same direction."""
        self._add(Rule("delay", times, wanted, seconds))

    def duplicate(self, *, times: int = 1, **wanted: Any) -> None:
        """Let frames arrive twice."""
        self._add(Rule("duplicate", times, wanted))

    def garble(self, *, times: int = 1, **wanted: Any) -> None:
        """Cut off the second half of frames, so that they are not JSON any more."""
        self._add(Rule("garble", times, wanted))

    def cut(self, *, times: int = 1, **wanted: Any) -> None:
        """End the connection instead of delivering a frame, without a close frame.

        Without arguments, all connections end at once.
        """
        if wanted:
            self._add(Rule("cut", times, wanted))
        else:
            for cut in [*self._traffic.cuts]:
                cut()

    def _add(self, rule: Rule) -> None:
        for name in rule.wanted.keys() - {"sender", "action", "message_type", "station_id"}:
            raise TypeError(f"{rule.fault}: unexpected argument {name!r}")
        self._traffic.rules.append(rule)
