"""Charts in SVG. All horizontal measures are shares of the width, so that text keeps its size."""

from collections.abc import Iterable, Sequence
from typing import Final

from ocppj.cli.page.markup import Markup, tag

__all__ = ["bar", "columns"]

HEIGHT: Final = 150
"""Of the columns, in pixels."""

AXIS: Final = 20
GAP: Final = 0.1
"""Share of a column that is left blank."""


def columns(
    rows: Sequence[tuple[str, Sequence[int]]],
    classes: Sequence[str],
    ticks: Iterable[tuple[float, str]],
    label: str,
) -> Markup:
    """Return a chart of stacked columns.

    Args:
        rows: of each column, its tooltip and its counts from the bottom.
        classes: CSS classes of the counts.
        ticks: places on the axis, from 0 to 1, and their labels.
        label: describes the chart to those who cannot see it.
    """
    highest = max(sum(counts) for _, counts in rows)
    width = 100 / len(rows)
    groups = []
    for index, (tooltip, counts) in enumerate(rows):
        top = float(HEIGHT)
        parts = [tag("title", tooltip)]
        for count, class_ in zip(counts, classes, strict=True):
            if count:
                height = max(count / highest * (HEIGHT - 1), 1.0)
                top -= height
                parts.append(
                    tag(
                        "rect",
                        class_=class_,
                        x=f"{(index + GAP / 2) * width:.3f}%",
                        width=f"{(1 - GAP) * width:.3f}%",
                        y=f"{top:.1f}",
                        height=f"{height:.1f}",
                    )
                )
        if len(parts) > 1:
            groups.append(tag("g", *parts))
    axis = [tag("line", class_="axis", x1="0", x2="100%", y1=HEIGHT, y2=HEIGHT)]
    for place, text in ticks:
        anchor = "start" if place < 0.05 else "end" if place > 0.95 else "middle"
        axis.append(tag("text", text, x=f"{place:.1%}", y=HEIGHT + AXIS - 5, text_anchor=anchor))
    return tag(
        "svg", *groups, *axis, width="100%", height=HEIGHT + AXIS, role="img", aria_label=label
    )


def bar(share: float) -> Markup:
    """Return a horizontal bar, for a cell of a table."""
    rectangle = tag("rect", class_="valid", width=f"{share:.1%}", height="100%")
    return tag("svg", rectangle, class_="bar", width="100%", height="8", aria_hidden="true")
