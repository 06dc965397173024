"""What the stations of a node do, summed up every ten seconds for the operator's page of a fleet.

A summary is small, whatever stations send: its actions and rules are those that the codec knows,
and its models have a limit.
"""

from bisect import bisect_left
from collections import Counter
from typing import Annotated, Any, Final

import msgspec

from ocppj.aio.metrics import Direction, Metrics
from ocppj.frames import CALLERROR
from ocppj.policy import Violation

__all__ = ["LATENCIES", "OTHER", "SECONDS", "UNKNOWN", "Summarizer", "Summary", "model_of"]

SECONDS: Final = 10
"""Seconds that a summary covers. They begin at a multiple of it, by Unix time."""

LATENCIES: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
"""Upper bounds of the latency classes, in seconds; there is one more above the last."""

CLASSES: Final = len(LATENCIES) + 1
MAX_MODELS: Final = 50
MAX_REMEMBERED: Final = 20_000
"""Maximum number of stations whose model is remembered."""

MAX_NAME: Final = 50
OTHER: Final = "other"
UNKNOWN: Final = "unknown"

Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class Summary(msgspec.Struct, rename="camel"):
    """What the stations of a node have done in ten seconds.

    Attributes:
        node: its id.
        start: Unix time of the beginning.
        received: number of frames.
        sent: as `received`.
        latencies: number of calls answered, by the classes of `LATENCIES`.
        refused: action -> number of frames received that were not valid.
        violations: vendor and model -> rule -> number of violations tolerated.
    """

    node: str
    start: Annotated[float, msgspec.Meta(ge=0, le=1e11)]
    received: Count
    sent: Count
    latencies: Annotated[list[Count], msgspec.Meta(min_length=CLASSES, max_length=CLASSES)]
    refused: dict[str, Count]
    violations: dict[str, dict[str, Count]]


class Summarizer:
    """Counts for summaries, and passes everything on: the `Metrics` of a node.

    Args:
        node: its id.
        metrics: of the user.
    """

    def __init__(self, node: str, metrics: Metrics | None) -> None:
        self._node = node
        self._metrics = metrics
        self._models: dict[str, str] = {}
        self._reset()

    def _reset(self) -> None:
        self._received = self._sent = 0
        self._latencies = [0] * CLASSES
        self._refused: Counter[str] = Counter()
        self._violations: dict[str, Counter[str]] = {}

    def take(self, start: float) -> Summary:
        """Return what was counted since the last time.

        Args:
            start: of the summary.
        """
        summary = Summary(
            self._node,
            start,
            self._received,
            self._sent,
            self._latencies,
            dict(self._refused),
            {model: dict(rules) for model, rules in self._violations.items()},
        )
        self._reset()
        return summary

    def booted(self, station_id: str, request: Any) -> None:
        """Note the model of a station.

        Args:
            station_id: its identity.
            request: the BootNotification, of any version.
        """
        models = self._models
        models.pop(station_id, None)
        if len(models) >= MAX_REMEMBERED:
            del models[next(iter(models))]
        # What a policy has tolerated may be missing, or of another type.
        station = getattr(request, "charging_station", None)
        models[station_id] = model_of(
            getattr(request, "charge_point_vendor", getattr(station, "vendor_name", None)),
            getattr(request, "charge_point_model", getattr(station, "model", None)),
        )

    def frame(
        self,
        station_id: str,
        direction: Direction,
        message_type: int | None,
        action: str | None,
        outcome: str,
    ) -> None:
        """Count a frame."""
        if direction == "out":
            self._sent += 1
        else:
            self._received += 1
            if outcome and message_type != CALLERROR:
                self._refused[action or UNKNOWN] += 1
        if self._metrics is not None:
            self._metrics.frame(station_id, direction, message_type, action, outcome)

    def violation(self, station_id: str, violation: Violation) -> None:
        """Count a tolerated violation."""
        model = self._models.get(station_id, UNKNOWN)
        if model not in self._violations and len(self._violations) >= MAX_MODELS:
            model = OTHER
        self._violations.setdefault(model, Counter())[violation.rule] += 1
        if self._metrics is not None:
            self._metrics.violation(station_id, violation)

    def latency(
        self, station_id: str, direction: Direction, action: str, seconds: float, outcome: str
    ) -> None:
        """Count how long a call took."""
        self._latencies[bisect_left(LATENCIES, seconds)] += 1
        if self._metrics is not None:
            self._metrics.latency(station_id, direction, action, seconds, outcome)

    def connected(self, station_id: str, version: str) -> None:
        """Pass on a connection."""
        if self._metrics is not None:
            self._metrics.connected(station_id, version)

    def disconnected(self, station_id: str, version: str) -> None:
        """Pass on the end of a connection."""
        if self._metrics is not None:
            self._metrics.disconnected(station_id, version)


def model_of(vendor: object, model: object) -> str:
    """Return a name for a model, from what a station says."""
    names = (str(name or "")[:MAX_NAME] for name in (vendor, model))
    return " ".join(filter(None, names)) or UNKNOWN
