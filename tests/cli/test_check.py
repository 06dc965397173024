"""`ocppj check`: output, exit status, and robustness against any input."""

import io
import json
import re
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

import ocppj
from ocppj.cli import guess, sources, tally
from ocppj.cli.check import MAX_LISTED
from ocppj.cli.main import main
from tests.cli.conftest import row
from tests.cli.frames import (
    ANSWER,
    BAD,
    FAULTY,
    HEARTBEAT,
    NAIVE,
    NEW_BOOT,
    NO_SUCH,
    OLD_BOOT,
    STATUS,
)

# --- check: what it says --------------------------------------------------------------------------


def test_good_frames_are_counted(run: Any, log: Any) -> None:
    path = log(f"2026-01-01T10:00:00Z >> {HEARTBEAT}", "", f"[10:00] {ANSWER}")
    done = run("check", path)
    assert done.status == 0
    assert row(done.out, "Heartbeat") == ["1", "1", "0", "0"]
    assert row(done.out, "total") == ["1", "1", "0", "0"]
    assert f"{path}: OCPP 2.0.1 (assumed): 2 frames, 0 refused" in done.out
    assert f"{Path(path).stat().st_size} bytes in 0.00" in done.out
    assert "frames per second" in done.out
    assert "call is not in the log" not in done.out
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
    assert "answers whose call is not in the log: 1\n" in done.out
    assert row(done.out, "(unknown call)") == ["0", "1", "0", "0"]
    assert f"{first}: OCPP 2.0.1 (assumed): 1 frame, 0 refused" in done.out
    assert f"{second}: OCPP 2.0.1 (assumed): 1 frame, 0 refused" in done.out


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
    assert f"{empty}: OCPP 2.0.1 (assumed): 0 frames, 0 refused" in done.out


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
    assert "skipped lines, without a frame: 2\n" in done.out
    assert f"{path}:5: Heartbeat: FormatViolation" in done.out
    assert f"{path}: OCPP 2.0.1 (assumed): 2 frames, 1 refused\n" in done.out
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
    assert "skipped lines, without a frame: 2\n" in done.out


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
        assert f"{tie}: OCPP 2.0.1 (assumed): 2 frames, 0 refused\n" in done.out


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


def test_json_is_ascii_for_any_file_name(run: Any, log: Any) -> None:
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
