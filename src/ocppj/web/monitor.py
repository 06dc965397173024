"""What stations say, summed up for people who look: the tap behind the operator's page.

Everything that is kept is bounded: frames by their bytes, stations and models by their number. The
frames kept in memory are unchanged; `Monitor.shown` removes secrets before anything leaves.
"""

import time
from collections import Counter, OrderedDict, deque
from typing import Any, Final

import msgspec

from ocppj.aio import Redaction, TappedFrame
from ocppj.aio.summary import OTHER, UNKNOWN, Summary, model_of
from ocppj.frames import CALL, CALLERROR, CALLRESULT, SEND
from ocppj.web.history import History

__all__ = ["Monitor", "StationTraffic"]

MAX_STATIONS: Final = 20_000
MAX_FRAMES: Final = 50
"""Maximum number of frames kept for each station."""

MAX_KEPT: Final = 100_000
"""Maximum number of frames kept for all stations together."""

MAX_FRAME_BYTES: Final = 32 * 2**20
MAX_MODELS: Final = 200
MAX_ACTIONS: Final = 500
MAX_VIOLATIONS: Final = 5_000


class StationTraffic:
    """What is known of a station beside its connection.

    Attributes:
        vendor: from its last BootNotification; empty before.
        model: as `vendor`.
        frames: number of frames in both directions.
        refused: number of its frames that were not valid.
        violations: rule -> number of violations tolerated.
        seen: Unix time of its last frame.
        revision: of the monitor, when this last changed.
        recent: its last frames, at most 50, the oldest first.
        first: number of the oldest of them.
    """

    __slots__ = (
        "_minute",
        "_pending",
        "first",
        "frames",
        "model",
        "recent",
        "refused",
        "revision",
        "seen",
        "vendor",
        "violations",
    )

    def __init__(self) -> None:
        self.vendor = self.model = ""
        self.frames = self.refused = self.revision = self.first = 0
        self.violations: Counter[str] = Counter()
        self.seen = 0.0
        self.recent: deque[TappedFrame] = deque()
        self._minute: deque[list[float]] = deque(maxlen=7)  # start of ten seconds, frames
        self._pending: dict[tuple[str, str], float] = {}

    def drop_oldest(self) -> int:
        """Forget the oldest frame, and return its number of bytes."""
        self.first += 1
        return len(self.recent.popleft().data)

    def count(self, now: float) -> None:
        """Count a frame."""
        self.frames += 1
        self.seen = now
        start = now - now % 10
        if not self._minute or self._minute[-1][0] != start:
            self._minute.append([start, 0])
        self._minute[-1][1] += 1

    def rate(self, now: float) -> int:
        """Return the number of frames in the last minute, to ten seconds."""
        return int(sum(frames for start, frames in self._minute if start > now - 60))

    def latency(self, frame: TappedFrame) -> float | None:
        """Return the seconds from a call to this answer; `None` if it is none."""
        if frame.action is None:
            return None
        if frame.message_type == CALL:
            self._pending[frame.direction, frame.action] = frame.time
        elif frame.message_type in (CALLRESULT, CALLERROR):
            caller = "out" if frame.direction == "in" else "in"
            start = self._pending.pop((caller, frame.action), None)
            return None if start is None else max(frame.time - start, 0.0)
        return None


class Monitor:
    """A tap that remembers: give it to `CSMS(..., tap=monitor)` and to `application`.

    Args:
        redaction: removes secrets from frames that are shown.
        max_bytes: of all frames kept.
        max_stations: maximum number of stations that are remembered, connected or not. Beyond it,
            the one whose last frame is oldest is forgotten.

    Attributes:
        forgotten: revision of the last change of a station that is forgotten.
        revision: grows with every change.
        history: frames and latencies over time.
        refused: action -> number of frames that were not valid.
        violations: (vendor and model, rule) -> number of violations tolerated.
    """

    def __init__(
        self,
        *,
        redaction: Redaction | None = None,
        max_bytes: int = MAX_FRAME_BYTES,
        max_stations: int = MAX_STATIONS,
    ) -> None:
        if max_stations < 1:
            raise ValueError(f"max_stations={max_stations!r}: use 1 or more")
        self._redaction = redaction or Redaction()
        self._max_bytes = max_bytes
        self._max_stations = max_stations
        self._bytes = 0
        self._stations: OrderedDict[str, StationTraffic] = OrderedDict()
        self._kept: deque[tuple[str, int]] = deque()  # stations and numbers of frames, in order
        self.revision = self.forgotten = 0
        self.history = History()
        self.refused: Counter[str] = Counter()
        self.violations: Counter[tuple[str, str]] = Counter()
        self._models: set[str] = set()

    def traffic(self, station_id: str) -> StationTraffic | None:
        """Return what is known of a station; `None` if it has sent nothing."""
        return self._stations.get(station_id)

    def touch(self, station_id: str) -> None:
        """Note that a station has connected."""
        self.revision += 1
        self._traffic(station_id).revision = self.revision

    def _traffic(self, station_id: str) -> StationTraffic:
        traffic = self._stations.get(station_id)
        if traffic is None:
            traffic = self._stations[station_id] = StationTraffic()
            if len(self._stations) > self._max_stations:
                _, dropped = self._stations.popitem(last=False)
                self.forgotten = max(self.forgotten, dropped.revision)
                self._bytes -= sum(len(frame.data) for frame in dropped.recent)
        else:
            self._stations.move_to_end(station_id)
        return traffic

    def __call__(self, frame: TappedFrame) -> None:
        """Take in a frame."""
        traffic = self._traffic(frame.station_id)
        self.revision += 1
        traffic.revision = self.revision
        traffic.count(frame.time)
        received = frame.direction == "in"
        refused = bool(received and frame.outcome and frame.message_type != CALLERROR)
        if refused:
            traffic.refused += 1
            self._count_refused(frame.action or UNKNOWN)
        if received and frame.action == "BootNotification" and not refused:
            self._note_model(traffic, frame)
        for violation in frame.violations:
            traffic.violations[violation.rule] += 1
            self._count_violations(model_of(traffic.vendor, traffic.model), violation.rule)
        self.history.add(frame.time, frame.direction, traffic.latency(frame), refused=refused)
        self._keep(traffic, frame)

    def add(self, summary: Summary) -> None:
        """Take in what a node of a fleet has summed up."""
        self.history.merge(summary, time.time())
        for action, number in summary.refused.items():
            self._count_refused(action, number)
        for model, rules in summary.violations.items():
            for rule, number in rules.items():
                self._count_violations(model, rule, number)

    def _count_refused(self, action: str, number: int = 1) -> None:
        if action not in self.refused and len(self.refused) >= MAX_ACTIONS:
            action = OTHER
        self.refused[action] += number

    def _count_violations(self, model: str, rule: str, number: int = 1) -> None:
        if model not in self._models:
            if len(self._models) >= MAX_MODELS:
                model = OTHER
            else:
                self._models.add(model)
        if (model, rule) not in self.violations and len(self.violations) >= MAX_VIOLATIONS:
            model = rule = OTHER
        self.violations[model, rule] += number

    def _note_model(self, traffic: StationTraffic, frame: TappedFrame) -> None:
        if frame.message_type not in (CALL, SEND):
            return
        try:
            payload = msgspec.json.decode(frame.data)[3]
            station = payload.get("chargingStation", payload)
            vendor = station.get("vendorName", station.get("chargePointVendor"))
            model = station.get("model", station.get("chargePointModel"))
        except (msgspec.DecodeError, LookupError, RecursionError, AttributeError):
            return  # a lenient codec accepts other shapes too
        traffic.vendor, traffic.model = str(vendor or "")[:50], str(model or "")[:50]

    def _keep(self, traffic: StationTraffic, frame: TappedFrame) -> None:
        self._kept.append((frame.station_id, traffic.first + len(traffic.recent)))
        traffic.recent.append(frame)
        self._bytes += len(frame.data)
        if len(traffic.recent) > MAX_FRAMES:
            self._bytes -= traffic.drop_oldest()
        while self._bytes > self._max_bytes or len(self._kept) > MAX_KEPT:
            station_id, number = self._kept.popleft()
            oldest = self._stations.get(station_id)
            if oldest is not None and oldest.recent and oldest.first == number:
                self._bytes -= oldest.drop_oldest()

    def shown(self, frame: TappedFrame) -> dict[str, Any]:
        """Return a frame as the API shows it, without its secrets."""
        data = self._redaction(frame.data)
        row: dict[str, Any] = {
            "time": frame.time,
            "direction": frame.direction,
            "messageType": frame.message_type,
            "action": frame.action,
            "outcome": frame.outcome,
            "violations": [
                {"rule": violation.rule, "path": violation.path} for violation in frame.violations
            ],
            "size": len(frame.data),
        }
        if data is not None:
            row["frame"] = msgspec.Raw(data)
        return row
