"""Runs `ocppj web`."""

import argparse

from ocppj.cli.fleet.service import broker, serve, stopped
from ocppj.cli.fleet.site import site
from ocppj.cli.fleet.telemetry import NOTHING, fleet_metrics
from ocppj.cli.options import OK
from ocppj.fleet import Fleet

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    return serve(lambda: _serve(arguments))


async def _serve(arguments: argparse.Namespace) -> int:
    async with (
        stopped() as stop,
        broker(arguments, "web") as connected,
        Fleet(connected) as fleet,
        site(
            arguments,
            fleet,
            NOTHING._replace(exposed=fleet_metrics(fleet)),
            ready=lambda: connected.connected,
        ),
    ):
        await stop.wait()
    return OK
