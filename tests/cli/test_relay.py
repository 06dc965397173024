"""`ocppj relay`: between `ocppj csms` and `ocppj station`."""

import signal
from typing import Any

import pytest

from tests.cli.running import Running


@pytest.mark.parametrize("transport", ["websockets", "picows"])
def test_a_mirror_sees_the_session_of_a_station(start: Any, transport: str) -> None:
    pytest.importorskip(transport)

    def listening(*arguments: str) -> Running:
        found: Running = start(*arguments, "--port", "0", "--transport", transport)
        return found

    primary, mirror = listening("csms"), listening("csms")
    relay = listening("relay", "--to", primary.url, "--mirror", mirror.url, "--report", "0.1")
    options = ("--id", "CS-1", "--version", "1.6", "--transport", transport)
    station = start("station", "--url", relay.url, *options)
    station.until("result", "BootNotification", "Accepted")
    mirror.until("CS-1", "<- call", "BootNotification")
    relay.until("sent", "0 dropped", "1 connected")
    station.process.send_signal(signal.SIGINT)
    assert station.end() == 130
    mirror.until("CS-1 disconnected")
    primary.until("CS-1 disconnected")
    relay.process.send_signal(signal.SIGTERM)
    assert relay.end() == 0
    assert "0 connected" in relay.seen[-1]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--to", "http://localhost"), "'http://localhost' is not a CSMS URL"),
        (("--to", "ws://a", "--mirror", "ws://a"), "a URL is given twice"),
        (("--to", "ws://a", "--host", "192.0.2.1"), "cannot listen on 192.0.2.1, port 9000"),
        (("--to", "ws://a", "--report", "0"), "not a number of seconds above 0"),
        ((), "required: --to"),
    ],
)
def test_wrong_arguments_are_reported(run: Any, arguments: tuple[str, ...], problem: str) -> None:
    done = run("relay", *arguments)
    assert done.status == 2
    assert problem in done.err
