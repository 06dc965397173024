"""Several processes on one port of one machine: the kernel gives each connection to one of them."""

import argparse
import signal
import socket
import subprocess
import sys
import time
from typing import Any, Final

from ocppj.cli.options import INTERRUPTED, OK, UNUSABLE
from ocppj.cli.terminal import print_error

__all__ = ["run_processes"]

RESTART: Final = 1.0
"""Seconds before a process that has ended is started again."""

STEP: Final = 0.1


def run_processes(arguments: argparse.Namespace) -> int:
    """Run `--processes` copies of this command until SIGTERM, which they get too."""
    if not hasattr(socket, "SO_REUSEPORT"):
        print_error("--processes needs SO_REUSEPORT, which this system does not have")
        return UNUSABLE
    try:
        holder, port = _hold_port(arguments.host, arguments.port)
    except OSError as error:
        problem = error.strerror or error
        print_error(f"cannot listen on {arguments.host}, port {arguments.port}: {problem}")
        return UNUSABLE
    with holder:
        return _Group(arguments.processes, _command(port)).run()


def _hold_port(host: str, port: int) -> tuple[socket.socket, int]:
    """Bind a port so that it stays ours, and return it."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    holder = socket.socket(family, kind, protocol)
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        holder.bind(address)
    except OSError:
        holder.close()
        raise
    return holder, holder.getsockname()[1]


def _command(port: int) -> list[str]:
    """Return the command line of one of the processes."""
    kept: list[str] = []
    arguments = iter(sys.argv[1:])
    for argument in arguments:
        if argument in {"--processes", "--port"}:
            next(arguments, None)
        elif not argument.startswith(("--processes=", "--port=")):
            kept.append(argument)
    return [sys.executable, "-m", "ocppj", *kept, "--port", str(port), "--shared-port"]


class _Group:
    """Processes that are started again when they end."""

    def __init__(self, count: int, command: list[str]) -> None:
        self._command = command
        self._running: list[subprocess.Popen[bytes]] = []
        self._count = count
        self._stopping = 0

    def run(self) -> int:
        """Run them until there is a signal."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        self._running = [self._start() for _ in range(self._count)]
        while not self._stopping:
            for place, process in enumerate(self._running):
                status = process.poll()
                if status == UNUSABLE:
                    self._stop(signal.SIGTERM)
                    self._wait()
                    return UNUSABLE
                if status is not None and not self._stopping:
                    print_error(f"a process has ended with status {status}: it is started again")
                    time.sleep(RESTART)
                    self._running[place] = self._start()
            time.sleep(STEP)
        self._wait()
        return INTERRUPTED if self._stopping == signal.SIGINT else OK

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self._command)  # noqa: S603  our own command line

    def _stop(self, number: int, _frame: Any = None) -> None:
        self._stopping = number
        for process in self._running:
            if process.poll() is None:
                process.send_signal(number)

    def _wait(self) -> None:
        for process in self._running:
            process.wait()
