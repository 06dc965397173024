"""The command line as a whole: usage, exit status, output, and as a process."""

import io
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import ocppj
from ocppj.cli import terminal
from ocppj.cli.main import COMMANDS, main
from tests.cli.conftest import COMMAND
from tests.cli.frames import (
    BAD,
    HEARTBEAT,
)
from tests.conftest import interruptible


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


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.__name__)
def test_help_of_each_command_ends_with_the_exit_status(run: Any, command: Any) -> None:
    done = run(command.__name__.rpartition(".")[2], "--help")
    assert done.status == 0
    assert "\n\nExit status: 0 " in done.out


@pytest.mark.parametrize(
    ("command", "texts"),
    [
        ("", ("Exit status: 0 success; 1 a frame was refused, or ", "130 Ctrl-C", "141 ")),
        (
            "check",
            (
                "Check logs of frames.",
                "Exit status: 0 all frames are valid",
                "there are no frames.",
            ),
        ),
        ("decode", ("Decode one frame", "Exit status: 0 the frame is valid or tolerated, 1 ")),
        ("features", ("List the actions", "Exit status: 0")),
        ("csms", ("Run a demonstration CSMS.", "130\nCtrl-C.")),
        ("load", ("The stations connect evenly", "answered with a result, 1 one was not, or")),
        ("relay", ("delays nobody.", "Exit status: 0 after SIGTERM, 2 wrong usage")),
        ("station", ("after 5 failed attempts", "1 could not connect", ", 130 Ctrl-C.")),
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
