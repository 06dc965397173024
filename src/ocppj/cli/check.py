"""`ocppj check`: the logs that it is given, or else stdin or a sample.

Owns which log is checked, and the help.
"""

import argparse
import sys
from collections.abc import Callable
from typing import Final

from ocppj.cli.guess import MAX_SAMPLED, MIN_SHARE, VERSION_ORDER
from ocppj.cli.options import AUTO, Commands, add_policy, add_version
from ocppj.cli.replay import MAX_PENDING, NO_ACTION, UNKNOWN_ACTION, UNKNOWN_CALL, UNKNOWN_MODEL
from ocppj.cli.report import Form, JsonForm, Report, TextForm
from ocppj.cli.sources import SAMPLES, SILENCE, File, Sample, Source, Stdin
from ocppj.cli.tally import MAX_EXAMPLES, MAX_MODELS, OTHER_MODELS
from ocppj.cli.terminal import Progress, print_error, print_lines

__all__ = ["add", "run"]

MAX_LISTED: Final = 50
"""Refused frames that are listed without --all."""

NOTES: Final = f"""\
Without FILE and --sample, stdin is read if it is a file, or a pipe from which something comes, be
it the end, within {SILENCE:g} seconds. Else, and on a terminal, the sample "{next(iter(SAMPLES))}"
is checked. FILE "-" waits for stdin, however long: use it in scripts.

Each line of a log holds one frame. A time stamp, a level, a name or an arrow around it are
skipped. So are blank lines and lines without a frame; the latter are counted, and refused with
--strict-lines. Results are validated against the calls that they answer, found by message id
within the file (of calls without an answer, the last {MAX_PENDING:,} are kept).

--version auto (the default) tells the version by what calls look like: a station has the version
that takes most of its calls, beginning anew with a BootNotification of another; results have that
of their call. Stations are told apart by what the logger writes around the frames, if the first
{MAX_SAMPLED:,} show where it names them. In a log that does not tell its stations, a call is
validated against each version that a BootNotification, or one in {MIN_SHARE} of the calls, is of.
Where no call tells, {VERSION_ORDER[0]} is taken.

--lenient, --repair and --policy FILE let frames pass that break the schema, and count what was
wrong with them by rule and by station model, which is that of the latest BootNotification of the
file and version. Such frames are not refused. FILE is TOML (.toml) or JSON (.json): rule =
"reject", "report" or "accept" (take it and do not count it); preset = "strict" (the default),
"lenient" or "repair", on which the rules stand; zone = "+01:00" or "Europe/Berlin", that of
timestamps without one.

--json writes one object:
  ocppj       this package's version
  backend     "cython" or "python"
  refused     the first {MAX_LISTED} refused frames, all with --all: file, line, version, action,
              error_code, description, path (null where the fault is not in the payload)
  files       of each file: file, versions (version -> how many frames were validated against it,
              most first), guessed (with "auto"), told (then: whether a call tells the version),
              frames, refused, skipped_lines, bytes
  actions     action -> calls, sends, results, errors, refused; what has no action is under
              "{NO_ACTION}", "{UNKNOWN_ACTION}" or "{UNKNOWN_CALL}"
  totals      frames, calls, sends, results, errors, refused, unknown_calls (results and errors
              to a call that is not in the file), skipped_lines, bytes, seconds, frames_per_second
  violations  what was tolerated: frames (how many had a fault), count (of their faults), models
              (station model -> rule -> count, examples; "{UNKNOWN_MODEL}" before the first
              BootNotification, "{OTHER_MODELS}" beyond {MAX_MODELS} models); up to {MAX_EXAMPLES}
              examples, each of another kind of place: file, line, action, path, value (as JSON, in
              a string, shortened; null where a field is missing)
  unreadable  of each file that cannot be read: file, problem

Exit status: 0 all good, 1 a frame was refused, 2 wrong usage, a file that cannot be read, or no
frames at all."""


def add(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add("check", run, "check logs of frames", notes=NOTES)
    add_version(parser, auto=True)
    add_policy(parser)
    samples = "; ".join(f"{name}: {shipped.text}" for name, shipped in SAMPLES.items())
    parser.add_argument(
        "--sample", choices=SAMPLES, help=f"check a log that ships with ocppj ({samples})"
    )
    parser.add_argument("--strict-lines", action="store_true", help="refuse lines without a frame")
    parser.add_argument("--json", action="store_true", help="write one JSON object")
    parser.add_argument("--all", action="store_true", help="list every refused frame")
    parser.add_argument("files", nargs="*", metavar="FILE", help="a log; - is stdin")


def run(arguments: argparse.Namespace) -> int:
    """Run `ocppj check`."""
    sources: list[Source] = [Stdin() if path == "-" else File(path) for path in arguments.files]
    if arguments.sample:
        sources.insert(0, Sample(arguments.sample))
    if not sources:
        sources = [_stdin_or_sample(print_error if arguments.json else print_lines)]
    limit = sys.maxsize if arguments.all else MAX_LISTED
    progress = Progress(sum(source.size for source in sources))
    form: Form
    if arguments.json:
        form = JsonForm()
    else:
        can_guess = arguments.version != AUTO
        form = TextForm(arguments.policy, limit, progress, can_guess=can_guess)
    report = Report(
        arguments.version,
        arguments.policy,
        strict_lines=arguments.strict_lines,
        limit=limit,
        form=form,
        progress=progress,
    )
    try:
        for source in sources:
            if isinstance(source, Stdin):
                source.announce(print_error)
            report.check(source)
        report.close()
    finally:
        progress.clear()
    return report.status


def _stdin_or_sample(tell: Callable[[str], None]) -> Source:
    """Return stdin if something comes from it, or its end; else a sample."""
    stdin = Stdin()
    why = "no file given"
    if stdin.is_redirected:
        if stdin.waits(SILENCE):
            return stdin
        why = f"no file given and nothing came from stdin for {SILENCE:g} seconds"
        tell = print_error  # whoever is slow to pipe a log in must see that it was not checked
    sample = Sample()
    tell(
        f"{why}: this is {sample.name}, a sample of ocppj; `ocppj check FILE` checks a log of yours"
    )
    return sample
