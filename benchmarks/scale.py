"""The arithmetic of a large fleet: `python -m benchmarks.scale --stations 1000000`.

Reckons how many gateways, workers, cores and how much memory a fleet needs, what the broker
carries, and how long it takes until all are back after a zone was lost. Costs are those that
`python -m benchmarks.fleet` measured; `--help` lists what is assumed. It measures nothing.
"""

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from math import ceil
from typing import Any, Final, NamedTuple

from benchmarks.page import RESULTS, table

__all__ = ["Plan", "assumptions", "reckon", "scale"]

DAY: Final = 86_400.0
MICRO: Final = 1e6
MIB: Final = 1024.0  # KiB
GIB: Final = 1024.0 * MIB
SIZES: Final = (100_000, 1_000_000)
"""Stations of the page's table."""


def _assume(default: float, text: str) -> Any:
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is assumed. Each is an option of the command line."""

    stations: float = _assume(100_000, "charging stations")
    heartbeat: float = _assume(300, "seconds between Heartbeats, which gateways answer")
    meter_values: float = _assume(60, "seconds between meter values of a station that charges")
    charging: float = _assume(0.2, "share of the stations that charge")
    sessions: float = _assume(3, "sessions of a station per day")
    session_frames: float = _assume(8, "frames of a session beside meter values")
    peak: float = _assume(3, "sessions in the busiest hour, relative to the mean")
    boot_frames: float = _assume(4, "frames of a station after it has connected")
    zones: float = _assume(3, "zones over which everything is spread; one may be lost")
    per_gateway: float = _assume(10_000, "stations on a gateway while all zones are there")
    handshakes: float = _assume(100, "max_handshakes: connections per second and gateway")
    busy: float = _assume(0.5, "share of a core that is planned for; the rest is reserve")
    replicas: float = _assume(3, "JetStream replicas; each costs what a write to one server does")


class Row(NamedTuple):
    """A figure of the plan: its name, its value as text, and how it comes about."""

    name: str
    value: str
    reason: str


def reckon(plan: Plan, measured: Mapping[str, Any]) -> list[Row]:
    """Return the figures of a plan.

    Args:
        plan: what is assumed.
        measured: results of `benchmarks.fleet`.
    """
    return [*_usual(plan, measured), *_after_a_zone(plan, measured)]


def _frames(plan: Plan) -> tuple[float, float, float]:
    """Return Heartbeats, meter values and other frames per second."""
    return (
        plan.stations / plan.heartbeat,
        plan.stations * plan.charging / plan.meter_values,
        plan.stations * plan.sessions * plan.session_frames / DAY * plan.peak,
    )


def _gateways(plan: Plan) -> float:
    """Return the number of gateways: as many in each zone."""
    return ceil(plan.stations / plan.per_gateway / plan.zones) * plan.zones


def _spare(plan: Plan) -> float:
    """Return the share of everything that is left without a zone."""
    return (plan.zones - 1) / plan.zones


def _usual(plan: Plan, measured: Mapping[str, Any]) -> list[Row]:
    n, (heartbeats, meters, others) = plan.stations, _frames(plan)
    handled = meters + others
    spent, sent = measured["latency"]["microseconds"], measured["handled"]["broker"]
    stored = measured["stored"]
    memory, fleet = (
        measured["connections"]["TLS"]["memory"],
        measured["connections"]["TLS"]["fleet"],
    )
    per_frame = sent["in_msgs"] + sent["out_msgs"]
    at_workers = handled * spent["worker"] / MICRO
    at_nats = handled * spent["nats-server"] / MICRO
    at_gateways = (heartbeats * spent["process"] + handled * spent["gateway"]) / MICRO
    at_store = stored["microseconds"]["nats-server"]
    storing = meters * at_store * plan.replicas / MICRO
    hour = meters * stored["broker"]["in_bytes"] * 3600
    crowded = plan.per_gateway / _spare(plan)
    return [
        Row("Heartbeats per second", f"{heartbeats:,.0f}", "gateways answer them"),
        Row("meter values per second", f"{meters:,.0f}", f"{plan.charging:.0%} of stations charge"),
        Row("other frames per second", f"{others:,.0f}", f"{plan.peak:g} times the daily mean"),
        Row(
            "broker, messages per second", f"{handled * per_frame:,.0f}", f"{per_frame:.0f} a frame"
        ),
        Row(
            "broker, MB per second",
            f"{handled * (sent['in_bytes'] + sent['out_bytes']) / 1e6:,.1f}",
            "if each frame were a TransactionEvent of 767 bytes",
        ),
        Row(
            "gateways",
            f"{_gateways(plan):,.0f}",
            f"{plan.per_gateway:,.0f} stations each, {crowded:,.0f} without a zone",
        ),
        Row(
            "gateways, cores in use",
            f"{at_gateways:,.1f}",
            f"{spent['process']:.0f} µs a Heartbeat, {spent['gateway']:.0f} µs another frame",
        ),
        Row(
            "gateways, GiB",
            f"{n * memory['gateway'] / GIB:,.1f}",
            f"{memory['gateway']:.0f} KiB a station with TLS",
        ),
        Row(
            "workers",
            f"{max(plan.zones, ceil(at_workers / plan.busy / _spare(plan))):,.0f}",
            f"{at_workers:.2f} cores in use, without what handlers do",
        ),
        Row(
            "nats-server, cores in use",
            f"{at_nats:,.1f}",
            f"{spent['nats-server']:.0f} µs a frame",
        ),
        Row(
            "the same with stored meter values",
            f"{at_nats + storing:,.1f}",
            f"{at_store:.0f} µs more for each of {plan.replicas:g} replicas",
        ),
        Row("stored in an hour without workers, GB", f"{hour / 1e9:,.1f}", "`journal_size`"),
        Row(
            "each nats-server, GiB",
            f"{n * memory['nats-server'] / GIB:,.1f}",
            f"{memory['nats-server']:.1f} KiB a station: presence and a subscription",
        ),
        Row(
            "each `Fleet`, MiB",
            f"{n * fleet['memory'] / MIB:,.0f}",
            f"{fleet['memory']:.1f} KiB a station, in every process that has one",
        ),
        Row(
            "each `Fleet`, seconds to start",
            f"{n * fleet['microseconds'] / MICRO:,.1f}",
            f"{fleet['microseconds']:.0f} µs a station",
        ),
    ]


def _after_a_zone(plan: Plan, measured: Mapping[str, Any]) -> list[Row]:
    lost, left = plan.stations / plan.zones, _gateways(plan) * _spare(plan)
    at_gateway = measured["connections"]["TLS"]["microseconds"]["gateway"]
    at_nats = measured["connections"]["plain"]["microseconds"]["nats-server"]
    limits = {
        "max_handshakes": (left * plan.handshakes, f"{left:,.0f} gateways are left"),
        "gateways' cores": (left * MICRO / at_gateway, f"{at_gateway / 1e3:.1f} ms with TLS"),
        "presence": (
            MICRO / at_nats / plan.replicas,
            f"{at_nats:.0f} µs of the leader for each of {plan.replicas:g} replicas",
        ),
    }
    first = min(limits, key=lambda name: limits[name][0])
    rate = limits[first][0]
    meanwhile = rate * plan.boot_frames + sum(_frames(plan)[1:])
    return [
        Row("stations of a lost zone", f"{lost:,.0f}", f"one of {plan.zones:g}"),
        *(
            Row(f"connections per second: {name}", f"{limit:,.0f}", reason)
            for name, (limit, reason) in limits.items()
        ),
        Row("minutes until all are back", f"{lost / rate / 60:,.1f}", f"limited by {first}"),
        Row(
            "frames to workers per second meanwhile",
            f"{meanwhile:,.0f}",
            f"{plan.boot_frames:g} for each connection, and the usual ones",
        ),
    ]


def scale(sizes: tuple[int, ...] = SIZES, plan: Plan | None = None) -> str:
    """Return the table for fleets of several sizes."""
    measured = json.loads((RESULTS / "fleet.json").read_text("utf-8"))
    plans = [replace(plan or Plan(), stations=size) for size in sizes]
    rows = [
        [same[0].name, *(row.value for row in same), same[-1].reason]
        for same in zip(*(reckon(one, measured) for one in plans), strict=True)
    ]
    return table(["stations", *(f"{size:,}" for size in sizes), "how (last column)"], rows, texts=1)


def assumptions() -> str:
    """Return what is assumed, as a table."""
    rows = [
        [f"`--{one.name.replace('_', '-')}`", f"{one.default:,g}", one.metadata["help"]]
        for one in fields(Plan)
        if one.name != "stations"
    ]
    return table(["option", "default", ""], rows, texts=1)


def main() -> None:
    """Print the table for the figures given."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    for one in fields(Plan):
        text = f"{one.metadata['help']} ({one.default:,g})"
        name = f"--{one.name.replace('_', '-')}"
        parser.add_argument(name, type=float, default=one.default, help=text.replace("%", "%%"))
    given = Plan(**vars(parser.parse_args()))
    if not all(value > 0 for value in vars(given).values()) or given.zones < 2:
        parser.error("use at least two zones, and more than 0 of everything else")
    print(scale((int(given.stations),), given), end="")


if __name__ == "__main__":
    main()
