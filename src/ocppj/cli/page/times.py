"""Times, spans and latencies as text for people."""

from datetime import UTC, datetime

from ocppj.cli.page.clock import DAY

__all__ = ["clock_text", "day_text", "latency_text", "width_text"]


def day_text(seconds: float, *, has_date: bool) -> str:
    """Return the day of a time of a `Clock`."""
    if has_date:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")
    return f"day {seconds // DAY + 1:.0f}"


def clock_text(seconds: float, unit: str = "milliseconds") -> str:
    """Return the time of day of a time of a `Clock`.

    Args:
        seconds: the time.
        unit: the last one shown, as for `time.isoformat`.
    """
    return datetime.fromtimestamp(seconds, UTC).time().isoformat(unit)


def latency_text(seconds: float, *, has_fraction: bool = True) -> str:
    """Return a latency.

    Args:
        seconds: the latency.
        has_fraction: whether the times of the log have fractions of a second.
    """
    if not has_fraction and seconds < 1:
        return "< 1 s"
    if seconds < 0.00015:  # also of logs, whose times have milliseconds
        return "< 1 ms"
    if seconds < 0.001:
        return f"{seconds * 1000:.1f} ms"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.3g} s" if seconds < 999.5 else f"{seconds:,.0f} s"


def width_text(seconds: int) -> str:
    """Return the width of a bucket."""
    for size, name in ((DAY, "days"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {name}" if seconds != DAY else "day"
    return f"{seconds} s"
