"""`ocppj decode`: one frame, from an argument or stdin, shown typed."""

import argparse
import os
from collections.abc import Iterator
from typing import Final

import msgspec

from ocppj.cli.guess import VERSION_ORDER
from ocppj.cli.log import MAX_PREFIX_SIZE, find_frame
from ocppj.cli.options import FAILED, OK, UNUSABLE, Commands, add_policy, add_version
from ocppj.cli.sources import SILENCE, Stdin
from ocppj.cli.terminal import inline_json, outline, print_error, print_lines
from ocppj.codec import MAX_SIZE, Codec
from ocppj.errors import DecodeError
from ocppj.frames import CallResult
from ocppj.policy import Violation

__all__ = ["add", "run"]

NOTES: Final = """\
Without FRAME one is read from stdin, if something is piped in; - waits for it.

Exit status: 0 the frame was taken, 1 it was refused, 2 wrong usage or no frame."""


def add(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add("decode", run, "show one frame, typed", notes=NOTES)
    add_version(parser)
    add_policy(parser)
    parser.add_argument("--action", metavar="ACTION", help="the call that a result answers")
    parser.add_argument("frame", nargs="?", metavar="FRAME", help="the frame; else read from stdin")


def run(arguments: argparse.Namespace) -> int:
    """Run `ocppj decode`."""
    codec, action = Codec(arguments.version, policy=arguments.policy), arguments.action
    if action is not None and not any(
        feature.name == action and feature.response_type
        for profile in codec.profiles
        for feature in profile.features
    ):
        print_error(f"no response belongs to the action {action!r} in OCPP {codec.version}")
        return UNUSABLE
    text = arguments.frame
    if text in (None, "-"):
        stdin = Stdin()
        if text is None and not (stdin.is_redirected and stdin.waits(SILENCE)):
            print_error("no frame: give it as an argument or pipe it in")
            return UNUSABLE
        try:
            data = _read(stdin)
        except (OSError, ValueError) as error:
            print_error(f"{stdin.name}: {error}")
            return UNUSABLE
    else:
        data = os.fsencode(text)
    data = find_frame(data.strip())
    try:
        head = codec.peek(data)
        frame = codec.decode(data, {head.message_id: action} if action else None)
    except DecodeError as error:
        print_lines(*_format_refusal(error, codec, data))
        return FAILED
    print_lines(*outline("", frame))
    if frame.violations:
        print_lines("tolerated", *map(_format_violation, frame.violations))
    if isinstance(getattr(frame, "payload", None), msgspec.Raw):
        print_lines(
            "hint: --action ACTION, that of the call which it answers, gives the payload its type"
        )
    return OK


def _read(stdin: Stdin) -> bytes:
    """Read a frame; one that is too large need not be whole."""
    limit = MAX_SIZE + MAX_PREFIX_SIZE
    lines, size = [], 0
    with stdin.open() as stream:
        stdin.announce(print_error)
        while size < limit and (line := stream.readline(limit)):
            lines.append(line)
            size += len(line)
    return b"".join(lines)


def _format_violation(violation: Violation) -> str:
    value = "absent" if violation.rule == "missing" else inline_json(violation.value)
    return f"  {violation.rule}: {violation.path}: {value}"


def _format_refusal(error: DecodeError, codec: Codec, data: bytes) -> Iterator[str]:
    reply = error.reply()
    yield f"refused by OCPP {codec.version}"
    yield f"  error code: {error.error_code}"
    yield f"  description: {error.error_description}"
    yield f"  path: {error.path or '-'}"
    yield f"  reply: {reply.decode() if reply else 'none'}"
    for version in VERSION_ORDER:
        try:
            Codec(version, policy=codec.policy).decode(data)
        except DecodeError:
            continue
        if version != codec.version and error.message_type != CallResult.message_type:
            yield f"hint: OCPP {version} takes it: --version {version}"
