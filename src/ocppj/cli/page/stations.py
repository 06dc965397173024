"""The section of the page about stations: a summary of each, and its session as a sequence."""

from collections.abc import Iterable
from typing import Final

from ocppj.cli.page.history import History, Station
from ocppj.cli.page.markup import Markup, tag
from ocppj.cli.page.session import OUTCOMES, REFUSED, RESULT, TOLERATED, Exchange, Session
from ocppj.cli.page.times import clock_text, day_text, latency_text

__all__ = ["render_stations"]

LANES: Final = {"csms": (True, False), "charging_station": (False, True)}
"""Sender -> whether an arrow points to the station, and to the CSMS."""


def render_stations(history: History) -> Iterable[Markup]:
    """Yield the section."""
    stations = history.stations
    yield tag("h2", f"Stations ({len(stations):,})")
    shown = [
        (station, name, station.session)
        for station, name in zip(stations, _names(stations), strict=True)
        if station.session is not None
    ]
    if len(shown) < len(stations):
        yield tag("p", f"Shown are the sessions of {len(shown):,} stations.", class_="faint")
    for station, name, session in sorted(shown, key=lambda item: -item[0].counts[REFUSED]):
        summary = tag("summary", *_summary(station, name))
        yield tag("details", summary, _session(station, session, history))


def _names(stations: list[Station]) -> list[str]:
    """Return a name for each station: the words of its key that differ within its log."""
    words: dict[tuple[str, int], set[str]] = {}
    for station in stations:
        for column, word in enumerate(station.key):
            words.setdefault((station.file, column), set()).add(word)
    names = []
    for station in stations:
        differing = [w for n, w in enumerate(station.key) if len(words[station.file, n]) > 1]
        numbered = [w for w in station.key if any(map(str.isdigit, w))]
        names.append(" ".join(dict.fromkeys(differing or numbered or station.key)) or station.file)
    return names


def _summary(station: Station, name: str) -> Iterable[str]:
    yield tag("strong", name)
    facts = [station.model, f"OCPP {station.version}", f"{sum(station.counts):,} frames"]
    if station.first is not None and station.last is not None:
        has_date = station.clock.has_date
        day = day_text(station.first, has_date=has_date)
        last_day = day_text(station.last, has_date=has_date)
        until = "" if last_day == day else f"{last_day} "
        first, last = (clock_text(time, "seconds") for time in (station.first, station.last))
        facts.append(f"{day} {first} to {until}{last}")
    yield "".join(f" · {fact}" for fact in facts if fact)
    for outcome in (TOLERATED, REFUSED):
        if count := station.counts[outcome]:
            text = f" · {count:,} {OUTCOMES[outcome]}"
            yield tag("span", text, class_=OUTCOMES[outcome])


def _session(station: Station, session: Session, history: History) -> Markup:
    entries = session.entries()
    times = [exchange.time for _, exchange in entries if exchange.time is not None]
    has_date = station.clock.has_date
    days = {day_text(time, has_date=has_date) for time in times}
    rows = [_row(_ends())]
    next_number, day = 0, ""
    for number, exchange in entries:
        if number > next_number:
            rows.append(_gap(number - next_number))
        next_number = number + 1
        if len(days) > 1 and exchange.time is not None:
            today = day_text(exchange.time, has_date=has_date)
            if today != day:
                rows.append(tag("li", tag("span", today, class_="faint")))
            day = today
        rows.append(_row(_cells(exchange, history)))
    return tag("ol", *rows)


def _row(cells: Iterable[str]) -> Markup:
    return tag("li", *cells)


def _ends() -> Iterable[str]:
    yield tag("span")
    yield tag("span", tag("span", "station"), tag("span", "CSMS"), class_="lane ends")
    yield tag("span")


def _gap(count: int) -> Markup:
    text = f"{count:,} more exchange{'s' * (count != 1)} not shown"
    return tag("li", tag("span"), tag("span", text, class_="faint"))


def _cells(exchange: Exchange, history: History) -> Iterable[str]:
    time = f"line {exchange.line:,}" if exchange.time is None else clock_text(exchange.time)
    yield tag("time", time, title=f"line {exchange.line:,}")
    to_station, to_csms = LANES.get(exchange.sender, (True, True))
    times = f" ({exchange.count:,} times)" if exchange.count > 1 else ""
    rule = tag("span", class_="rule")
    yield tag(
        "span",
        *(("◀", rule) if to_station else ()),
        tag("span", exchange.action + times),
        *((rule, "▶") if to_csms else ()),
        class_="lane",
    )
    yield tag("span", *_answer(exchange, history), class_=OUTCOMES[exchange.outcome])


def _answer(exchange: Exchange, history: History) -> Iterable[str]:
    parts = [exchange.answer or ("no answer" if exchange.is_call else "")]
    if exchange.latency is not None:
        latency = latency_text(exchange.latency, has_fraction=history.has_fraction)
        parts.append(f"up to {latency}" if exchange.count > 1 else latency)
    if exchange.outcome == TOLERATED:
        parts.append(OUTCOMES[TOLERATED])
    if exchange.problem:
        parts.append(f"{OUTCOMES[REFUSED]}: {exchange.problem}")
    text = ", ".join(filter(None, parts))
    is_error = exchange.is_call and exchange.answer != RESULT
    yield tag("span", text, class_=OUTCOMES[REFUSED]) if is_error else text
