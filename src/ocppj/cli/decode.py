"""`ocppj decode`: shows one frame, from an argument or stdin, with its types."""

import argparse
import os
from collections.abc import Iterator
from typing import Final

import msgspec

from ocppj.cli.guess import VERSION_ORDER
from ocppj.cli.log import MAX_PREFIX_SIZE, find_frame
from ocppj.cli.options import FAILED, OK, UNUSABLE, Commands, add_policy, add_version
from ocppj.cli.sources import STDIN_TIMEOUT, Stdin
from ocppj.cli.terminal import inline_json, outline, print_error, print_lines
from ocppj.codec import MAX_SIZE, Codec
from ocppj.errors import DecodeError
from ocppj.frames import CallResult
from ocppj.policy import Violation

__all__ = ["add", "run"]

NOTES: Final = """\
Without FRAME, a frame is read from stdin if it is piped in. FRAME "-" waits for stdin. Text around
the frame is skipped, so FRAME may be a line of a log.

Exit status: 0 the frame is valid or tolerated, 1 it is refused, 2 wrong usage, or no frame."""


def add(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add("decode", run, "decode one frame and show its fields", notes=NOTES)
    add_version(parser)
    add_policy(parser)
    parser.add_argument(
        "--action", metavar="ACTION", help="of the call that a result answers, to type its payload"
    )
    parser.add_argument("frame", nargs="?", metavar="FRAME", help="a frame; - is stdin")


def run(arguments: argparse.Namespace) -> int:
    """Run `ocppj decode`."""
    codec, action = Codec(arguments.version, policy=arguments.policy), arguments.action
    if action is not None and not any(
        feature.name == action and feature.response_type
        for profile in codec.profiles
        for feature in profile.features
    ):
        print_error(f"OCPP {codec.version} has no action {action!r} with a response")
        return UNUSABLE
    text = arguments.frame
    if text in (None, "-"):
        stdin = Stdin()
        if text is None and not (stdin.is_redirected and stdin.is_ready(STDIN_TIMEOUT)):
            print_error("no frame: pass one as an argument or pipe it in")
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
            "hint: --action ACTION decodes the payload as the result of a call with this action"
        )
    return OK


def _read(stdin: Stdin) -> bytes:
    """Read a frame, or the beginning of one that is too large."""
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
            yield f"hint: it is valid in OCPP {version}: --version {version}"
