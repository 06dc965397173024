"""`ocppj csms` and `ocppj station`: two processes that talk, and what they do with bad input."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ocppj.aio import Backoff
from ocppj.cli.demo import station as demo_station
from ocppj.cli.demo.dialects import DIALECTS
from ocppj.cli.demo.traffic import _summary
from ocppj.cli.main import main
from tests.cli.conftest import COMMAND
from tests.cli.running import PATIENCE, Running
from tests.conftest import VERSIONS, open_terminal

PACE = "0.05"

SESSIONS = {
    "1.6": [
        "wait-for CS-1 StartTransaction",
        "wait-for CS-1 StatusNotification Charging",
        "wait-for CS-1 MeterValues",
        "wait-for CS-1 StopTransaction EVDisconnected",
        "wait-for CS-1 StatusNotification Available",
    ],
    "2.x": [
        "wait-for CS-1 StatusNotification Occupied",
        "wait-for CS-1 TransactionEvent Started",
        "wait-for CS-1 TransactionEvent ChargingStateChanged",
        "wait-for CS-1 TransactionEvent MeterValuePeriodic",
        "wait-for CS-1 TransactionEvent EVDisconnected",
        "wait-for CS-1 StatusNotification Available",
    ],
}


@pytest.fixture
def script(tmp_path: Path) -> Any:
    """Write a script and return its path."""

    def write(*lines: str) -> str:
        path = tmp_path / "script"
        path.write_text("\n".join(lines))
        return str(path)

    return write


def csms(start: Any, *arguments: str, **options: Any) -> Running:
    made: Running = start("csms", "--port", "0", *arguments, **options)
    return made


def station(start: Any, url: str, *arguments: str) -> Running:
    made: Running = start("station", "--url", url, "--id", "CS-1", "--pace", PACE, *arguments)
    return made


@pytest.mark.parametrize("version", VERSIONS)
def test_a_session_that_is_started_remotely(start: Any, script: Any, version: str) -> None:
    session = SESSIONS.get(version, SESSIONS["2.x"])
    connected = "wait-for CS-1 BootNotification"
    commands = script("# a session", connected, "", "start CS-1 2 CARD", *session, "quit")
    central = csms(start, "--script", commands)
    charger = station(start, central.url, "--version", version, "--once")
    assert charger.end() == 0
    assert central.end() == 0
    shown = "\n".join(central.seen)
    assert f"CS-1 connected, ocpp{version}" in shown
    assert "-> result  BootNotification" in shown
    assert "=CARD" in shown
    assert "invalid" not in shown + "\n".join(charger.seen)
    assert "- error" not in shown


@pytest.mark.parametrize("transport", ["websockets", "picows"])
def test_the_commands(start: Any, transport: str) -> None:
    pytest.importorskip(transport)
    central = csms(start, "--transport", transport, stdin=subprocess.PIPE)
    url = central.url
    charger = station(start, url, "--transport", transport, "--version", "2.0.1", "--pace", "60")
    central.until("result  StatusNotification")
    central.until("result  StatusNotification")
    central.say("start CS-1")
    central.until("<- result  RequestStartTransaction", "Accepted")
    central.until("ChargingStateChanged")
    central.say("stations")
    central.until("CS-1  OCPP 2.0.1  ")
    for command, answer in (
        ("unlock CS-1", "OngoingAuthorizedTransaction"),
        ("unlock CS-1 2 1", "Unlocked"),
        ("unlock CS-1 3", "UnknownConnector"),
        ("start CS-1 1", "Rejected"),
        ("stop CS-1 nonsense", "Rejected"),
        ('call CS-1 ChangeAvailability {"operationalStatus": "Inoperative"}', "Scheduled"),
        ('call CS-1 ReserveNow {"id":1}', "missing"),
        ("call CS-1 GetLocalListVersion", "versionNumber=0"),
        ("call CS-1 SetDisplayMessage {}", "missing"),
        ("stop CS-1", "status=Accepted"),
    ):
        central.say(command)
        central.until(answer)
    central.until("RemoteStop", "stoppedReason=Remote")
    central.until("Unavailable", "evseId=1")
    central.say("reset CS-1")
    central.until("RemoteReset")
    central.say("quit")
    assert central.end() == 0
    charger.until("disconnected")
    charger.until("reconnects in")


def test_a_session_outlives_its_connection(start: Any, script: Any) -> None:
    commands = script("wait-for CS-1 BootNotification", "start CS-1")
    central = csms(start, "--script", commands)
    url = central.url
    charger = station(start, url, "--version", "1.6", "--pace", "0.3", "--once")
    central.until("call    MeterValues")
    central.process.kill()
    charger.until("reconnects in")
    second = start("csms", "--port", url.rpartition(":")[2])
    assert charger.end() == 0
    second.until("call    StatusNotification", "status=Charging")
    second.until("call    StopTransaction", "transactionId=1 reason=EVDisconnected")


LEFT = 5
"""Meter values and the end of a session whose connection ends after the first meter value."""


DELIVERED = {
    "1.6": ("MeterValues", "StopTransaction"),
    "2.0.1": ("MeterValuePeriodic", "TransactionEvent eventType=Ended"),
}
"""OCPP version -> texts of a meter value and of the end of a session."""


@pytest.mark.parametrize("version", DELIVERED)
def test_what_has_to_arrive_outlives_the_process(
    start: Any, script: Any, tmp_path: Path, version: str
) -> None:
    value, end = DELIVERED[version]
    commands = script("wait-for CS-1 BootNotification", "start CS-1")
    central = csms(start, "--script", commands)
    url = central.url
    options = ("--version", version, "--pace", "0.2", "--outbox", str(tmp_path / "outbox.db"))
    first = station(start, url, *options)
    first.until("-> call", value)
    first.until("<- result")
    central.process.kill()
    first.until("-> kept", end)
    first.process.kill()
    second = station(start, url, *options, "--once")
    left = int(second.until("messages to deliver: ").rpartition(" ")[2])
    assert LEFT <= left <= LEFT + 1  # one may have been in flight
    again = start("csms", "--port", url.rpartition(":")[2], "--script", commands)
    again.until("BootNotification")
    for _ in range(LEFT - 1):
        again.until("call    ", value)
    line = again.until("call    ", end)
    assert ("offline=true" in line) is (version == "2.0.1")
    assert second.end() == 0  # after a session of its own
    third = station(start, url, *options)
    third.until("<- result  BootNotification")
    assert not any("messages to deliver" in line for line in third.seen)


def test_an_outbox_that_cannot_be_used(start: Any, tmp_path: Path) -> None:
    url = "ws://127.0.0.1:1"
    missing = station(start, url, "--once", "--outbox", str(tmp_path / "none" / "outbox.db"))
    assert missing.end() == 2
    assert "outbox.db: unable to open database file" in missing.seen[-1]
    path = str(tmp_path / "outbox.db")
    first = station(start, url, "--outbox", path)
    first.until("connecting to")
    second = station(start, url, "--once", "--outbox", path)
    assert second.end() == 2
    assert "outbox.db: database is locked" in second.seen[-1]


def test_once_gives_up_where_nobody_listens(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "2000")
    monkeypatch.setattr(demo_station, "BACKOFF", Backoff(0.001, 0.0))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens, and nobody else may
        url = f"ws://127.0.0.1:{taken.getsockname()[1]}"
        assert main(["station", "--url", url, "--id", "CS-1", "--once"]) == 1
    out, err = capsys.readouterr()
    assert out.count(f"CS-1 connecting to {url}\n") == 5
    assert (
        out.count(f"CS-1 cannot connect to {url}/CS-1: ") == out.count("; retrying in 0.0 s") == 4
    )
    assert err.startswith(f"ocppj: cannot connect to {url}/CS-1: ")
    assert err.endswith("; gave up after 5 attempts\n")


def test_what_is_triggered_comes_after_the_answer(start: Any) -> None:
    central = csms(start, stdin=subprocess.PIPE)
    station(start, central.url, "--version", "1.6")
    central.until("result  StatusNotification")
    central.until("result  StatusNotification")
    for message in ("Heartbeat", "DiagnosticsStatusNotification", "MeterValues"):
        central.say(f"trigger CS-1 {message}")
        assert "Accepted" in central.until("<- ")
        assert f"call    {message}" in central.until("<- ")
    central.say("trigger CS-1 Heartbeats")
    central.until("PropertyConstraintViolation")


def test_bad_input_at_the_prompt_is_told_and_no_more(start: Any) -> None:
    central = csms(start, stdin=subprocess.PIPE)
    for line, problem in (
        ("nonsense", "unknown command: nonsense; try help"),
        ("start", "usage: start ID [CONNECTOR] [TOKEN]"),
        ("help me", "usage: help"),
        ("start CS-9", "CS-9 is not connected"),
        ("stop CS-9", "CS-9 is not connected"),
        ("wait soon", "not a number of seconds: soon"),
        ("wait nan", "not a number of seconds: nan"),
        ("wait-for CS-9 Nonsense", "unknown action: Nonsense"),
        ("stations", "no station is connected"),
        ("\x1b[31m\xe4", r"unknown command: \x1b[31m"),
        ("help", "wait-for ID ACTION [TEXT]"),
    ):
        central.say(line)
        central.until(problem)
    url = central.url if "listening" not in central.seen[0] else central.seen[0].split()[2][:-1]
    station(start, url, "--version", "2.1")
    central.until("result  StatusNotification")
    for line, problem in (
        ("call CS-1 Nonsense {}", "NotImplemented"),
        ("call CS-1 Reset {", "not JSON"),
        ('call CS-1 Reset {}],[2,"x","Reset",{}', "not JSON"),
        ('call CS-1 Reset {"type":"Never"}', "at $.type"),
        ("call CS-1 Heartbeat {}", "Heartbeat is not sent by a csms"),
        ("start CS-1 one", "not a number: one"),
        ("stop CS-1", "CS-1 has no transaction"),
    ):
        central.say(line)
        central.until(problem)
    central.say("quit")
    assert central.end() == 0


def test_a_line_of_a_script_that_fails_ends_the_run(start: Any, script: Any) -> None:
    central = csms(start, "--script", script("wait 0", "start CS-1", "quit"))
    assert central.end() == 1
    assert central.seen[-1].endswith("script, line 2: CS-1 is not connected")


def test_a_file_as_stdin_is_read_and_the_run_goes_on(start: Any, script: Any) -> None:
    with Path(script("stations", "help")).open(encoding="utf-8") as stdin:
        central = csms(start, stdin=stdin)
        central.until("no station is connected")
        central.until("quit")
        assert central.process.poll() is None
        central.process.send_signal(signal.SIGINT)
        assert central.end() == 130
    assert "Traceback" not in "\n".join(central.seen)


def test_a_password_is_asked_for(start: Any) -> None:
    central = csms(start, "--password", "secret")
    url = central.url
    central.seen.clear()
    stranger = station(start, url)
    stranger.until("401")
    central.until("/CS-1 rejected: 401 Unauthorized")
    known = station(start, url, "--password", "secret")
    known.until("result  BootNotification")
    known.process.send_signal(signal.SIGINT)
    assert known.end() == 130
    assert "Traceback" not in "\n".join(known.seen)


def test_faults_are_shown(start: Any) -> None:
    sync = pytest.importorskip("websockets.sync.client")
    for lenient, wanted in (((), ["<- invalid"]), (("--lenient",), ["<- call", "tolerated null"])):
        central = csms(start, *lenient)
        with sync.connect(f"{central.url}/CS-1", subprotocols=["ocpp1.6"]) as socket:
            socket.send(
                '[2,"1","StatusNotification",'
                '{"connectorId":1,"errorCode":"NoError","status":"Available","info":null}]'
            )
            socket.recv()
            for text in wanted:
                central.until("CS-1", text)
            socket.send("no frame")
            central.until("<- invalid ? ", "no frame")
            socket.send('[3,"unknown",{}]')
            central.until("<- result  ?")


@pytest.mark.parametrize("settings", [{}, {"NO_COLOR": "1"}])
def test_colour_and_a_prompt_are_for_terminals(settings: dict[str, str]) -> None:
    master, slave = open_terminal()
    command = [*COMMAND, "csms", "--port", "0"]
    env = {**{name: os.environ[name] for name in os.environ if name != "NO_COLOR"}, **settings}
    with subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=env) as process:
        os.close(slave)
        shown = b""
        for text, wanted in ((b"nonsense\n", b"try help"), (b"quit\n", b"")):
            os.write(master, text)
            while wanted not in shown:
                shown += os.read(master, 4096)
        assert process.wait(PATIENCE) == 0
    os.close(master)
    assert (b"\x1b[31munknown command" in shown) is (not settings)
    assert b"> " in shown


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["csms", "--port", "x"], "'x' is not a port: use 0 to 65535"),
        (["csms", "--port", "65536"], "is not a port"),
        (["csms", "--host", "not an address", "--port", "0"], "cannot listen"),
        (["csms", "--script", "/nonexistent"], "No such file"),
        (["station", "--url", "ws://x"], "--id"),
        (["station", "--url", "http://x", "--id", "CS-1"], "use one such as ws:"),
        (["station", "--url", "ws://x:99999", "--id", "CS-1"], "Port out of range"),
        (["station", "--url", "ws://x", "--id", "CS:1"], "identity"),
        (["station", "--url", "ws://x", "--id", "CS-1", "--pace", "0"], "seconds above 0"),
        (["station", "--url", "ws://x", "--id", "CS-1", "--pace", "nan"], "seconds above 0"),
        (["station", "--url", "ws://x", "--id", "CS-1", "--version", "3"], "invalid choice"),
    ],
)
def test_wrong_usage(
    capsys: pytest.CaptureFixture[str], arguments: list[str], problem: str
) -> None:
    assert main(arguments) == 2
    assert problem in capsys.readouterr().err


@pytest.mark.parametrize("command", [["csms"], ["station", "--url", "ws://x", "--id", "CS-1"]])
@pytest.mark.parametrize("library", ["websockets", "picows"])
def test_a_library_that_is_missing(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: list[str],
    library: str,
) -> None:
    monkeypatch.delitem(sys.modules, f"ocppj.aio.{library}", raising=False)
    monkeypatch.setitem(sys.modules, library, None)
    for name in [name for name in sys.modules if name.startswith(f"{library}.")]:
        monkeypatch.delitem(sys.modules, name)
    assert main([*command, "--transport", library]) == 2
    error = f"ocppj: {library} is not installed: pip install 'ocppj[{library}]'\n"
    assert capsys.readouterr().err == error


def test_every_version_has_a_dialect() -> None:
    assert list(DIALECTS) == list(VERSIONS)


@pytest.mark.parametrize("payload", ['{"a":1e999}', '{"a":%s}' % ("9" * 5000)])
def test_a_payload_that_nobody_has_decoded_can_be_shown(payload: str) -> None:
    assert _summary(payload)
