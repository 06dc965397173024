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
