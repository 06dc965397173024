"""The endpoints' metrics as `prometheus-client` exposes them."""

import asyncio
from typing import Any

import pytest

import ocppj
from ocppj.aio import CSMS, Metrics
from tests.aio.ends import End
from tests.aio.wire import UNLOCK, Central, dial

client = pytest.importorskip("prometheus_client")


def test_what_is_counted(end: End) -> None:
    from ocppj.aio.prometheus import Prometheus  # noqa: PLC0415  after the skip

    codec = ocppj.Codec("2.0.1", policy=ocppj.Policy.lenient())
    registry = client.CollectorRegistry()
    metrics: Metrics = Prometheus(codec, registry=registry)

    def value(name: str, **labels: str) -> Any:
        return registry.get_sample_value(name, labels)

    def frames(direction: str, action: str, outcome: str = "") -> Any:
        return value("ocppj_frames_total", direction=direction, action=action, outcome=outcome)

    async def main() -> None:
        csms = CSMS({"2.0.1": Central()}, codecs={"2.0.1": codec}, metrics=metrics)
        async with end.listen(csms) as server, dial(server) as raw:
            raw.send([2, "1", "Heartbeat", {"more": 1}])
            await raw.message()
            for n in range(3):
                raw.send([2, str(n), f"Invented{n}", {}])
                await raw.message()
            seen = csms.stations["CS-1"]
            for n in range(3):
                call = asyncio.create_task(seen.call(UNLOCK))
                raw.send([4, (await raw.message())[1], f"Invented{n}", "", {}])
                with pytest.raises(ocppj.CallFailed):
                    await call
            assert value("ocppj_connections", version="2.0.1") == 1
        assert value("ocppj_connections", version="2.0.1") == 0
        assert frames("in", "Heartbeat") == frames("out", "Heartbeat") == 1
        assert frames("out", "UnlockConnector") == 3
        assert frames("in", "UnlockConnector", "other") == 3
        refused = "NotImplemented"
        assert frames("in", "", refused) == frames("out", "", refused) == 3
        assert value("ocppj_violations_total", rule="unknown_field") == 1
        assert value("ocppj_call_seconds_count", direction="in", action="Heartbeat") == 1
        assert value("ocppj_call_seconds_count", direction="out", action="UnlockConnector") == 3

    end.run(main())
    text = client.generate_latest(registry).decode()
    assert "Invented" not in text
    assert "CS-1" not in text


def test_unknown_actions_get_an_empty_label() -> None:
    from ocppj.aio.prometheus import Prometheus  # noqa: PLC0415  after the skip

    registry = client.CollectorRegistry()
    metrics = Prometheus(registry=registry)
    metrics.latency("CS-1", "in", "Heartbeat", 0.1, "")
    labels = {"direction": "in", "action": ""}
    assert registry.get_sample_value("ocppj_call_seconds_sum", labels) == pytest.approx(0.1)
    with pytest.raises(ValueError, match="Duplicated"):
        Prometheus(registry=registry)
