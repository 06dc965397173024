"""How the plots look. matplotlib is imported only here, and only to draw."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from benchmarks.peers import LABELS

__all__ = ["COLOURS", "label", "sheet"]

GREY: Final = "#808080"
COLOURS: Final = {
    "floor": "#2ca05a",
    "ocppj": "#1f8fd6",
    "ocppj_cython": "#1f8fd6",
    "ocppj_python": "#7dbce8",
    "orjson_only": "#909090",
    "dicts": "#9a6fc4",
    "pydantic": "#e0662b",
    "pydantic_typed": "#e0662b",
    "pydantic_orjson": "#b8420f",
    "mobilityhouse": "#c9a227",
}


def label(name: str) -> str:
    """Return what the texts call a peer, for a legend."""
    return LABELS.get(name, name).replace("`", "")


@contextmanager
def sheet(
    file: Path, columns: int = 1, height: float = 3.4, **settings: Any
) -> Iterator[list[Any]]:
    """Return axes to draw on; save them as SVG afterwards, the same bytes for the same figures."""
    import matplotlib as mpl  # noqa: PLC0415  few runs draw

    mpl.use("svg")
    from matplotlib import pyplot as plt  # noqa: PLC0415  few runs draw

    style: Any = {"svg.fonttype": "none", "svg.hashsalt": "ocppj", "font.size": 9}
    greys = ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color")
    with plt.rc_context(style | dict.fromkeys(greys, GREY)):
        drawing, grid = plt.subplots(1, columns, figsize=(8.4, height), squeeze=False, **settings)
        yield list(grid[0])
        drawing.patch.set_alpha(0)
        for axes in grid[0]:
            axes.patch.set_alpha(0)
            axes.spines[["top", "right"]].set_visible(False)
            axes.legend(frameon=False, fontsize=8)
        drawing.tight_layout()
        drawing.savefig(file, format="svg", transparent=True, metadata={"Date": None})
