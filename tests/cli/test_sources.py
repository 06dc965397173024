"""Where a log comes from: files, the samples, and the kinds of stdin."""

import io
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import ocppj
from ocppj.cli import check, decode, sources
from ocppj.cli.log import Log
from ocppj.cli.main import main
from ocppj.cli.sources import SAMPLES, File, Sample, Stdin
from tests.cli.conftest import COMMAND

HEARTBEAT = b'[2,"1","Heartbeat",{}]\n'
BAD = b'[2,"2","Heartbeat",{"x":1}]\n'
SAMPLE = "session-2.0.1.jsonl"
VALID = f"{SAMPLE}: OCPP 2.0.1 (guessed): 38 frames, 0 refused\n"


# --- the samples ----------------------------------------------------------------------------------


def lines(name: str) -> list[str]:
    path = resources.files("ocppj.cli") / "samples" / SAMPLES[name].file
    return path.read_text().splitlines()


def test_the_session_is_valid_and_whole() -> None:
    logged = lines("session")
    assert 30 <= len(logged) <= 40
    stamps = [line.split()[0] for line in logged]
    assert stamps == sorted(stamps)
    codec, pending = ocppj.Codec("2.0.1"), {}
    for line in logged:
        frame = codec.decode(line.split(" ", 4)[4], pending)
        if isinstance(frame, ocppj.Call):
            pending[frame.message_id] = frame.action
        else:
            assert isinstance(frame, ocppj.CallResult)
            del pending[frame.message_id]
    assert pending == {}


def test_the_faulty_sample_has_faults_of_many_kinds(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--sample", "faulty", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["files"][0].items() >= {"versions": {"1.6": 21}, "skipped_lines": 3}.items()
    assert {frame["error_code"] for frame in found["refused"]} == {
        "PropertyConstraintViolation",
        "TypeConstraintViolation",
        "FormationViolation",
        "OccurenceConstraintViolation",
        "NotImplemented",
    }
    assert found["totals"]["unknown_calls"] == 0
    assert main(["check", "--sample", "faulty", "--json", "--lenient"]) == 1
    rules = json.loads(capsys.readouterr().out)["violations"]["models"]["Kaupang Brygge 11"]
    assert set(rules) == {
        "letter_case",
        "null",
        "number_form",
        "timestamp",
        "unknown_enum",
        "unknown_field",
    }


def test_samples_are_chosen_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--sample", "session"]) == 0
    assert VALID in capsys.readouterr().out
    assert main(["check", "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert all(f"{name}: {shipped.text}" in text for name, shipped in SAMPLES.items())
    assert main(["check", "--sample", "nonsense"]) == 2
    assert "choose from session, faulty" in re.sub("'", "", capsys.readouterr().err)


def test_a_sample_may_go_with_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(HEARTBEAT)
    assert main(["check", "--json", "--sample", "session", str(path)]) == 0
    names = [file["file"] for file in json.loads(capsys.readouterr().out)["files"]]
    assert names == [SAMPLE, str(path)]


# --- kinds of stdin -------------------------------------------------------------------------------


@pytest.fixture
def pipe(stdin: Any) -> Iterator[int]:
    """Make a pipe the standard input, and return its other end."""
    reading, writing = os.pipe()
    stdin(reading)
    yield writing
    os.close(writing)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a pipe count as silent soon."""
    for module in (check, decode, sources):
        monkeypatch.setattr(module, "STDIN_TIMEOUT", 0.05)
    monkeypatch.setattr(sources, "LINE_TIMEOUT", 0.05)


def test_a_pipe_with_data_is_read(run: Any, stdin: Any) -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as stream:
        stream.write(HEARTBEAT + BAD)
    stdin(reading)
    source = Stdin()
    assert (source.is_redirected, source.is_terminal, source.size) == (True, False, 0)
    done = run("check")
    assert (done.status, done.err) == (1, "")
    assert "<stdin>:2: Heartbeat: FormatViolation" in done.out


def test_a_redirected_file_is_read(run: Any, stdin: Any, tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(HEARTBEAT + BAD)
    stdin(path)
    assert Stdin().size == len(HEARTBEAT + BAD)
    done = run("check")
    assert (done.status, done.err) == (1, "")
    assert "<stdin>:2: Heartbeat: FormatViolation" in done.out


def test_a_dash_is_stdin_between_files(run: Any, stdin: Any, tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(HEARTBEAT)
    stdin(path)
    done = run("check", "--json", str(path), "-")
    names = [(file["file"], file["frames"]) for file in json.loads(done.out)["files"]]
    assert names == [(str(path), 1), ("<stdin>", 1)]


@pytest.mark.parametrize("arguments", [(), ("-",)])
def test_an_empty_file_or_pipe_is_no_reason_for_the_sample(
    run: Any, stdin: Any, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    path = tmp_path / "empty"
    path.touch()
    reading, writing = os.pipe()
    os.close(writing)
    for source in (path, reading):
        stdin(source)
        done = run("check", *arguments)
        assert (done.status, done.err) == (2, "ocppj: no frames: nothing to check\n")
        assert "<stdin>: OCPP 2.0.1 (assumed): 0 frames, 0 refused" in done.out


@pytest.mark.usefixtures("impatient")
def test_a_silent_pipe_gives_the_sample_and_says_so(run: Any, pipe: int) -> None:
    done = run("check")
    assert done.status == 0
    why = "no file given and no data on stdin within 0.05 seconds"
    assert done.err.startswith(f"ocppj: {why}: checking the sample {SAMPLE}; ")
    assert VALID in done.out
    done = run("check", "--json")
    assert json.loads(done.out)["totals"]["frames"] == 38
    assert "no data on stdin" in done.err


@pytest.mark.usefixtures("impatient")
def test_a_silent_socket_is_like_a_silent_pipe(run: Any, stdin: Any) -> None:
    ours, theirs = socket.socketpair()
    with ours:
        stdin(theirs.detach())
        assert "no data on stdin" in run("check").err
        ours.sendall(BAD)
        ours.shutdown(socket.SHUT_WR)
        assert "<stdin>: OCPP 2.0.1 (assumed): 1 frame, 1 refused\n" in run("check").out


def test_a_dash_waits_for_a_silent_pipe_and_says_so() -> None:
    """What has come is looked at, though more may come."""
    code = """
import sys
from ocppj.cli import main, sources
sources.STDIN_TIMEOUT = sources.LINE_TIMEOUT = 0.1
sys.exit(main.main())
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code, "check", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    assert process.stdin
    assert process.stdout
    assert process.stderr
    with process:
        assert process.stderr.readline() == b"ocppj: waiting for frames from stdin\n"
        process.stdin.write(HEARTBEAT + BAD)
        process.stdin.flush()
        assert process.stdout.readline().startswith(b"<stdin>:2: Heartbeat: FormatViolation")
        process.stdin.write(b"text\n" + BAD[:10])
        process.stdin.flush()
        process.stdin.write(BAD[10:])
        process.stdin.flush()
        assert process.stdout.readline().startswith(b"<stdin>:4: Heartbeat: FormatViolation")
        process.stdin.close()
        assert b"3 frames, 2 refused, " in process.stdout.read()
    assert process.returncode == 1


@pytest.mark.usefixtures("impatient")
def test_decode_does_not_wait_for_a_silent_pipe(run: Any, pipe: int) -> None:
    done = run("decode")
    assert (done.status, done.out) == (2, "")
    assert done.err == "ocppj: no frame: pass one as an argument or pipe it in\n"


def test_the_sample_is_checked_where_stdin_is_no_source(run: Any, stdin: Any) -> None:
    stdin(Path(os.devnull))
    done = run("check")
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith(f"no file given: checking the sample {SAMPLE}; ")
    assert done.out.endswith("\nevery frame is valid\n")
    done = run("check", "--json")
    assert (done.status, json.loads(done.out)["totals"]["frames"]) == (0, 38)
    assert done.err.startswith(f"ocppj: no file given: checking the sample {SAMPLE}; ")


@pytest.mark.parametrize(
    "missing", [None, io.StringIO("x"), SimpleNamespace()], ids=lambda one: type(one).__name__
)
def test_the_sample_is_checked_where_there_is_no_stdin(
    run: Any, missing: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", missing)
    assert VALID in run("check").out


def test_a_closed_stdin_is_no_source(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with Path(os.devnull).open(encoding="utf-8") as stream:
        pass
    monkeypatch.setattr(sys, "stdin", stream)
    assert VALID in run("check").out
    for command in ("check", "decode"):
        done = run(command, "-")
        assert (done.status, done.err) == (2, "ocppj: <stdin>: stdin is closed\n")


def test_where_nothing_can_be_selected_a_pipe_is_read(
    run: Any, stdin: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On Windows."""

    def refuse(*_: Any) -> Any:
        raise OSError(10038, "not a socket")

    monkeypatch.setattr("select.select", refuse)
    path = tmp_path / "log"
    path.write_bytes(BAD)
    stdin(path)
    assert run("check").status == 1


@pytest.mark.parametrize("size", [1, 7, 100, 10_000])
def test_lines_of_stdin_are_those_of_a_file(stdin: Any, tmp_path: Path, size: int) -> None:
    data = b"\n".join([b"", b"a" * 6, b"b" * 7, b"c" * 8, b"\n", b"d" * (700 * size), b"e"])
    path = tmp_path / "data"
    path.write_bytes(data)
    stdin(path)
    with Stdin().open() as stream:
        found = list(iter(lambda: stream.readline(size), b""))
    whole = io.BytesIO(data)
    assert found == list(iter(lambda: whole.readline(size), b""))


def test_a_line_of_stdin_comes_in_parts(pipe: int) -> None:
    source = Stdin()
    for part in (b"one\ntw", b"o\n\nthree"):
        os.write(pipe, part)
        if part.startswith(b"one"):
            assert source.readline(100) == b"one\n"
            assert not source.is_ready(0)
    assert [source.readline(100) for _ in range(2)] == [b"two\n", b"\n"]
    assert source.readline(3) == b"thr"


def test_the_size_of_a_file_is_known_as_far_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(HEARTBEAT)
    assert File(str(path)).size == len(HEARTBEAT)
    assert [File(name).size for name in (str(tmp_path), "nowhere", "a\0b")] == [0, 0, 0]
    with Sample().open() as stream:
        assert len(list(Log(stream, 2**20))) == 38


# --- as a process ---------------------------------------------------------------------------------


def test_process_with_a_silent_pipe_ends() -> None:
    """As a job of CI, or what a program starts without a thought of stdin."""
    reading, writing = os.pipe()
    started = time.monotonic()
    done = subprocess.run(
        [*COMMAND, "check"], stdin=reading, capture_output=True, timeout=60, check=False, text=True
    )
    os.close(reading)
    os.close(writing)
    assert done.returncode == 0
    assert f"no data on stdin within 3 seconds: checking the sample {SAMPLE}; " in done.stderr
    assert VALID in done.stdout
    assert time.monotonic() - started >= sources.STDIN_TIMEOUT


def test_process_with_a_pipe_that_is_slow_is_read() -> None:
    with subprocess.Popen(
        [*COMMAND, "check"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        time.sleep(1)
        out, _ = process.communicate(BAD, timeout=60)
    assert process.returncode == 1
    assert b"<stdin>: OCPP 2.0.1 (assumed): 1 frame, 1 refused" in out


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """Return both ends of a terminal, the user's first."""
    pty = pytest.importorskip("pty", reason="there are no terminals of this kind here")
    try:
        ends = pty.openpty()
    except OSError as error:
        pytest.skip(f"no terminal can be had: {error}")
    yield ends
    for end in ends:
        os.close(end)


def test_process_on_a_terminal_checks_the_sample(terminal: tuple[int, int]) -> None:
    _, end = terminal
    done = subprocess.run(
        [*COMMAND, "check"], stdin=end, capture_output=True, timeout=60, check=False, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"no file given: checking the sample {SAMPLE}; ")
    assert VALID in done.stdout
    done = subprocess.run(
        [*COMMAND, "decode"], stdin=end, capture_output=True, timeout=60, check=False, text=True
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "no frame: pass one as an argument or pipe it in" in done.stderr


@pytest.mark.parametrize(
    ("command", "answer"),
    [("check", b"<stdin>: OCPP 2.0.1 (assumed): 1 frame"), ("decode", b"refused by OCPP")],
)
def test_process_with_a_dash_reads_the_terminal(
    terminal: tuple[int, int], command: str, answer: bytes
) -> None:
    user, end = terminal
    os.write(user, BAD + b"\x04")
    done = subprocess.run(
        [*COMMAND, command, "-"], stdin=end, capture_output=True, timeout=60, check=False
    )
    told = b"ocppj: reading frames from the terminal, one per line; Ctrl-D ends the input\n"
    assert (done.returncode, done.stderr) == (1, told)
    assert answer in done.stdout
