"""`ocppj check`: checks logs, from files, stdin or a sample.

Owns its options, its help, and which log is checked. `report` checks it.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from ocppj.cli.guess import MAX_SAMPLED, MIN_SHARE, VERSION_ORDER
from ocppj.cli.options import AUTO, UNUSABLE, Commands, add_policy, add_version
from ocppj.cli.page.history import History
from ocppj.cli.pending import MAX_PENDING
from ocppj.cli.replay import NO_ACTION, UNKNOWN_ACTION, UNKNOWN_CALL, UNKNOWN_MODEL
from ocppj.cli.report import JsonOutput, Output, Report, TextOutput
from ocppj.cli.sources import SAMPLES, STDIN_TIMEOUT, File, Sample, Source, Stdin
from ocppj.cli.tally import MAX_EXAMPLES, MAX_MODELS, OTHER_MODELS
from ocppj.cli.terminal import Progress, print_error, print_lines, printable

__all__ = ["add", "run"]

MAX_LISTED: Final = 50
"""Maximum number of refused frames, and of rows of violations, listed without --all."""

PAGE_SUFFIXES: Final = (".html", ".htm")

NOTES: Final = f"""\
Without FILE or --sample, check reads stdin if it is a file, or a pipe with data or an end within
{STDIN_TIMEOUT:g} seconds; otherwise it checks the sample "{next(iter(SAMPLES))}".
In scripts, use FILE "-": it waits for stdin without a limit.

Each line of a log has one frame. Text around it is skipped, such as a timestamp, a level or an
arrow. Lines without a frame are skipped and counted; with --strict-lines they are refused.

The first {MAX_SAMPLED:,} lines show where a logger names the station: in the text that is the
same around calls and their answers. A result is validated against its call, found by message id
among those of its station. In a log that does not name stations, all frames count as those of one
station. The last {MAX_PENDING:,} calls without an answer are kept.

--version auto guesses the version of each station: the one that most of its calls satisfy. After a
BootNotification of another version, the station has that one. A result has the version of its call.
In a log that does not name stations, a frame may be of each version that a BootNotification or one
in {MIN_SHARE} calls has. If no call shows its version, {VERSION_ORDER[0]} is assumed.

--lenient, --repair and --policy FILE tolerate frames that break the schema. They are not refused.
Their violations are counted by rule and by station model: that of the station's latest
BootNotification in the file. FILE ends in .toml or .json and has some of these settings:
  RULE        "reject", "report" or "accept" (tolerate, but do not count); `ocppj.Policy` has the
              rules
  preset      "strict" (the default), "lenient" or "repair": for rules that are not set
  zone        for timestamps without a zone: "+01:00", "Europe/Berlin"

--html FILE writes a page: frames over time, actions, latencies from call to answer, refused frames,
violations, and the session of each station as a sequence. Times are read from the text around the
frames; those with a zone are converted to UTC. The page is one file that loads and runs nothing. It
has names of stations and values of violations: mind who reads it.

--json writes one object:
  ocppj       version of ocppj
  backend     "cython" or "python"
  refused     the first {MAX_LISTED} refused frames, all with --all: file, line, version, action,
              error_code, description, path (null if the fault is not in the payload)
  files       for each file: file, versions (version -> number of frames, most first), guessed
              (with "auto"), told (if guessed: whether any call shows its version), frames,
              refused, skipped_lines, bytes
  actions     action -> calls, sends, results, errors, refused; frames without an action count as
              "{NO_ACTION}", "{UNKNOWN_ACTION}" or "{UNKNOWN_CALL}"
  totals      frames, calls, sends, results, errors, refused, unknown_calls (results and errors
              whose call is not in the file), skipped_lines, bytes, seconds, frames_per_second
  violations  tolerated: frames, count (of violations), models (station model -> rule -> count,
              examples); "{UNKNOWN_MODEL}" before a BootNotification, "{OTHER_MODELS}" after the
              first {MAX_MODELS} models; up to {MAX_EXAMPLES} examples from different places:
              file, line, action, path, value (JSON in a string, shortened; null for a missing
              field)
  unreadable  for each file that cannot be read: file, problem

Exit status: 0 all frames are valid or tolerated; 1 a frame was refused; 2 wrong usage, a file
cannot be read, or there are no frames."""


def add(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add("check", run, "check logs of frames", notes=NOTES)
    add_version(parser, auto=True)
    add_policy(parser)
    samples = "; ".join(f"{name}: {shipped.text}" for name, shipped in SAMPLES.items())
    parser.add_argument(
        "--sample", choices=SAMPLES, help=f"check a log that ships with ocppj ({samples})"
    )
    parser.add_argument(
        "--strict-lines",
        action="store_true",
        help="refuse lines without a frame instead of skipping them",
    )
    parser.add_argument("--json", action="store_true", help="write one JSON object")
    parser.add_argument("--all", action="store_true", help="list every refused frame")
    parser.add_argument(
        "--html", type=_page, metavar="FILE", help="write a page with charts and sessions"
    )
    parser.add_argument("files", nargs="*", metavar="FILE", help="a log; - is stdin")


def run(arguments: argparse.Namespace) -> int:
    """Run `ocppj check`."""
    # Before a long log is checked in vain. A page that is there stays until the new one is made.
    if arguments.html is not None and not _write(arguments.html, "", mode="a"):
        return UNUSABLE
    sources: list[Source] = [Stdin() if path == "-" else File(path) for path in arguments.files]
    if arguments.sample:
        sources.insert(0, Sample(arguments.sample))
    if not sources:
        sources = [_stdin_or_sample(print_error if arguments.json else print_lines)]
    limit = sys.maxsize if arguments.all else MAX_LISTED
    progress = Progress(sum(source.size for source in sources))
    history = None if arguments.html is None else History()
    output: Output
    if arguments.json:
        output = JsonOutput()
    else:
        can_guess = arguments.version != AUTO
        output = TextOutput(arguments.policy, limit, progress, can_guess=can_guess)
    report = Report(
        arguments.version,
        arguments.policy,
        strict_lines=arguments.strict_lines,
        limit=limit,
        output=output,
        progress=progress,
        history=history,
    )
    try:
        for source in sources:
            if isinstance(source, Stdin):
                source.announce(print_error)
            report.check(source)
        report.close()
    finally:
        progress.clear()
    if history is not None:
        from ocppj.cli.page.render import render  # noqa: PLC0415  most runs write no page

        if not _write(arguments.html, render(history, report.tally.summary())):
            return UNUSABLE
    return report.status


def _write(path: Path, text: str, *, mode: str = "w") -> bool:
    """Write a page, and return whether it could be written."""
    try:
        with path.open(mode, encoding="utf-8", newline="\n") as stream:
            stream.write(text)
    except (OSError, ValueError) as error:
        print_error(f"{path}: {getattr(error, 'strerror', None) or error}")
        return False
    return True


def _page(path: str) -> Path:
    file = Path(path)
    if file.suffix.lower() not in PAGE_SUFFIXES:  # perhaps a log, which must not be overwritten
        problem = f"use a file that ends in {' or '.join(PAGE_SUFFIXES)}"
        raise argparse.ArgumentTypeError(printable(f"{path}: {problem}"))
    return file


def _stdin_or_sample(write: Callable[[str], None]) -> Source:
    """Return stdin if it has data or an end soon, otherwise the sample."""
    stdin = Stdin()
    why = "no file given"
    if stdin.is_redirected:
        if stdin.is_ready(STDIN_TIMEOUT):
            return stdin
        why = f"no file given and no data on stdin within {STDIN_TIMEOUT:g} seconds"
        write = print_error  # a slow pipe was not checked, and stdout may go to a file
    sample = Sample()
    write(f"{why}: checking the sample {sample.name}; `ocppj check FILE` checks your log")
    return sample
