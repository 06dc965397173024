"""`ocppj load`: stations by the dozen against a CSMS in another process."""

import asyncio
import gc
import json
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from ocppj import v16, v201
from ocppj.aio import CSMS
from ocppj.cli.demo.figures import Figures
from ocppj.cli.demo.load import at_rate

STATIONS = 50


def now() -> datetime:
    return datetime.now(UTC)


class Central16:
    """Answers what a session consists of, and counts it."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.stopped = 0
        self.frozen = 0

    def on_boot_notification(self, station: Any, request: Any) -> Any:
        status = v16.RegistrationStatus.ACCEPTED
        return v16.BootNotificationResponse(current_time=now(), interval=300, status=status)

    def on_heartbeat(self, station: Any, request: Any) -> Any:
        self.frozen = max(gc.get_freeze_count(), self.frozen)
        return v16.HeartbeatResponse(current_time=now())

    def on_status_notification(self, station: Any, request: Any) -> Any:
        return v16.StatusNotificationResponse()

    def on_meter_values(self, station: Any, request: Any) -> Any:
        return v16.MeterValuesResponse()

    def on_start_transaction(self, station: Any, request: Any) -> Any:
        self.started.append(station.id)
        info = v16.IdTagInfo(status=v16.AuthorizationStatus.ACCEPTED)
        return v16.StartTransactionResponse(id_tag_info=info, transaction_id=len(self.started))

    def on_stop_transaction(self, station: Any, request: Any) -> Any:
        self.stopped += 1
        return v16.StopTransactionResponse()


class Central201:
    """The same, but for Heartbeats, which it does not answer."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def on_boot_notification(self, station: Any, request: Any) -> Any:
        status = v201.RegistrationStatusEnumType.ACCEPTED
        return v201.BootNotificationResponse(current_time=now(), interval=300, status=status)

    def on_status_notification(self, station: Any, request: Any) -> Any:
        return v201.StatusNotificationResponse()

    def on_transaction_event(self, station: Any, request: Any) -> Any:
        self.events.append(request.event_type.value)
        return v201.TransactionEventResponse()


class Central:
    """A CSMS in a thread of its own."""

    def __init__(self) -> None:
        self.v16, self.v201 = Central16(), Central201()
        self._listening, self._stop = Event(), Event()
        self._thread = Thread(target=lambda: asyncio.run(self._serve()))
        self._thread.start()
        assert self._listening.wait(10)

    async def _serve(self) -> None:
        csms = CSMS({"1.6": self.v16, "2.0.1": self.v201})
        async with csms.listen("127.0.0.1") as server:
            self.url = f"ws://127.0.0.1:{server.port}"
            self._listening.set()
            await asyncio.to_thread(self._stop.wait)

    def close(self) -> None:
        self._stop.set()
        self._thread.join()


@pytest.fixture
def central() -> Iterator[Central]:
    made = Central()
    yield made
    made.close()


def load(run: Any, url: str, *arguments: str) -> Any:
    options = ("--stations", str(STATIONS), "--ramp-up", "0.5", "--pace", "0.05")
    return run("load", "--url", url, *options, *arguments)


@pytest.mark.parametrize("transport", ["websockets", "picows"])
def test_sessions(run: Any, central: Central, transport: str) -> None:
    pytest.importorskip(transport)
    options = ("--rate", "60", "--duration", "1.5", "--transport", transport, "--json")
    done = load(run, central.url, "--version", "1.6", *options)
    assert done.status == 0, done.out
    found = done.json
    assert found["connected"] == found["stations"] == STATIONS
    assert found["errors"] == {}
    assert 60 < found["sessions"]["started"] <= 90
    assert found["actions"]["StopTransaction"]["count"] <= central.v16.stopped
    assert central.v16.stopped > 30
    assert len(set(central.v16.started)) == STATIONS
    assert found["actions"]["MeterValues"]["count"] > 150
    assert found["latency"]["count"] == sum(one["count"] for one in found["actions"].values())
    # A call that a station sends just before the measurement counts by its answer alone.
    assert found["frames"] >= 2 * found["latency"]["count"] - STATIONS
    assert 0 < found["latency"]["p50"] <= found["latency"]["p99"] <= found["latency"]["p99.9"]
    assert found["latency"]["p99.9"] <= found["latency"]["max"]
    assert found["frames_per_second"] == pytest.approx(found["frames"] / found["seconds"], rel=0.01)


def test_sessions_of_ocpp_2(run: Any, central: Central) -> None:
    done = load(run, central.url, "--version", "2.0.1", "--rate", "60", "--duration", "1")
    assert done.status == 0, done.out
    assert "connected at the end: 50" in done.out
    assert "sessions: " in done.out
    assert "TransactionEvent" in done.out
    assert central.v201.events.count("Ended") > 10


def test_heartbeats_and_errors(run: Any, central: Central, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    options = ("--scenario", "idle", "--rate", "100", "--duration", "0.5")
    done = load(run, central.url, "--version", "1.6", *options, "--html", str(page))
    assert done.status == 0, done.out
    assert "errors: 0" in done.out
    assert "sessions" not in done.out
    text = page.read_text()
    assert "50 stations, OCPP 1.6, idle" in text
    assert text.count("<svg") >= 2
    assert "<script" not in text
    done = load(run, central.url, "--version", "2.0.1", *options, "--html", str(page))
    assert done.status == 1
    assert "error: Heartbeat: NotSupported: " in done.out
    assert "Heartbeat: NotSupported" in page.read_text()


@pytest.mark.parametrize(("scenario", "rate"), [("reconnect", "40"), ("storm", "0.3")])
def test_reconnects(run: Any, central: Central, scenario: str, rate: str) -> None:
    options = ("--version", "1.6", "--scenario", scenario, "--rate", rate, "--duration", "1.2")
    done = load(run, central.url, *options, "--json")
    assert done.status == 0, done.out
    reconnects = done.json["reconnects"]
    assert reconnects["count"] >= (STATIONS if scenario == "storm" else 30)
    assert 0 < reconnects["p50"] <= reconnects["max"] < 5000
    assert done.json["actions"]["BootNotification"]["count"] >= 30
    assert done.json["actions"].keys() <= {"BootNotification", "StatusNotification"}


def test_a_csms_that_is_not_there_is_an_error(run: Any) -> None:
    options = ("--stations", "2", "--ramp-up", "0.1", "--duration", "0.1", "--json")
    done = run("load", "--url", "ws://127.0.0.1:1", *options)
    assert done.status == 1
    assert done.json["connected"] == 0
    assert sum(done.json["errors"].values()) >= 2


def test_a_terminal_shows_the_progress(
    run: Any, central: Central, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    done = load(run, central.url, "--version", "1.6", "--duration", "0.6", "--json")
    assert json.loads(done.out)
    first, *_, last = done.err.removesuffix("\r\x1b[K").split("\x1b[K")[:-1]
    assert first.startswith("\rramp-up, ")
    assert "s: 50 connected" in last
    assert "ramp-up" not in last
    assert done.err.endswith("\r\x1b[K")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--url", "http://a"), "http://a is not the URL of a CSMS"),
        (("--url", "ws://a", "--stations", "0"), "'0' is not a number of stations"),
        (("--url", "ws://a", "--rate", "0"), "'0' is not a number above 0"),
        (("--url", "ws://a", "--duration", "x"), "'x' is not a number of seconds above 0"),
        (("--url", "ws://a", "--html", "/nowhere/page"), "/nowhere/page: No such file"),
        (("--url", "ws://a", "--prefix", "a/"), "'a/0' is not a valid station identity"),
        ((), "required: --url"),
    ],
)
def test_wrong_arguments_are_reported(run: Any, arguments: tuple[str, ...], problem: str) -> None:
    done = run("load", *arguments)
    assert done.status == 2
    assert problem in done.err


def test_more_stations_than_files_are_reported(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    resource = pytest.importorskip("resource")
    monkeypatch.setattr(resource, "getrlimit", lambda _: (100, 100))
    done = run("load", "--url", "ws://a", "--stations", "100")
    assert done.status == 2
    assert "164 open files are needed, but 100 allowed" in done.err


def test_the_collector_leaves_the_stations_alone(run: Any, central: Central) -> None:
    before = gc.get_freeze_count()
    options = ("--scenario", "idle", "--rate", "100", "--duration", "0.3")
    assert load(run, central.url, "--version", "1.6", *options).status == 0
    assert central.v16.frozen > before + 10_000
    assert gc.get_freeze_count() <= before


def test_a_stall_is_made_up_for() -> None:
    called: list[int] = []

    def act(number: int) -> None:
        called.append(number)
        if number == 50:
            time.sleep(0.05)

    async def main() -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(0.2):
                await at_rate(1000, act)

    asyncio.run(main())
    assert called == [*range(len(called))]
    assert len(called) > 180


def test_nothing_counts_after_the_end() -> None:
    figures = Figures()
    figures.latency("a", "out", "Heartbeat", 0.01, "")
    figures.freeze()
    figures.latency("a", "out", "Heartbeat", 0.01, "NoAnswer")
    figures.frame("a", "in", 2, "Heartbeat", "")
    summary = figures.summary()
    assert summary["latency"]["count"] == 1
    assert (summary["frames"], summary["errors"]) == (0, {})


def test_calls_that_the_load_itself_has_cut_off_are_no_errors() -> None:
    figures = Figures()
    figures.closing("a")
    figures.latency("a", "out", "Heartbeat", 0.01, "NoAnswer")
    assert figures.errors == 0
    figures.latency("a", "out", "Heartbeat", 0.01, "GenericError")
    figures.latency("b", "out", "Heartbeat", 0.01, "NoAnswer")
    figures.connected("a", "1.6")
    figures.latency("a", "out", "Heartbeat", 0.01, "NoAnswer")
    assert figures.errors == 3
