"""Writes the page of a history: HTML that loads nothing and runs nothing.

Text of a log gets into the page through `markup` alone, which escapes it.
"""

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from importlib import resources
from typing import Any, Final

from ocppj import BACKEND, __version__
from ocppj.cli.page.charts import bar
from ocppj.cli.page.history import History, Refusals
from ocppj.cli.page.markup import Markup, join, tag
from ocppj.cli.page.plots import render_frames, render_latencies
from ocppj.cli.page.series import Latencies
from ocppj.cli.page.stations import render_stations
from ocppj.cli.page.times import latency_text

__all__ = ["render"]

NAMED_FILES: Final = 3
"""Maximum number of files in the title."""


def render(history: History, summary: Mapping[str, Any]) -> str:
    """Return the page.

    Args:
        history: of the logs.
        summary: the counts, from `Tally.summary`.
    """
    style = (resources.files("ocppj.cli.page") / "style.css").read_text(encoding="utf-8")
    files = [str(file["file"]) for file in summary["files"]]
    more = [f"{len(files) - NAMED_FILES:,} more"] if len(files) > NAMED_FILES else []
    title = ", ".join(files[:NAMED_FILES] + more)
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_policy(style)),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", f"ocppj check: {title}"),
        tag("style", Markup(style)),
    )
    body = tag(
        "body",
        tag("h1", title),
        _totals(history, summary),
        *_files(summary),
        *render_frames(history),
        *_actions(history, summary),
        *render_latencies(history),
        *_refusals(history),
        *_violations(summary["violations"]),
        *render_stations(history),
        tag("footer", f"Written by ocppj {__version__} ({BACKEND} backend)."),
    )
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"


def _policy(style: str) -> str:
    digest = b64encode(sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]], numbers: range) -> Markup:
    """Return a table. Columns in `numbers` are aligned right."""

    def row(name: str, cells: Sequence[str]) -> Markup:
        aligned = ("number" if column in numbers else None for column in range(len(cells)))
        return tag("tr", *(tag(name, c, class_=a) for c, a in zip(cells, aligned, strict=True)))

    body = tag("tbody", *(row("td", cells) for cells in rows))
    table = tag("table", tag("thead", row("th", header)), body)
    return tag("div", table, class_="scroll", tabindex="0")


def _totals(history: History, summary: Mapping[str, Any]) -> Markup:
    totals, latencies = summary["totals"], Latencies.total(history.latencies.values())
    median = _quantile(latencies, 0.5, history)
    facts = (
        ("frames", totals["frames"]),
        ("refused", totals["refused"]),
        ("tolerated", summary["violations"]["frames"]),
        ("stations", len(history.stations)),
        ("calls without an answer", history.unanswered.total()),
        ("median latency", median or "-"),
    )
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", _text(fact))) for name, fact in facts))


def _text(fact: int | str) -> str:
    return fact if isinstance(fact, str) else f"{fact:,}"


def _quantile(latencies: Latencies | None, share: float, history: History) -> str:
    if latencies is None or not latencies.count:
        return ""
    return latency_text(latencies.quantile(share), has_fraction=history.has_fraction)


def _files(summary: Mapping[str, Any]) -> Iterable[Markup]:
    counts = ("frames", "refused", "skipped_lines", "bytes")
    rows = [
        (
            file["file"],
            ", ".join(f"{version} ({count:,})" for version, count in file["versions"].items()),
            *(_text(file[name]) for name in counts),
        )
        for file in summary["files"]
    ]
    header = ("file", "OCPP version (frames)", "frames", "refused", "skipped lines", "bytes")
    yield _table(header, rows, range(2, 6))
    for entry in summary["unreadable"]:
        yield tag("p", f"{entry['file']}: {entry['problem']}", class_="refused")


def _actions(history: History, summary: Mapping[str, Any]) -> Iterable[Markup]:
    actions = summary["actions"]
    if not actions:
        return
    has_sends = summary["totals"]["sends"]
    columns = [name for name in next(iter(actions.values())) if name != "sends" or has_sends]
    sums = {action: sum(counts.values()) for action, counts in actions.items()}
    rows = []
    for action in sorted(actions, key=lambda action: -sums[action]):
        latencies = history.latencies.get(action)
        rows.append(
            (
                action,
                bar(sums[action] / max(sums.values())),
                *(_text(actions[action][name]) for name in columns),
                _text(history.unanswered[action]),
                *(_quantile(latencies, share, history) for share in (0.5, 0.95)),
            )
        )
    header = ("action", "frames", *columns, "unanswered", "median latency", "95 % within")
    yield tag("h2", "Actions")
    yield _table(header, rows, range(2, len(header)))


def _refusals(history: History) -> Iterable[Markup]:
    yield tag("h2", "Refused frames")
    if not history.refusals:
        yield tag("p", "None.", class_="faint")
        return
    groups = sorted(history.refusals.items(), key=lambda item: -item[1].count)
    rows = [
        (_text(refusals.count), action, code, description, _places(refusals))
        for (action, code, description), refusals in groups
    ]
    header = ("count", "action", "error code", "reason", "for example")
    yield _table(header, rows, range(1))


def _places(refusals: Refusals) -> Markup:
    return join(*(tag("div", place, class_="place") for place in refusals.places))


def _violations(violations: Mapping[str, Any]) -> Iterable[Markup]:
    if not violations["count"]:
        return
    yield tag("h2", "Tolerated violations by station model")
    for model, rules in violations["models"].items():
        rows = [
            (rule, _text(cell["count"]), join(*map(_example, cell["examples"])))
            for rule, cell in rules.items()
        ]
        yield tag("h3", model)
        yield _table(("rule", "count", "for example"), rows, range(1, 2))


def _example(example: Mapping[str, Any]) -> Markup:
    value = "absent" if example["value"] is None else example["value"]
    text = f"{example['action']} {example['path']}: {value}"
    place = tag("span", f"{example['file']}:{example['line']}", class_="place")
    return tag("div", tag("code", text), " ", place)
