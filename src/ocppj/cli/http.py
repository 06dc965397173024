"""Where the command API and the operator's page are served: `--http` and `--http-tokens`."""

import argparse
import ipaddress
from typing import Final, NamedTuple

from ocppj.cli.options import port_number

__all__ = ["LOOPBACK", "NOTES", "Address", "add_http"]

LOOPBACK: Final = "127.0.0.1"

NOTES: Final = """\
The command API and the operator's page are served at http://HOST:PORT/. FILE has the tokens that
may use them: a scope, read or command, and a token on each line. Without FILE everybody on this
machine may command the stations; an address of other machines needs FILE."""


class Address(NamedTuple):
    """Where to listen."""

    host: str
    port: int

    @property
    def is_local(self) -> bool:
        """Whether only this machine can connect."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def add_http(parser: argparse.ArgumentParser, *, default: Address | None = None) -> None:
    """Add the options.

    Args:
        parser: of the command.
        default: where to listen without `--http`; `None`: nowhere.
    """
    standard = f"; {default.host}:{default.port} by default" if default else ""
    parser.add_argument(
        "--http",
        type=_address,
        default=default,
        metavar="[HOST:]PORT",
        help=f"serve the command API and the operator's page{standard}",
    )
    parser.add_argument("--http-tokens", metavar="FILE", help="tokens of the command API")


def _address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    return Address(host.strip("[]") or LOOPBACK, port_number(port))
