"""How a command reaches the broker of a fleet: `--nats` and what belongs to it."""

import argparse
import os
from typing import Final

__all__ = ["ENVIRONMENT", "NOTES", "add_broker"]

ENVIRONMENT: Final = "OCPPJ_NATS"

NOTES: Final = f"""\
The broker is a nats-server of 2.9 or later with JetStream. URL is nats://HOST:PORT, or several of
a cluster with commas between them, with USER:PASSWORD@ or TOKEN@ before the host. It can be given
in the environment as {ENVIRONMENT} too, where other users of the machine do not see it."""


def add_broker(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Add the options for the broker.

    Args:
        parser: of the command.
        required: whether the command cannot do without.
    """
    default = os.environ.get(ENVIRONMENT)
    parser.add_argument(
        "--nats",
        metavar="URL",
        default=default,
        required=required and default is None,
        help=f"address of the broker; {ENVIRONMENT} by default",
    )
    parser.add_argument("--nats-creds", metavar="FILE", help=".creds file for the broker")
    parser.add_argument(
        "--nats-ca", metavar="FILE", help="certificates of the authorities to trust for TLS"
    )
    parser.add_argument(
        "--nats-cert", metavar="FILE", help="client certificate and key for TLS, in one file"
    )
    parser.add_argument(
        "--inbox",
        default="_INBOX",
        metavar="PREFIX",
        help="of subjects for replies; _INBOX by default",
    )
    parser.add_argument(
        "--prefix", default="ocpp", help="of the fleet's subjects and buckets; ocpp by default"
    )
