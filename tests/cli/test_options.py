"""What commands share: how they are found, and the facts that other places have too."""

import argparse
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any, get_args

import pytest

from ocppj.aio.transport import TransportName
from ocppj.catalog import VERSIONS
from ocppj.cli import options
from ocppj.cli.guess import VERSION_ORDER
from ocppj.cli.main import COMMANDS, Command, main, parser
from tests.cli.frames import FAULTY, HEARTBEAT, NO_SUCH

ROOT = Path(__file__).parent.parent.parent


def name_of(command: Any) -> str:
    return str(command.__name__).rpartition(".")[2]


def test_a_command_is_called_like_its_module() -> None:
    [subparsers] = [a for a in parser()._actions if isinstance(a, argparse._SubParsersAction)]
    assert list(subparsers.choices) == [name_of(command) for command in COMMANDS]
    for command in COMMANDS:
        assert subparsers.choices[name_of(command)].get_default("run") == command.run


@pytest.mark.parametrize("command", COMMANDS, ids=name_of)
def test_a_command_says_how_it_exits(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name_of(command), "--help"]) == 0
    text = capsys.readouterr().out
    assert "\n\nExit status: 0" in text
    assert max(map(len, text.rpartition("options:\n")[2].splitlines())) <= 100


def test_the_parser_loads_neither_asyncio_nor_a_websocket_library() -> None:
    heavy = "asyncio", "websockets", "ocppj.aio"
    code = f"""
import sys
from ocppj.cli.main import main, parser
parser()
print([name for name in {heavy} if name in sys.modules])
main(["check"])
print([name for name in {heavy} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert (lines[0], lines[-1]) == ("[]", "[]")


def test_transports_are_those_of_the_endpoints() -> None:
    assert get_args(TransportName) == options.TRANSPORTS


def test_extras_are_those_of_the_distribution() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    for package, extra in options.EXTRAS.items():
        assert any(needed.startswith(package) for needed in extras[extra])


def test_every_version_has_its_place_in_the_order() -> None:
    assert sorted(VERSION_ORDER) == sorted(version.name for version in VERSIONS)


@pytest.mark.parametrize("command", ["check", "decode", "features"])
def test_an_unknown_version_is_wrong_usage(run: Any, command: str) -> None:
    done = run(command, "--version", "9.9")
    assert (done.status, done.out) == (2, "")
    assert """unknown OCPP version '9.9': use one of "1.6", "2.0.1", "2.1\"""" in done.err
    assert ('or "auto"' in done.err) == (command == "check")


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
        ("p.json", '["report"]', "not a mapping of rules to settings"),
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
    for both in (("--lenient", "--repair"), ("--repair", "--policy", policy)):
        for command in ("check", "decode"):
            done = run(command, *both, HEARTBEAT)
            assert (done.status, done.out) == (2, "")
            assert "not allowed with argument" in done.err
