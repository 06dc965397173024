"""The fixtures for pytest, in a test session of their own."""

from importlib.metadata import entry_points

import pytest

pytest_plugins = ["pytester"]

TEST = """
import asyncio
import sys
from ocppj import v16

def test_nothing_is_loaded_before_a_fixture_is_used():
    assert "ocppj.aio" not in sys.modules

def test_defaults(ocpp_csms, ocpp_station):
    from ocppj.testing import connected
    async def main():
        csms, station = ocpp_csms(timeout=1), ocpp_station()
        async with connected(csms, station):
            assert station.version == "2.1"
            assert csms.stations["CS-1"].version == "2.1"
    asyncio.run(main())

class Handler:
    def on_clear_cache(self, request):
        return v16.ClearCacheResponse(status=v16.ClearCacheStatus.REJECTED)

def test_handlers_of_ones_own(ocpp_csms, ocpp_station):
    from ocppj.testing import connected
    async def main():
        csms = ocpp_csms()
        async with connected(csms, ocpp_station("old", {"1.6": Handler()})):
            answer = await csms.call("old", v16.ClearCacheRequest())
            assert answer.status == "Rejected"
    asyncio.run(main())
"""


def test_the_fixtures_are_there(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(TEST)
    named = {point.value for point in entry_points(group="pytest11")}
    options = () if "ocppj.integrations.pytest" in named else ("-p", "ocppj.integrations.pytest")
    result = pytester.runpytest_subprocess(*options, "-p", "no:cacheprovider")
    result.assert_outcomes(passed=3)
