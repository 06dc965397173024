"""A short storm; `python -m tests.fleet.chaos` is a long one."""

import asyncio
from pathlib import Path

import pytest

pytest.importorskip("picows")

from tests.fleet.chaos import Settings, Storm

SHORT = Settings(
    stations=30, rounds=1, pause=0.1, back_off=(0.1, 1), deadline=2, lease=2, ack_wait=2
)


def test_what_is_acknowledged_is_at_a_worker(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def main() -> None:
        async with asyncio.timeout(120):
            result = await Storm(tmp_path, SHORT).run()
        with capsys.disabled():
            print(f"\n{result}")
        assert [fault.name for fault in result.faults] == [*SHORT.faults]
        events, notices, commands = result.rows
        assert events.sent > events.acknowledged > 200  # the faults have hit some
        assert notices.acknowledged > 50
        assert commands.acknowledged > 5 * SHORT.stations
        assert result.good, str(result)

    asyncio.run(main())
