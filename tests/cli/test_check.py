"""The command line: what it prints, how it exits, and that it survives whatever it is given."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import ocppj
from ocppj.cli import guess, sources, tally, terminal
from ocppj.cli.check import MAX_LISTED
from ocppj.cli.main import main
from tests.conftest import interruptible

HEARTBEAT = '[2,"1","Heartbeat",{}]'
ANSWER = '[3,"1",{"currentTime":"2026-01-01T00:00:00Z"}]'
BAD = '[2,"2","Heartbeat",{"x":1}]'
OLD_BOOT = '[2,"3","BootNotification",{"chargePointModel":"m","chargePointVendor":"v"}]'
NEW_BOOT = (
    '[2,"4","BootNotification",'
    '{"reason":"PowerUp","chargingStation":{"model":"m","vendorName":"v"}}]'
)
NO_SUCH = "No such file or directory"


@pytest.fixture
def log(tmp_path: Path) -> Any:
    """Write lines to a file and return its path."""

    def write(*lines: str | bytes, name: str = "a.log") -> str:
        path = tmp_path / name
        path.write_bytes(b"".join((s.encode() if isinstance(s, str) else s) + b"\n" for s in lines))
        return str(path)

    return write


@pytest.fixture
def piped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """Make a file the standard input."""
    streams = []

    def pipe(text: str | bytes) -> None:
        path = tmp_path / "stdin"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        streams.append(path.open(encoding="utf-8"))
        monkeypatch.setattr(sys, "stdin", streams[-1])

    yield pipe
    for stream in streams:
        stream.close()


@pytest.fixture
def unpiped(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make /dev/null the standard input, as in CI."""
    with Path(os.devnull).open(encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        yield


class Run:
    """One run of `main`, with what it wrote."""

    def __init__(self, capsys: pytest.CaptureFixture[str], *arguments: str) -> None:
        self.status = main(arguments)
        self.out, self.err = capsys.readouterr()

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    return lambda *arguments: Run(capsys, *arguments)


def row(out: str, action: str) -> list[str]:
    """Return the cells of an action in the table."""
    [line] = [line for line in out.splitlines() if line.startswith(f"{action}  ")]
    return line.removeprefix(action).split()


# --- check: what it says --------------------------------------------------------------------------


def test_good_frames_are_counted(run: Any, log: Any) -> None:
    path = log(f"2026-01-01T10:00:00Z >> {HEARTBEAT}", "", f"[10:00] {ANSWER}")
    done = run("check", path)
    assert done.status == 0
    assert row(done.out, "Heartbeat") == ["1", "1", "0", "0"]
    assert row(done.out, "total") == ["1", "1", "0", "0"]
    assert f"{path}: OCPP 2.0.1 (no call tells): 2 frames, 0 refused" in done.out
    assert f"{Path(path).stat().st_size} bytes in 0.00" in done.out
    assert "frames per second" in done.out
    assert "call that is not in the log" not in done.out
    assert "sends" not in done.out
    assert "skipped" not in done.out
    assert done.out.endswith("\nevery frame is valid\n")
    assert done.err == ""


def test_a_refused_frame_is_listed_with_its_place(run: Any, log: Any) -> None:
    path = log(HEARTBEAT, "", BAD, '[2,"3"')
    done = run("check", path)
    assert done.status == 1
    assert f"{path}:3: Heartbeat: FormatViolation: unknown field x at $\n" in done.out
    assert f"{path}:4: (no action): RpcFrameworkError: not JSON: " in done.out
    assert row(done.out, "Heartbeat") == ["1", "0", "0", "1"]
    assert row(done.out, "(no action)") == ["0", "0", "0", "1"]
    assert "every frame is valid" not in done.out


def test_several_files_have_their_own_calls(run: Any, log: Any) -> None:
    first, second = log(HEARTBEAT), log(ANSWER, name="b.log")
    done = run("check", first, second)
    assert done.status == 0
    assert "answers to a call that is not in the log: 1\n" in done.out
    assert row(done.out, "(unknown call)") == ["0", "1", "0", "0"]
    assert f"{first}: OCPP 2.0.1 (no call tells): 1 frame, 0 refused" in done.out
    assert f"{second}: OCPP 2.0.1 (no call tells): 1 frame, 0 refused" in done.out


def test_sends_are_a_column_where_there_are_any(run: Any, log: Any) -> None:
    data = '{"id":1,"pending":0,"basetime":"2026-01-01T00:00:00Z","data":[{"t":0,"v":"1"}]}'
    done = run("check", "-V", "2.1", log(f'[6,"1","NotifyPeriodicEventStream",{data}]'))
    assert done.status == 0
    assert row(done.out, "action") == ["calls", "sends", "results", "errors", "refused"]
    assert row(done.out, "NotifyPeriodicEventStream") == ["0", "1", "0", "0", "0"]


def test_the_listing_is_bounded(run: Any, log: Any) -> None:
    path = log(*[BAD] * 60)
    done = run("check", path)
    assert done.out.count("unknown field x") == MAX_LISTED == 50
    assert "and 10 more refused frames: --all lists them" in done.out
    assert row(done.out, "Heartbeat")[-1] == "60"
    done = run("check", "--all", path)
    assert done.out.count("unknown field x") == 60
    assert "more refused" not in done.out


def test_no_frames_at_all_are_nothing_to_check(run: Any, log: Any) -> None:
    nothing = "ocppj: no frames: nothing to check\n"
    empty, good = log(), log(HEARTBEAT, name="b.log")
    done = run("check", empty)
    assert (done.status, done.err) == (2, nothing)
    assert "0 frames, 0 refused, 0 bytes" in done.out
    done = run("check", "--json", "-V", "auto", empty, log("", name="c.log"))
    assert (done.status, done.err, done.json["totals"]["frames"]) == (2, nothing, 0)
    done = run("check", empty, good)
    assert (done.status, done.err) == (0, "")
    assert f"{empty}: OCPP 2.0.1 (no call tells): 0 frames, 0 refused" in done.out


def test_the_version_is_taken_by_both_of_its_names(run: Any, log: Any) -> None:
    path = log(OLD_BOOT)
    assert run("check", "-V", "2.0.1", path).status == 1
    assert run("check", "--version", "1.6", path).status == 0
    done = run("check", "-V", "ocpp1.6", path)
    assert done.status == 0
    assert f"{path}: OCPP 1.6: 1 frame, 0 refused\n" in done.out


def test_a_log_of_another_version_gets_a_hint(run: Any, log: Any) -> None:
    """Results do not count: those of a call that was refused pass."""
    path = log(OLD_BOOT, OLD_BOOT, HEARTBEAT, *[ANSWER] * 20)
    assert "hint: " in run("check", "-V", "2.0.1", path).out
    assert "hint: " not in run("check", "-V", "1.6", path).out
    assert "hint: " not in run("check", path).out
    assert "hint: " not in run("check", "-V", "2.0.1", log("[2,", "[2,", HEARTBEAT)).out


# --- check: lines without a frame -----------------------------------------------------------------


def test_lines_without_a_frame_are_skipped_and_counted(run: Any, log: Any) -> None:
    path = log("CS-1 connected", HEARTBEAT, "", "Traceback [most recent call last]:", BAD)
    done = run("check", path)
    assert done.status == 1
    assert "lines without a frame, skipped: 2\n" in done.out
    assert f"{path}:5: Heartbeat: FormatViolation" in done.out
    assert f"{path}: OCPP 2.0.1 (no call tells): 2 frames, 1 refused\n" in done.out
    found = run("check", "--json", path).json
    assert (found["files"][0]["skipped_lines"], found["totals"]["skipped_lines"]) == (2, 2)


def test_strict_lines_are_refused_without_a_frame(run: Any, log: Any) -> None:
    path = log("CS-1 connected", HEARTBEAT, "", "x")
    assert run("check", path).status == 0
    done = run("check", "--strict-lines", path)
    assert done.status == 1
    assert f"{path}:1: (no action): RpcFrameworkError: not JSON: " in done.out
    assert f"{path}:4: (no action): " in done.out
    assert "skipped" not in done.out
    assert row(done.out, "(no action)") == ["0", "0", "0", "2"]


def test_text_alone_is_no_log(run: Any, log: Any) -> None:
    done = run("check", log("Dear reader,", "[1] is a footnote."))
    assert (done.status, done.err) == (2, "ocppj: no frames: nothing to check\n")
    assert "lines without a frame, skipped: 2\n" in done.out


# --- check: the version guessed -------------------------------------------------------------------


def test_the_version_is_guessed_for_each_file(run: Any, log: Any) -> None:
    battery = '{"evseId":1,"serialNumber":"x","soC":1,"soH":1}'
    swap = '{"eventType":"BatteryIn","requestId":1,"idToken":{"idToken":"x","type":"Central"}'
    swap = f'[2,"4","BatterySwap",{swap},"batteryData":[{battery}]}}]'
    old, new = log(OLD_BOOT, HEARTBEAT), log(HEARTBEAT, swap, name="b.log")
    tie = log(HEARTBEAT, ANSWER, name="c.log")
    for options in ((), ("--version", "auto")):
        done = run("check", *options, old, new, tie)
        assert done.status == 0
        assert f"{old}: OCPP 1.6 (guessed): 2 frames, 0 refused\n" in done.out
        assert f"{new}: OCPP 2.1 (guessed): 2 frames, 0 refused\n" in done.out
        assert f"{tie}: OCPP 2.0.1 (no call tells): 2 frames, 0 refused\n" in done.out


def test_versions_may_be_mixed(run: Any, log: Any) -> None:
    path = log(OLD_BOOT, *[HEARTBEAT, ANSWER] * 2, NEW_BOOT, BAD)
    done = run("check", path)
    versions = "OCPP 1.6 (5 frames) and 2.0.1 (2 frames) (guessed)"
    assert f"{path}: {versions}: 7 frames, 1 refused\n" in done.out
    found = run("check", "--json", path).json
    assert found["files"][0] | {"bytes": 0} == {
        "file": path,
        "versions": {"1.6": 5, "2.0.1": 2},
        "guessed": True,
        "told": True,
        "frames": 7,
        "refused": 1,
        "skipped_lines": 0,
        "bytes": 0,
    }
    assert found["refused"][0]["version"] == "2.0.1"


def test_a_guess_loses_no_frame(run: Any, log: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guess, "MAX_SAMPLED", 3)
    path = log(OLD_BOOT, *[HEARTBEAT, ANSWER] * 4, BAD)
    done = run("check", "--json", path)
    [file] = done.json["files"]
    assert (file["versions"], file["frames"], file["refused"]) == ({"1.6": 10}, 10, 1)
    assert done.json["refused"][0]["line"] == 10


def test_a_pipe_can_be_guessed(run: Any, piped: Any) -> None:
    piped(f"{OLD_BOOT}\n{HEARTBEAT}\n")
    done = run("check")
    assert done.status == 0
    assert "<stdin>: OCPP 1.6 (guessed)" in done.out


# --- check: JSON ----------------------------------------------------------------------------------


def test_json_has_everything(run: Any, log: Any) -> None:
    path = log(HEARTBEAT, ANSWER, BAD, '[2,"5","Nonsense",{}]', "[2,", ANSWER, "text")
    done = run("check", "--json", "-V", "2.0.1", path, path + "x")
    assert done.status == 2
    totals = done.json["totals"]
    assert totals["seconds"] > 0
    assert totals["frames_per_second"] > 0
    counted = {"calls": 1, "sends": 0, "results": 2, "errors": 0, "refused": 3}
    counts = {**counted, "frames": 6, "unknown_calls": 1, "skipped_lines": 1}
    assert totals.items() >= counts.items()
    size = Path(path).stat().st_size
    assert totals["bytes"] == size
    assert done.json["ocppj"] == ocppj.__version__
    assert done.json["backend"] == ocppj.BACKEND
    file = {"file": path, "versions": {"2.0.1": 6}, "guessed": False, "frames": 6, "refused": 3}
    assert done.json["files"] == [file | {"skipped_lines": 1, "bytes": size}]
    assert list(done.json["actions"]) == [
        "Heartbeat",
        "(no action)",
        "(unknown action)",
        "(unknown call)",
    ]
    assert done.json["actions"]["Heartbeat"] == counted | {"results": 1, "refused": 1}
    assert done.json["unreadable"] == [{"file": path + "x", "problem": NO_SUCH}]
    assert done.json["refused"][0] == {
        "file": path,
        "line": 3,
        "version": "2.0.1",
        "action": "Heartbeat",
        "error_code": "FormatViolation",
        "description": "unknown field x at $",
        "path": "$",
    }
    assert [entry["action"] for entry in done.json["refused"]] == ["Heartbeat", None, None]
    assert done.json["refused"][2]["path"] is None


class Sink(io.StringIO):
    """Standard output that keeps nothing."""

    written = 0

    def write(self, text: str) -> int:
        self.written += len(text)
        return len(text)


@pytest.mark.parametrize("options", [("--json", "--all"), ("--all",), ("--all", "--lenient"), ()])
def test_memory_does_not_grow_with_what_is_refused(
    options: tuple[str, ...], log: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def peak(count: int) -> int:
        path = log(*["text", '[2,"1","StatusNotification",{"connectorId":1,"x":1}]'] * count)
        sink = Sink()
        monkeypatch.setattr(sys, "stdout", sink)
        tracemalloc.start()
        try:
            assert main(["check", *options, path]) == 1
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
            assert sink.written > (count * 50 if "--all" in options else 0)

    peak(10)
    few, many = peak(1_200), peak(3_000)
    assert many - few < 1_800 * 8  # a list of them took some 2,000 bytes for each


def test_json_lists_are_bounded_and_counts_exact(run: Any, log: Any) -> None:
    path = log(*[BAD] * 60)
    done = run("check", "--json", path)
    assert (len(done.json["refused"]), done.json["totals"]["refused"]) == (50, 60)
    assert len(run("check", "--json", "--all", path).json["refused"]) == 60


def test_json_is_documented_in_the_help(run: Any, log: Any) -> None:
    found = run("check", "--json", log(HEARTBEAT, BAD)).json
    text = run("check", "--help").out
    keys = {*found, *found["files"][0], *found["totals"], *found["actions"]["Heartbeat"]}
    keys |= {*found["refused"][0], "problem"}
    assert not [key for key in keys if not re.search(rf"\b{key}\b", text)]


def test_json_is_plain_ascii_whatever_the_file_is_called(run: Any, log: Any) -> None:
    path = log(BAD, name="\x1b[31m\x7f\x85\udcff.log")
    done = run("check", "--json", path)
    assert done.out.replace("\n", "").isprintable()
    assert done.out.isascii()
    assert done.json["files"][0]["file"] == path


# --- check: what cannot be read -------------------------------------------------------------------


def test_an_unreadable_file_does_not_stop_the_others(run: Any, log: Any, tmp_path: Path) -> None:
    path = log(HEARTBEAT)
    done = run("check", str(tmp_path), "nowhere", path, "", "a\0b")
    assert done.status == 2
    assert "1 frame, 0 refused" in done.out
    first, second, *_ = done.err.splitlines()
    assert first == f"ocppj: {tmp_path}: Is a directory"
    assert second == f"ocppj: nowhere: {NO_SUCH}"


def test_without_a_readable_file_there_is_no_table(run: Any) -> None:
    done = run("check", "nowhere")
    assert (done.status, done.out) == (2, "")
    assert done.err == f"ocppj: nowhere: {NO_SUCH}\n"


def test_a_file_that_fails_halfway_is_unreadable(
    run: Any, log: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(io.BytesIO):
        def readline(self, size: int | None = -1, /) -> bytes:
            line = super().readline(size)
            if not line:
                raise OSError(5, "Input/output error")
            return line

    data = f"{HEARTBEAT}\n{BAD}\n".encode()
    monkeypatch.setattr(sources.File, "open", lambda _: Broken(data))
    for options in ((), ("-V", "2.0.1")):
        done = run("check", *options, "disk")
        assert done.status == 2
        assert done.err == "ocppj: disk: Input/output error\n"
        done = run("check", "--json", *options, "disk")
        assert done.json["totals"]["frames"] == 2
        assert done.json["unreadable"] == [{"file": "disk", "problem": "Input/output error"}]


def test_binary_data_is_no_log(run: Any, log: Any) -> None:
    path = log(bytes(range(256)) * 20, b"\x00\xff", b"\x1f\x8b\x08gzip")
    done = run("check", path)
    assert (done.status, done.err) == (2, "ocppj: no frames: nothing to check\n")
    done = run("check", "--strict-lines", path)
    assert done.status == 1
    assert "not UTF-8" in done.out
    assert done.out.replace("\n", "").isprintable()


def test_a_line_that_is_too_long_is_refused(run: Any, log: Any) -> None:
    path = log(HEARTBEAT, f'[2,"1","DataTransfer",{{"data":"{"x" * 3_000_000}"}}]', BAD)
    done = run("check", path)
    assert f"{path}:2: (no action): RpcFrameworkError: larger than 131072 bytes" in done.out
    assert f"{path}:3: Heartbeat" in done.out


def test_control_characters_are_escaped(run: Any, log: Any) -> None:
    path = log('[2,"1","Heartbeat",{"\x1b[2J":1}]', BAD, name="\x1b[31m\u202e.log")
    done = run("check", path, "\x1b[32m")
    for text in (done.out, done.err):
        assert text.replace("\n", "").isprintable()
    assert r"\x1b[31m\u202e.log:2: Heartbeat" in done.out


# --- check: what is tolerated ---------------------------------------------------------------------

METER = (
    '[2,"4","MeterValues",{"connectorId":1,"meterValue":[{"timestamp":"%s","sampledValue":[%s]}]}]'
)
NAIVE = METER % ("2026-01-01T00:00:00", '{"value":0},{"value":1}')
STATUS = (
    '[2,"5","StatusNotification",{"connectorId":1,"errorCode":"NoError","status":%s,"info":null}]'
)
FAULTY = STATUS % '"available"'


def boot(vendor: object, model: object) -> str:
    names = {"chargePointVendor": vendor, "chargePointModel": model}
    return json.dumps([2, "3", "BootNotification", names])


def test_what_is_tolerated_is_no_refusal(run: Any, log: Any) -> None:
    path = log(FAULTY, boot("ACME", "Wall 22"), NAIVE, FAULTY, FAULTY, boot("EVE", "x"), FAULTY)
    assert run("check", "-V", "1.6", path).status == 1
    for option in ("--lenient", "--repair"):
        done = run("check", "-V", "1.6", option, path)
        assert done.status == 0
        assert row(done.out, "total") == ["7", "0", "0", "0"]
        lines = done.out.splitlines()
        start = next(n for n, line in enumerate(lines) if line.startswith("station model"))
        found = [re.split(" {2,}", line) for line in lines[start : start + 10]]
        one, first, last = (f"{path}:{line}: StatusNotification: $" for line in (1, 4, 7))
        meter = f"{path}:3: MeterValues: $.meterValue[0]"
        assert found[:-1] == [
            ["station model", "rule", "count", "for example"],
            ["(unknown model)", "letter_case", "1", f'{one}.status: "available"'],
            ["(unknown model)", "null", "1", f"{one}.info: null"],
            ["ACME Wall 22", "letter_case", "2", f'{first}.status: "available"'],
            ["ACME Wall 22", "null", "2", f"{first}.info: null"],
            ["ACME Wall 22", "number_form", "2", f"{meter}.sampledValue[0].value: 0"],
            ["ACME Wall 22", "timestamp", "1", f'{meter}.timestamp: "2026-01-01T00:00:00"'],
            ["EVE x", "letter_case", "1", f'{last}.status: "available"'],
            ["EVE x", "null", "1", f"{last}.info: null"],
        ]  # fmt: skip
        assert found[-1] == ["tolerated: 11 violations in 5 frames"]


def test_what_is_not_tolerated_is_still_refused(run: Any, log: Any) -> None:
    done = run("check", "-V", "1.6", "--repair", log(FAULTY, STATUS % '"Tired"'))
    assert done.status == 1
    assert "tolerated: 2 violations in 1 frame\n" in done.out
    done = run("check", "-V", "1.6", "--lenient", log(STATUS % '"Tired"'))
    assert done.status == 0
    assert '$.status: "Tired"' in done.out


def test_conforming_frames_have_nothing_to_tolerate(run: Any, log: Any) -> None:
    path = log(HEARTBEAT, ANSWER)
    assert "tolerated: 0 violations in 0 frames\n" in run("check", "--lenient", path).out
    assert "tolerated" not in run("check", path).out
    nothing = {"frames": 0, "count": 0, "models": {}}
    for options in ((), ("--lenient",)):
        assert run("check", "--json", *options, path).json["violations"] == nothing


def test_json_has_what_is_tolerated(run: Any, log: Any) -> None:
    path = log(boot("ACME", 7), *[NAIVE] * 9, *[FAULTY] * 3)
    done = run("check", "-V", "1.6", "--json", "--lenient", path)
    found = done.json["violations"]
    assert (found["frames"], found["count"], list(found["models"])) == (13, 34, ["ACME 7"])
    rules = found["models"]["ACME 7"]
    counts = [(rule, cell["count"]) for rule, cell in rules.items()]
    assert counts == [("number_form", 19), ("timestamp", 9), ("letter_case", 3), ("null", 3)]
    example = {"file": path, "line": 1, "action": "BootNotification"}
    # The two readings are one kind of place.
    first, second = rules["number_form"]["examples"]
    assert first == example | {"path": "$.chargePointModel", "value": "7"}
    assert second["path"] == "$.meterValue[0].sampledValue[0].value"
    text = run("check", "--help").out
    keys = {"violations", *found, *rules["null"], *example, *first}
    assert not [key for key in keys if not re.search(rf"\b{key}\b", text)]


def test_a_missing_field_has_no_value(run: Any, log: Any) -> None:
    policy = log('{"missing": "report"}', name="p.json")
    path = log('[2,"1","StatusNotification",{"connectorId":1,"status":"Available"}]')
    done = run("check", "-V", "1.6", "--policy", policy, path)
    assert "StatusNotification: $.errorCode: absent\n" in done.out
    done = run("check", "-V", "1.6", "--policy", policy, "--json", path)
    [example] = done.json["violations"]["models"]["(unknown model)"]["missing"]["examples"]
    assert example["value"] is None


def test_models_and_examples_are_bounded(
    run: Any, log: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tally, "MAX_MODELS", 3)
    extra = json.dumps([2, "1", "Heartbeat", {f"x{n}": "y" * 500 for n in range(20)}])
    path = log(*(line for n in range(10) for line in (boot("v", f"m{n}"), extra)))
    models = run("check", "-V", "1.6", "--lenient", "--json", path).json["violations"]["models"]
    assert list(models) == ["(other models)", "v m0", "v m1", "v m2"]
    cells = [rules["unknown_field"] for rules in models.values()]
    assert [cell["count"] for cell in cells] == [140, 20, 20, 20]
    assert {len(cell["examples"]) for cell in cells} == {tally.MAX_EXAMPLES}
    assert cells[0]["examples"][0]["value"] == f'"{"y" * 56}...'


def test_the_table_of_models_is_bounded(run: Any, log: Any) -> None:
    lines = [line for n in range(60) for line in (boot("v", f"m{n}"), FAULTY)]
    path = log(*lines)
    done = run("check", "-V", "1.6", "--lenient", path)
    assert done.out.count("\nv m") == MAX_LISTED
    assert "and 70 more rows: --all lists them\n" in done.out
    done = run("check", "-V", "1.6", "--lenient", "--all", path)
    assert done.out.count("\nv m") == 120
    assert "more rows" not in done.out


def test_names_of_models_cannot_act_on_the_terminal(run: Any, log: Any) -> None:
    path = log(boot("\x1b[31m" * 3, "\u202e" * 500), '[2,"1","Heartbeat",{"\x1b[2J\x07":"\x85"}]')
    path = log(Path(path).read_text().replace("\x1b[2J\x07", "\\u001b[2J"), name="b.log")
    done = run("check", "-V", "1.6", "--lenient", path)
    assert done.status == 0
    assert "$.\\x1b[2J: " in done.out
    assert done.out.replace("\n", "").isprintable()
    done = run("check", "-V", "1.6", "--lenient", "--json", path)
    assert done.out.isascii()


def test_a_version_is_guessed_from_faulty_frames(run: Any, log: Any) -> None:
    path = log(FAULTY, NAIVE)
    done = run("check", "-V", "auto", "--lenient", path)
    assert done.status == 0
    assert f"{path}: OCPP 1.6 (guessed): 2 frames, 0 refused\n" in done.out


def test_all_may_be_tolerated_and_a_version_guessed(run: Any, log: Any) -> None:
    names = [name for name in ocppj.Policy.__struct_fields__ if name != "zone"]
    path = log(FAULTY, NAIVE)
    for setting in ("report", "accept"):
        policy = log(json.dumps(dict.fromkeys(names, setting)), name="p.json")
        done = run("check", "-V", "auto", "--policy", policy, path)
        assert done.status == 0
        assert "OCPP 1.6 (guessed" in done.out
        assert f"tolerated: {5 if setting == 'report' else 0} violations" in done.out


# --- a policy from a file -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.toml", 'preset = "repair"\nletter_case = "accept"\nzone = "+01:00"\n'),
        ("p.TOML", '\ufeffpreset = "lenient"\r\nletter_case = "accept"\r\n'),
        ("p.json", '{"preset": "repair", "letter_case": "accept"}'),
        ("p.json", '\ufeff{"null": "report", "letter_case": "accept"}'),
    ],
)
def test_a_policy_is_read_from_a_file(run: Any, log: Any, name: str, text: str) -> None:
    policy = log(text, name=name)
    done = run("check", "-V", "1.6", "--policy", policy, "--json", log(FAULTY))
    assert done.status == 0
    assert list(done.json["violations"]["models"]["(unknown model)"]) == ["null"]
    done = run("decode", "-V", "1.6", "--policy", policy, FAULTY)
    assert done.out.endswith("tolerated\n  null: $.info: null\n")


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("p.toml", "null = report", "Invalid value (at line 1, column 8)"),
        ("p.toml", b"\xff", "'utf-8' codec can't decode byte 0xff"),
        ("p.toml", 'nul = "report"', "unknown rule 'nul': use one of preset, unknown_field, "),
        ("p.toml", 'null = "allow"', "null='allow': use one of reject, report, accept"),
        ("p.toml", '[policy]\nnull = "report"', "unknown rule 'policy'"),
        ("p.json", '{"preset": "lax"}', "preset='lax': use one of strict, lenient, repair"),
        ("p.json", '{"zone": "Mars"}', "zone='Mars': use an offset such as +01:00 or a name"),
        ("p.json", '{"null": ["report"]}', "null=['report']: use one of"),
        ("p.json", '{"preset": []}', "p.json: "),
        ("p.json", '["report"]', "no mapping of rules to settings"),
        ("p.json", "{", "Input data was truncated"),
        ("p.json", "[" * 100_000, "nested too deep"),
        ("p.yaml", "null: report", "use a file that ends in .toml or .json"),
        ("p", "", "use a file that ends in .toml or .json"),
        ("\x1b[31m.json", "{", r"\x1b[31m.json: Input data was truncated"),
        ("100%s.json", "{", "100%s.json: Input data was truncated"),
    ],
)
def test_a_bad_policy_is_wrong_usage(
    run: Any, log: Any, name: str, text: str, problem: str
) -> None:
    path = log(text, name=name)
    for command in ("check", "decode"):
        done = run(command, "--policy", path, HEARTBEAT)
        assert (done.status, done.out) == (2, "")
        assert done.err.startswith(f"usage: ocppj {command}")
        assert "argument --policy: /" in done.err
        assert problem in done.err
        assert done.err.replace("\n", "").isprintable()


def test_a_policy_that_is_not_there_is_wrong_usage(run: Any, tmp_path: Path) -> None:
    done = run("check", "--policy", "nowhere.toml")
    assert (done.status, done.out) == (2, "")
    assert f"argument --policy: nowhere.toml: {NO_SUCH}" in done.err
    (tmp_path / "p.json").mkdir()
    assert "Is a directory" in run("check", "--policy", str(tmp_path / "p.json")).err


def test_only_one_policy_can_be_given(run: Any, log: Any) -> None:
    policy = log("{}", name="p.json")
    for options in (("--lenient", "--repair"), ("--repair", "--policy", policy)):
        for command in ("check", "decode"):
            done = run(command, *options, HEARTBEAT)
            assert (done.status, done.out) == (2, "")
            assert "not allowed with argument" in done.err


def test_decode_shows_what_was_tolerated(run: Any) -> None:
    text = FAULTY.replace('"info"', '"\\u001b[2J":{"a":[1]},"info"')
    assert run("decode", "-V", "1.6", text).status == 1
    done = run("decode", "-V", "1.6", "--lenient", text)
    assert done.status == 0
    lines = done.out.splitlines()
    assert lines[-6:-3] == ["    error_code: NoError", "    status: Available", "tolerated"]
    assert sorted(lines[-3:]) == [
        '  letter_case: $.status: "available"',
        "  null: $.info: null",
        '  unknown_field: $.\\x1b[2J: {"a": [1]}',
    ]
    assert "tolerated" not in run("decode", "--lenient", HEARTBEAT).out


# --- decode ---------------------------------------------------------------------------------------


def test_a_call_is_shown_typed(run: Any) -> None:
    frame = {
        "eventType": "Started",
        "timestamp": "2026-01-01T12:00:00.5+01:00",
        "seqNo": 0,
        "triggerReason": "RemoteStart",
        "offline": False,
        "evse": {"id": 1},
        "transactionInfo": {"transactionId": "t"},
        "customData": {"vendorId": "v", "a b": [1, None, {"deep": []}], "x": {}, "e": 1.5},
    }
    done = run("decode", json.dumps([2, "1", "TransactionEvent", frame]))
    assert done.status == 0
    assert done.out.splitlines() == [
        "Call",
        '  message_id: "1"',
        '  action: "TransactionEvent"',
        "  payload: TransactionEventRequest",
        "    custom_data: CustomData",
        '      vendorId: "v"',
        '      "a b": list of 3',
        "        - 1",
        "        - null",
        "        - object",
        "          deep: []",
        "      x: {}",
        "      e: 1.5",
        "    event_type: Started",
        "    timestamp: 2026-01-01T12:00:00.500000+01:00",
        "    trigger_reason: RemoteStart",
        "    seq_no: 0",
        "    offline: false",
        "    transaction_info: TransactionType",
        '      transaction_id: "t"',
        "    evse: EVSEType",
        "      id: 1",
    ]


def test_a_list_of_structs_is_indented(run: Any) -> None:
    payload = {
        "evseId": 1,
        "meterValue": [{"timestamp": "2026-01-01T00:00:00Z", "sampledValue": [{"value": 1}]}],
    }
    done = run("decode", json.dumps([2, "1", "MeterValues", payload]))
    start = done.out.index("    meter_value")
    assert done.out[start:].splitlines() == [
        "    meter_value: list of 1",
        "      - MeterValueType",
        "        sampled_value: list of 1",
        "          - SampledValueType",
        "            value: 1.0",
        "        timestamp: 2026-01-01T00:00:00Z",
    ]


def test_a_result_needs_its_action_to_be_typed(run: Any) -> None:
    done = run("decode", ANSWER)
    assert done.status == 0
    assert '  payload: {"currentTime":"2026-01-01T00:00:00Z"}\nhint: --action' in done.out
    done = run("decode", "--action", "Heartbeat", ANSWER)
    assert done.out.splitlines()[2:] == [
        "  payload: HeartbeatResponse",
        "    current_time: 2026-01-01T00:00:00Z",
    ]
    done = run("decode", "--action", "ClearCache", ANSWER)
    assert done.status == 1
    assert "  reply: none\n" in done.out


@pytest.mark.parametrize("action", ["Nonsense", "", "NotifyPeriodicEventStream"])
def test_an_action_that_has_no_response_is_wrong_usage(run: Any, action: str) -> None:
    done = run("decode", "-V", "2.1", "--action", action, ANSWER)
    assert (done.status, done.out) == (2, "")
    assert f"no response belongs to the action '{action}' in OCPP 2.1" in done.err


def test_an_error_is_shown(run: Any) -> None:
    done = run("decode", '[4,"1","InternalError","oops",{"a":1}]')
    assert done.status == 0
    assert '  error_code: "InternalError"\n  error_description: "oops"\n' in done.out
    assert done.out.endswith("  error_details: object\n    a: 1\n")


def test_a_refused_frame_is_explained(run: Any) -> None:
    done = run(
        "decode", '[2,"1","TriggerMessage",{"requestedMessage":"Heartbeat","evse":{"id":"1"}}]'
    )
    assert done.status == 1
    description = "expected int, got str at $.evse.id"
    assert done.out.splitlines() == [
        "refused by OCPP 2.0.1",
        "  error code: TypeConstraintViolation",
        f"  description: {description}",
        "  path: $.evse.id",
        f'  reply: [4,"1","TypeConstraintViolation","{description}",{{}}]',
    ]


def test_a_version_that_takes_the_frame_is_named(run: Any) -> None:
    done = run("decode", OLD_BOOT)
    assert done.status == 1
    assert done.out.endswith("hint: OCPP 1.6 takes it: --version 1.6\n")
    assert run("decode", "--version", "1.6", OLD_BOOT).status == 0


@pytest.mark.parametrize("arguments", [(), ("-",)])
def test_a_frame_is_read_from_stdin(run: Any, piped: Any, arguments: tuple[str, ...]) -> None:
    piped('[\n  2,\n  "1",\n  "Heartbeat",\n  {}\n]\n')
    assert run("decode", *arguments).out.endswith("  payload: HeartbeatRequest\n")


def test_a_line_of_a_log_can_be_pasted(run: Any) -> None:
    assert run("decode", f"  2026-01-01 [INFO] >> {HEARTBEAT}  ").status == 0


@pytest.mark.usefixtures("unpiped")
def test_a_frame_has_to_come_from_somewhere(run: Any) -> None:
    done = run("decode")
    assert (done.status, done.out) == (2, "")
    assert "no frame: give it as an argument or pipe it in" in done.err


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff\xfe", b"x" * 3_000_000, b"[" * 100_000, f"{HEARTBEAT}\n{HEARTBEAT}".encode()],
)
def test_rubbish_is_refused(run: Any, piped: Any, data: bytes) -> None:
    piped(data)
    done = run("decode")
    assert done.status == 1
    assert "  error code: RpcFrameworkError\n" in done.out


def test_bytes_of_an_argument_are_those_of_the_shell(run: Any) -> None:
    done = run("decode", '[2,"\udcff","Heartbeat",{}]')
    assert "description: not UTF-8" in done.out


def test_what_a_peer_sent_cannot_act_on_the_terminal(run: Any) -> None:
    data = {"vendorId": "a\x1b[31m\x07\x7f\x85\u202e\ud7ff\u200b", "data": {"\x1b]0;x\x07": "\n"}}
    done = run("decode", json.dumps([2, "\x85", "DataTransfer", data], ensure_ascii=False))
    assert done.out.replace("\n", "").isprintable()
    done = run("decode", json.dumps([2, "\x85", "DataTransfer", data]))
    assert done.status == 0
    assert done.out.replace("\n", "").isprintable()
    assert r"\u001b[31m\u0007" in done.out
    done = run("decode", json.dumps([2, "\x1b\x7f\x85", "\x1b[31m", {}]))
    assert done.status == 1
    assert done.out.replace("\n", "").isprintable()


# --- features and the rest ------------------------------------------------------------------------


@pytest.mark.parametrize(("version", "count"), [("1.6", 39), ("2.0.1", 64), ("2.1", 91)])
def test_features_are_listed(run: Any, version: str, count: int) -> None:
    done = run("features", "--version", version)
    assert done.status == 0
    assert f"OCPP {version}: {count} actions in " in done.out
    assert row(done.out, "Heartbeat")[1:] == ["charging", "station"]
    assert row(done.out, "DataTransfer")[1:] == ["both"]


def test_a_feature_without_a_result_is_marked(run: Any) -> None:
    assert row(run("features", "-V", "2.1").out, "NotifyPeriodicEventStream")[-1] == "(SEND)"


def test_features_are_listed_as_json(run: Any) -> None:
    found = run("features", "--json", "-V", "2.1").json
    assert found["version"] == "2.1"
    entry = {"action": "Reset", "block": "provisioning", "sender": "csms", "answered": True}
    assert entry in found["features"]
    assert [entry["action"] for entry in found["features"] if not entry["answered"]] == [
        "NotifyPeriodicEventStream"
    ]


@pytest.mark.parametrize("command", ["check", "decode", "features"])
def test_an_unknown_version_is_wrong_usage(run: Any, command: str) -> None:
    done = run(command, "--version", "9.9")
    assert (done.status, done.out) == (2, "")
    assert """unknown OCPP version '9.9': use one of "1.6", "2.0.1", "2.1\"""" in done.err
    assert ('or "auto"' in done.err) == (command == "check")


@pytest.mark.parametrize(
    "arguments", [(), ("nonsense",), ("check", "--nonsense"), ("check", "--vers=1.6")]
)
def test_wrong_usage_is_told(run: Any, arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith("usage: ocppj")


def test_the_version_of_the_package_is_told(run: Any) -> None:
    done = run("--version")
    assert (done.status, done.err) == (0, "")
    assert done.out == f"ocppj {ocppj.__version__} ({ocppj.BACKEND} backend)\n"


def test_help_names_version_and_backend(run: Any) -> None:
    done = run("--help")
    assert done.status == 0
    assert f"ocppj {ocppj.__version__} ({ocppj.BACKEND} backend)" in done.out
    assert run("check", "--help").status == 0


@pytest.mark.parametrize(
    ("command", "texts"),
    [
        ("", ("Exit status: 0 all good; 1 a frame was refused; 2 ", "130 Ctrl-C", "141 ")),
        ("check", ("Check logs of frames.", "Exit status: 0 all good, 1 ", "no\nframes at all")),
        ("decode", ("Show one frame", "Exit status: 0 the frame was taken, 1 it was refused, 2 ")),
        ("features", ("List the actions", "Exit status: 0")),
        ("csms", ("Run a demonstration CSMS.", "; 130 Ctrl-C")),
        ("station", ("when 5 attempts to", "; 1 given up connecting", "; 130 Ctrl-C")),
    ],
)
def test_help_tells_the_exit_status(
    run: Any, command: str, texts: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "2000")
    done = run(*command.split(), "--help")
    assert done.status == 0
    assert all(text in done.out for text in texts)


def test_text_that_the_terminal_cannot_show_is_escaped(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    assert main(["decode", '[2,"ü€","Heartbeat",{}]']) == 0
    assert rb'message_id: "\xfc\u20ac"' in raw.getvalue()


def test_there_may_be_no_output_at_all(monkeypatch: pytest.MonkeyPatch, log: Any) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert main(["check", log(BAD)]) == 1
    assert main(["check", "nowhere"]) == 2
    assert main(["decode", HEARTBEAT]) == 0


class Terminal(io.StringIO):
    """Standard error on a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_long_input_has_a_bar_on_a_terminal(
    run: Any, log: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = log(*[HEARTBEAT] * 5000, BAD, *[HEARTBEAT] * 5000)
    stderr = Terminal()
    monkeypatch.setattr(sys, "stderr", stderr)
    assert "10,001 frames" in run("check", path).out
    assert stderr.getvalue() == ""
    monkeypatch.setattr(terminal, "LONG_INPUT", 1000)
    assert "20,002 frames" in run("check", path, path).out
    drawn = stderr.getvalue()
    assert drawn.startswith("\r[........................................]   0%\r[")
    percents = [int(found) for found in re.findall(r"(\d+)%", drawn)]
    assert percents == sorted(percents)
    assert 80 < percents[-1] <= 100
    assert drawn.endswith("\r\x1b[K")
    assert "\n" not in drawn


def test_there_is_no_bar_elsewhere(run: Any, log: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "LONG_INPUT", 1)
    assert run("check", log(*[HEARTBEAT] * 5000)).err == ""


# --- as a process ---------------------------------------------------------------------------------

COMMAND = [sys.executable, "-m", "ocppj"]
FULL = Path("/dev/full")


def execute(*arguments: str, data: bytes | None = None, **options: Any) -> Any:
    if data is None and "stdin" not in options:
        options["stdin"] = subprocess.DEVNULL
    done = subprocess.run(
        [*COMMAND, *arguments], input=data, capture_output=True, timeout=60, check=False, **options
    )
    assert b"Traceback" not in done.stderr
    assert b"Exception" not in done.stderr
    return done


def test_process_reads_a_pipe() -> None:
    done = execute("check", data=f"x >> {HEARTBEAT}\r\n{BAD}".encode())
    assert done.returncode == 1
    assert b"<stdin>:2: Heartbeat: FormatViolation" in done.stdout
    assert execute("check", data=b"").returncode == 2
    assert execute("check", "-", data=HEARTBEAT.encode()).returncode == 0
    assert execute("decode", data=HEARTBEAT.encode()).returncode == 0


def test_process_without_arguments() -> None:
    done = execute()
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"usage: ocppj" in done.stderr


def test_process_refuses_directories_and_binary_files(tmp_path: Path) -> None:
    binary = tmp_path / "binary"
    binary.write_bytes(os.urandom(100_000))
    done = execute("check", str(tmp_path), str(binary))
    assert done.returncode == 2
    assert b"Is a directory" in done.stderr
    assert execute("check", sys.executable).returncode in (1, 2)


def test_process_ends_quietly_when_its_pipe_is_closed(log: Any) -> None:
    path = log(*[BAD] * 20_000)
    process = subprocess.Popen(
        [*COMMAND, "check", "--all", path], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout
    assert process.stderr
    with process, process.stdout, process.stderr:
        assert process.stdout.readline().startswith(path.encode())
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_process_ends_quietly_when_its_pipe_was_never_read() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*COMMAND, "features"],
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
        timeout=60,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.skipif(not FULL.exists(), reason="there is no full device here")
def test_process_says_so_when_it_cannot_write() -> None:
    with FULL.open("wb") as full:
        done = subprocess.run(
            [*COMMAND, "features"],
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
            timeout=60,
        )
    assert done.returncode == 2
    assert done.stderr == b"ocppj: cannot write: No space left on device\n"


def test_process_can_be_interrupted() -> None:
    process = subprocess.Popen(
        [*COMMAND, "check"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=interruptible,
    )
    assert process.stdin
    assert process.stderr
    with process:
        process.stdin.write(f"{HEARTBEAT}\n".encode())
        process.stdin.flush()
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == b""
    assert process.returncode == 130


def test_process_on_a_terminal_that_is_not_utf_8() -> None:
    environment = os.environ | {"PYTHONIOENCODING": "latin-1", "LC_ALL": "C"}
    done = execute("decode", '[2,"ü€","Heartbeat",{}]', env=environment)
    assert done.returncode == 0
    assert b'"\xfc\\u20ac"' in done.stdout


def test_process_without_streams(tmp_path: Path) -> None:
    script = '"$0" -m ocppj check <&- >"$1/out"; echo $?; "$0" -m ocppj check - <&- 2>&1; '
    script += 'echo $?; "$0" -m ocppj features >&- 2>&-; echo $?'
    done = subprocess.run(
        ["/bin/sh", "-c", script, sys.executable, str(tmp_path)],
        capture_output=True,
        check=False,
        timeout=60,
        text=True,
    )
    assert done.stdout.splitlines() == ["0", "ocppj: <stdin>: stdin is closed", "2", "0"]
    assert done.stderr == ""
    assert "38 frames, 0 refused" in (tmp_path / "out").read_text()
