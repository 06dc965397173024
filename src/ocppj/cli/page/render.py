"""Writes the page of a history: HTML that loads nothing and runs nothing.

Text of a log gets into the page through `markup` alone, which escapes it.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from ocppj.cli.page.charts import bar
from ocppj.cli.page.document import document, facts_list, table
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
    files = [str(file["file"]) for file in summary["files"]]
    more = [f"{len(files) - NAMED_FILES:,} more"] if len(files) > NAMED_FILES else []
    title = ", ".join(files[:NAMED_FILES] + more)
    return document(
        f"ocppj check: {title}",
        tag("h1", title),
        _totals(history, summary),
        *_files(summary),
        *render_frames(history),
        *_actions(history, summary),
        *render_latencies(history),
        *_refusals(history),
        *_violations(summary["violations"]),
        *render_stations(history),
    )


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
    return facts_list((name, _text(fact)) for name, fact in facts)


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
    yield table(header, rows, range(2, 6))
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
    yield table(header, rows, range(2, len(header)))


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
    yield table(header, rows, range(1))


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
        yield table(("rule", "count", "for example"), rows, range(1, 2))


def _example(example: Mapping[str, Any]) -> Markup:
    value = "absent" if example["value"] is None else example["value"]
    text = f"{example['action']} {example['path']}: {value}"
    place = tag("span", f"{example['file']}:{example['line']}", class_="place")
    return tag("div", tag("code", text), " ", place)
