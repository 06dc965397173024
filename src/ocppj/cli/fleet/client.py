"""Runs `ocppj stations` and `ocppj call`."""

import argparse
import sys
from typing import Final

import msgspec

from ocppj.aio.directory import StationInfo
from ocppj.aio.events import StationEvent
from ocppj.cli.fleet.service import broker, serve
from ocppj.cli.options import FAILED, OK, UNUSABLE
from ocppj.cli.terminal import format_table, json_text, print_error, print_lines, print_text
from ocppj.errors import CallFailed, ConnectionLost, EncodeError, OcppError
from ocppj.fleet import Fleet
from ocppj.fleet.station import call_raw

__all__ = ["call", "list_stations"]

MARKS: Final = {"connected": "+", "disconnected": "-", "moved": ">"}
HEADER: Final = ("station", "OCPP", "node", "since", "address")


def list_stations(arguments: argparse.Namespace) -> int:
    """Run `ocppj stations`."""
    return serve(lambda: _list(arguments))


async def _list(arguments: argparse.Namespace) -> int:
    async with broker(arguments, "stations") as connected, Fleet(connected) as fleet:
        events = fleet.events()
        stations = sorted(fleet.stations.values())
        if arguments.json:
            for station in stations:
                print_text(json_text(msgspec.to_builtins(station._asdict())) + "\n")
        else:
            print_lines(*format_table([HEADER, *map(_row, stations)], len(HEADER)))
        sys.stdout.flush()
        if arguments.follow:
            async for event in events:
                _show(event, as_json=arguments.json)
    return OK


def _row(station: StationInfo) -> tuple[str, ...]:
    since = f"{station.since:%Y-%m-%d %H:%M:%S}"
    return station.id, station.version, station.node, since, station.address


def _show(event: StationEvent, *, as_json: bool) -> None:
    if as_json:
        print_text(json_text(msgspec.to_builtins(event._asdict())) + "\n")
    else:
        moment = f"{event.time:%H:%M:%S}"
        words = (moment, MARKS[event.type], event.station_id, event.node, event.reason)
        print_lines(" ".join(filter(None, words)))
    sys.stdout.flush()


def call(arguments: argparse.Namespace) -> int:
    """Run `ocppj call`."""
    return serve(lambda: _call(arguments))


async def _call(arguments: argparse.Namespace) -> int:
    async with broker(arguments, "call") as connected:
        try:
            station = await Fleet(connected).station(arguments.station)
            response = await call_raw(
                connected,
                station.id,
                arguments.action,
                arguments.payload.encode("utf-8", "surrogateescape"),
                arguments.timeout,
                station.generation,
                version=station.version,
            )
        except EncodeError as error:
            print_error(str(error))
            return UNUSABLE
        except CallFailed as error:
            details = f" {json_text(error.error_details)}" if error.error_details else ""
            print_error(f"{arguments.station} answered with an error: {error}{details}")
            return FAILED
        except (ConnectionLost, OcppError) as error:
            print_error(str(error))
            return FAILED
    print_text(json_text(msgspec.json.decode(response), 2) + "\n")
    return OK
