"""The sections of the page with charts: frames over time, and latencies."""

from collections.abc import Callable, Iterable, Sequence
from math import log10
from typing import Final

from ocppj.cli.page.charts import columns
from ocppj.cli.page.clock import DAY
from ocppj.cli.page.history import History
from ocppj.cli.page.markup import Markup, tag
from ocppj.cli.page.series import Latencies, Series
from ocppj.cli.page.session import OUTCOMES
from ocppj.cli.page.times import clock_text, day_text, latency_text, width_text

__all__ = ["plot_latencies", "plot_series", "render_frames", "render_latencies"]

TICKS: Final = (0.0, 1 / 3, 2 / 3, 1.0)
"""Places of labels below a chart, as shares of its width."""

LONG: Final = 2 * DAY
"""Seconds from which days are shown instead of times of day."""


def render_frames(history: History) -> Iterable[Markup]:
    """Yield the section about frames over time, or over lines if the logs have no times."""
    yield tag("h2", "Frames over time")
    if not history.lines.count:
        yield tag("p", "None.", class_="faint")
        return
    if history.times:
        has_date, series = max(history.times.items(), key=lambda item: item[1].count)
        yield from _timed(series, has_date=has_date)
    else:
        yield tag("p", "The log has no times. Frames are shown by line.", class_="faint")
        yield from plot_series(history.lines, lambda line: f"line {line:,.0f}", "lines")
    legend = (tag("span", outcome, class_=outcome) for outcome in OUTCOMES)
    yield tag("p", *legend, class_="legend")
    if history.times and history.untimed:
        yield tag("p", f"{history.untimed:,} frames without a time are not shown.", class_="faint")


def _timed(series: Series, *, has_date: bool) -> Iterable[Markup]:
    start, end = series.span
    if end - start >= LONG:
        yield from plot_series(series, lambda time: day_text(time, has_date=has_date), "")
        return
    days = dict.fromkeys(day_text(time, has_date=has_date) for time in (start, end))
    unit = "seconds" if series.width < 60 else "minutes"
    yield tag("p", " and ".join(days), class_="faint")
    yield from plot_series(series, lambda time: clock_text(time, unit), "")


def plot_series(
    series: Series, text: Callable[[float], str], unit: str, kinds: Sequence[str] = OUTCOMES
) -> Iterable[Markup]:
    """Yield the chart of frames over time or lines, and its caption.

    Args:
        series: of the frames, its kinds those of `OUTCOMES`.
        text: returns the label of a value.
        unit: of a value; empty for seconds.
        kinds: what the kinds are called.
    """
    rows = [(f"{text(value)}: {_counts(counts, kinds)}", counts) for value, counts in series.rows()]
    start, end = series.span
    ticks = [(place, text(start + (end - start) * place)) for place in TICKS]
    highest = max(sum(counts) for _, counts in rows)
    width = f"{series.width:,} {unit}" if unit else width_text(series.width)
    caption = f"at most {highest:,} frames per {width}"
    yield tag("p", caption, class_="faint")
    yield columns(rows, OUTCOMES, ticks, f"Frames over time: {caption}")


def _counts(counts: Sequence[int], kinds: Sequence[str]) -> str:
    pairs = zip(counts, kinds, strict=True)
    return ", ".join(f"{count:,} {outcome}" for count, outcome in pairs if count) or "no frame"


def render_latencies(history: History) -> Iterable[Markup]:
    """Yield the section about the time from call to answer, if there are any."""
    yield from plot_latencies(
        Latencies.total(history.latencies.values()), has_fraction=history.has_fraction
    )


def plot_latencies(total: Latencies, *, has_fraction: bool = True) -> Iterable[Markup]:
    """Yield the section about latencies, if there are any."""
    if not total.count:
        return

    def text(seconds: float) -> str:
        return latency_text(seconds, has_fraction=has_fraction)

    rows = list(total.rows())
    first, last = log10(rows[0][0]), log10(rows[-1][1])
    bars = [
        (f"{text(start)} to {text(end)}: {count:,} calls", (count,)) for start, end, count in rows
    ]
    ticks = [(place, text(10 ** (first + (last - first) * place))) for place in TICKS]
    quantiles = ((0.5, "median"), (0.95, "95 %"), (0.99, "99 %"))
    parts = [f"{name} {text(total.quantile(share))}" for share, name in quantiles]
    parts.append(f"longest {text(total.maximum)}")
    caption = f"{total.count:,} answered calls: {', '.join(parts)} (all but the last within 12 %)"
    yield tag("h2", "Latency from call to answer")
    yield tag("p", caption, class_="faint")
    yield columns(bars, ("valid",), ticks, f"Latencies: {caption}")
