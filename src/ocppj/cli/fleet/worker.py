"""Runs `ocppj worker`."""

import argparse
import sys

from ocppj.cli.fleet.service import Unusable, broker, load_handlers, serve, stopped
from ocppj.cli.options import OK
from ocppj.cli.terminal import print_lines
from ocppj.fleet import Worker

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    return serve(lambda: _serve(arguments))


async def _serve(arguments: argparse.Namespace) -> int:
    handlers = load_handlers(arguments.handlers, arguments.versions)
    async with stopped() as stop, broker(arguments, "worker") as connected:
        try:
            worker = Worker(
                handlers,
                connected,
                stored=not arguments.no_stored,
                max_handling=arguments.max_handling,
            )
        except (TypeError, ValueError) as error:
            raise Unusable(str(error)) from error
        async with worker:
            print_lines(f"worker for OCPP {', '.join(handlers)}: ready")
            sys.stdout.flush()
            await stop.wait()
    return OK
