"""Fixtures for pytest, which finds them by itself: `ocpp_csms` and `ocpp_station`."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ocppj.aio import CSMS, ChargingStation

__all__ = ["ocpp_csms", "ocpp_station"]


@pytest.fixture
def ocpp_csms() -> "Callable[..., CSMS]":
    """Make a CSMS: `ocpp_csms({"2.0.1": Handler()}, timeout=5)`.

    Without handlers it speaks all versions and answers everything: see `ocppj.testing.Answering`.
    """
    from ocppj.aio import CSMS  # noqa: PLC0415  every run of pytest loads this module

    def make(handlers: Mapping[str, object] | None = None, **options: Any) -> CSMS:
        return CSMS(handlers or _answering("csms"), **options)

    return make


@pytest.fixture
def ocpp_station() -> "Callable[..., ChargingStation]":
    """Make a charging station: `ocpp_station("CS-1", {"2.0.1": Handler()}, timeout=5)`.

    Without handlers it speaks all versions, the newest first, and answers everything.
    """
    from ocppj.aio import ChargingStation  # noqa: PLC0415  every run of pytest loads this module

    def make(
        station_id: str = "CS-1", handlers: Mapping[str, object] | None = None, **options: Any
    ) -> ChargingStation:
        return ChargingStation(station_id, handlers or _answering("charging_station"), **options)

    return make


def _answering(role: Any) -> dict[str, object]:
    from ocppj.catalog import VERSIONS  # noqa: PLC0415  every run of pytest loads this module
    from ocppj.testing.samples import Answering  # noqa: PLC0415  every run of pytest loads this module

    return {version.name: Answering(version.name, role) for version in reversed(VERSIONS)}
