"""`ocppj features`: lists the actions of a version, with functional block and sender."""

import argparse
from typing import Final

from ocppj.cli.options import OK, Commands, add_version
from ocppj.cli.terminal import format_table, json_text, print_lines, print_text
from ocppj.codec import Codec

__all__ = ["add", "run"]

NOTES: Final = "Exit status: 0 success, 2 wrong usage."
SENDERS: Final = {"csms": "CSMS", "charging_station": "charging station", "both": "both"}


def add(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add("features", run, "list the actions of an OCPP version", notes=NOTES)
    add_version(parser)
    parser.add_argument("--json", action="store_true", help="write one JSON object")


def run(arguments: argparse.Namespace) -> int:
    """Run `ocppj features`."""
    codec = Codec(arguments.version)
    rows = [(feature, profile.name) for profile in codec.profiles for feature in profile.features]
    if arguments.json:
        features = [
            {
                "action": feature.name,
                "block": block,
                "sender": feature.sender,
                "answered": feature.response_type is not None,
            }
            for feature, block in rows
        ]
        print_text(json_text({"version": codec.version, "features": features}, indent=2) + "\n")
        return OK
    cells = [
        (
            feature.name,
            block,
            SENDERS[feature.sender] + ("" if feature.response_type else " (SEND)"),
        )
        for feature, block in rows
    ]
    print_lines(*format_table([("action", "block", "sender"), *cells], 3), "")
    print_lines(f"OCPP {codec.version}: {len(rows)} actions in {len(codec.profiles)} blocks")
    return OK
