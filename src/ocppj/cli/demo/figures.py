"""What a load of simulated stations measures, and how it is shown.

Owns the counts, in bounded memory. Knows nothing of stations but their identities.
"""

from collections import Counter
from collections.abc import Iterator
from time import perf_counter
from typing import Any, Final

from ocppj.aio.metrics import Direction
from ocppj.cli.page.document import document, facts_list, table
from ocppj.cli.page.markup import tag
from ocppj.cli.page.plots import plot_latencies, plot_series
from ocppj.cli.page.series import TIME_WIDTHS, Latencies, Series
from ocppj.cli.terminal import format_table
from ocppj.policy import Violation

__all__ = ["Figures"]

SHARES: Final = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}
NO_ANSWER: Final = "NoAnswer"
"""Outcome of a call without an answer: see `ocppj.aio.Metrics`."""

KINDS: Final = ("frames", "", "calls that failed")
"""Those of the chart, in the order of `ocppj.cli.page.plots`."""


class Figures:
    """Counts of all stations: their `Metrics`.

    Attributes:
        connected_count: number of open connections.
        frames: number of frames, in both directions.
        started: number of charging sessions that were started.
        skipped: number of those for which no connector was available.
        lag: by how much timers were late.
        ramping_up: whether the stations still connect.
    """

    def __init__(self) -> None:
        self.connected_count = 0
        self.ramping_up = True
        self._connected_at_end = 0
        self._lost: dict[str, float] = {}
        self._closing: set[str] = set()
        self.reset()

    def reset(self) -> None:
        """Begin to measure."""
        self._start = perf_counter()
        self._end: float | None = None
        self.started = 0
        self.skipped = 0
        self.frames = 0
        self.lag = Latencies()
        self._latencies: dict[str, Latencies] = {}
        self._reconnects = Latencies()
        self._errors: Counter[str] = Counter()
        self._series = Series(TIME_WIDTHS, len(KINDS))

    def freeze(self) -> None:
        """Stop measuring."""
        self._end = perf_counter()
        self._connected_at_end = self.connected_count

    @property
    def seconds(self) -> float:
        """How long was measured."""
        return (self._end or perf_counter()) - self._start

    @property
    def errors(self) -> int:
        """Number of errors."""
        return self._errors.total()

    def error(self, name: str) -> None:
        """Count an error."""
        if self._end is None:
            self._errors[name] += 1
            self._series.add(self.seconds, 2)

    def frame(
        self,
        station_id: str,  # noqa: ARG002  of the protocol
        direction: Direction,  # noqa: ARG002  of the protocol
        message_type: int | None,  # noqa: ARG002  of the protocol
        action: str | None,  # noqa: ARG002  of the protocol
        outcome: str,  # noqa: ARG002  of the protocol
    ) -> None:
        """Count a frame."""
        if self._end is None:
            self.frames += 1
            self._series.add(self.seconds, 0)

    def violation(self, station_id: str, violation: Violation) -> None:
        """Do nothing: the codecs are strict."""

    def latency(
        self,
        station_id: str,
        direction: Direction,
        action: str,
        seconds: float,
        outcome: str,
    ) -> None:
        """Count a call of a station."""
        if direction == "in" or self._end is not None:
            return
        if outcome == NO_ANSWER and station_id in self._closing:
            return  # we have closed the connection
        if outcome:
            self.error(f"{action}: {outcome}")
        else:
            self._latencies.setdefault(action, Latencies()).add(seconds)

    def closing(self, station_id: str) -> None:
        """Note that the connection of a station is about to be closed, on purpose."""
        self._closing.add(station_id)

    def connected(self, station_id: str, version: str) -> None:  # noqa: ARG002  of the protocol
        """Count a connection."""
        self.connected_count += 1
        self._closing.discard(station_id)
        lost = self._lost.pop(station_id, None)
        if lost is not None and self._end is None:
            self._reconnects.add(perf_counter() - lost)

    def disconnected(self, station_id: str, version: str) -> None:  # noqa: ARG002  of the protocol
        """Count the end of a connection."""
        self.connected_count -= 1
        self._lost[station_id] = perf_counter()

    def line(self) -> str:
        """Return the state in one line."""
        total = Latencies.total(self._latencies.values())
        return (
            f"{'ramp-up, ' if self.ramping_up else ''}{self.seconds:.0f} s: "
            f"{self.connected_count:,} connected, "
            f"{self.frames / max(self.seconds, 0.001):,.0f} frames/s, "
            f"p99 {1000 * total.quantile(0.99):,.1f} ms, {self.errors:,} errors"
        )

    def summary(self) -> dict[str, Any]:
        """Return all figures; times in milliseconds."""
        return {
            "seconds": round(self.seconds, 3),
            "connected": self._connected_at_end,
            "frames": self.frames,
            "frames_per_second": round(self.frames / self.seconds, 1),
            "latency": _times(Latencies.total(self._latencies.values())),
            "actions": {name: _times(one) for name, one in sorted(self._latencies.items())},
            "sessions": {"started": self.started, "skipped": self.skipped},
            "reconnects": _times(self._reconnects),
            "errors": dict(self._errors.most_common()),
            "lag": _times(self.lag),
        }

    def text(self) -> Iterator[str]:
        """Yield the lines for people."""
        summary = self.summary()
        for name, value in _facts(summary):
            yield f"{name}: {value}"
        yield ""
        yield from format_table([*_rows(summary)], 1)
        for name, count in summary["errors"].items():
            yield f"error: {name}: {count:,} times"

    def page(self, title: str) -> str:
        """Return a page with charts, in HTML."""
        summary = self.summary()
        header, *rows = _rows(summary)
        sections = [tag("h1", title), facts_list(_facts(summary)), tag("h2", "Frames over time")]
        if self._series.count:
            sections += plot_series(self._series, lambda second: f"{second:,.0f} s", "", KINDS)
        sections += plot_latencies(Latencies.total(self._latencies.values()))
        sections += [tag("h2", "Times in ms"), table(header, rows, range(1, len(header)))]
        errors = [(name, f"{count:,}") for name, count in summary["errors"].items()]
        if errors:
            sections += [tag("h2", "Errors"), table(("error", "count"), errors, range(1, 2))]
        return document(title, *sections)


def _times(found: Latencies) -> dict[str, float]:
    shares = {name: 1000 * found.quantile(share) for name, share in SHARES.items()}
    times = {**shares, "max": 1000 * found.maximum}
    return {"count": found.count, **{name: round(value, 3) for name, value in times.items()}}


def _facts(summary: dict[str, Any]) -> list[tuple[str, str]]:
    sessions = summary["sessions"]
    shown = f"{sessions['started']:,} started, {sessions['skipped']:,} skipped"
    return [
        ("seconds", f"{summary['seconds']:,.1f}"),
        ("connected at the end", f"{summary['connected']:,}"),
        ("frames per second", f"{summary['frames_per_second']:,.0f}"),
        *([("sessions", shown)] if any(sessions.values()) else []),
        ("errors", f"{sum(summary['errors'].values()):,}"),
    ]


def _rows(summary: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    yield ("ms", "count", *SHARES, "max")
    named = {"all calls": summary["latency"], **summary["actions"]}
    named |= {"reconnects": summary["reconnects"], "lag of this process": summary["lag"]}
    for name, (count, *times) in ((name, one.values()) for name, one in named.items()):
        if count:
            yield (name, f"{count:,}", *(f"{value:,.1f}" for value in times))
