"""What all pages of results share: the environment, tables, and timing."""

import gc
import json
import os
import platform
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from timeit import Timer
from typing import Any, Final

__all__ = ["RESULTS", "environment", "fastest", "machine", "publish", "repeats", "table"]

RESULTS: Final = Path(__file__).with_name("results")


def environment(*libraries: str) -> dict[str, str]:
    """Return date, CPU, system, interpreter, versions of libraries, and the load average."""
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8")
        lines = [line for line in text.splitlines() if line.startswith("model name")]
        cpu = lines[0].split(":")[1].strip()
    except (OSError, IndexError):
        cpu = platform.processor() or platform.machine()
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "cpu": cpu,
        "system": f"{platform.system()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        **{library: version(library) for library in libraries},
        # Of the last minute, with that of the benchmark itself: what else the machine was doing.
        "load average": f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} cores",
    }


def machine(known: Mapping[str, str]) -> str:
    """Return an environment as one line."""
    parts = list(known.items())
    libraries = ", ".join(f"{name} {value}" for name, value in parts[4:])
    return f"{', '.join(value for _, value in parts[:4])}; {libraries}."


def table(head: Iterable[str], rows: Iterable[Iterable[str]], *, texts: int = 0) -> str:
    """Return a Markdown table; all columns but the first and the last `texts` are numbers."""
    head = list(head)
    lines = [head, ["---", *["--:"] * (len(head) - 1 - texts), *["---"] * texts], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def publish(name: str, figures: Mapping[str, Any], *parts: str) -> None:
    """Print a page of results and write it, and its figures as JSON, into `results`."""
    text = "\n\n".join(part.rstrip() for part in parts) + "\n"
    print(text, end="")
    (RESULTS / f"{name}.md").write_text(text, "utf-8")
    (RESULTS / f"{name}.json").write_text(json.dumps(figures, indent=1) + "\n", "utf-8")


def repeats(timer: Timer, milliseconds: float) -> int:
    """Return how often to repeat a statement so that it runs for that long.

    The fastest of several trials decides. With one trial, a slow first call would make every round
    a single cold call: 640 ns were once shown as 13,600.
    """
    number = 1
    timer.timeit(number)
    while (spent := min(timer.repeat(5, number))) < milliseconds / 4e3:
        number *= 2
    return max(1, int(number * milliseconds / 1e3 / spent))


def fastest(
    calls: Mapping[str, Callable[[], Any] | tuple[Callable[..., Any], *tuple[Any, ...]]],
    rounds: int = 15,
    milliseconds: float = 2.0,
) -> dict[str, float]:
    """Return the minimum ns of each call, of interleaved rounds without the garbage collector.

    Args:
        calls: the functions to time, alone or with their arguments.
        rounds: how often each is timed.
        milliseconds: duration of a round; it has at least one call.
    """
    runs = []
    for name, call in calls.items():
        function = call[0] if isinstance(call, tuple) else call
        arguments = call[1:] if isinstance(call, tuple) else ()
        names = {f"a{n}": argument for n, argument in enumerate(arguments)}
        timer = Timer(f"function({', '.join(names)})", globals={"function": function, **names})
        runs.append((name, timer, repeats(timer, milliseconds)))
    best = dict.fromkeys(calls, float("inf"))
    for _ in range(rounds):
        gc.collect()
        for name, timer, number in runs:
            best[name] = min(best[name], timer.timeit(number) / number * 1e9)
    return best
