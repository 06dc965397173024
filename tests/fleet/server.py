"""A nats-server for tests, on loopback with a port and a store of its own."""

import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

PROGRAM = shutil.which("nats-server") or shutil.which(
    "nats-server", path="/usr/sbin:/usr/local/bin"
)


class NatsServer:
    """Starts in its constructor; can be stopped, killed, frozen and started again.

    Args:
        folder: for the store, the configuration and the log.
        config: lines of the configuration, beside the address and JetStream.
        jetstream: whether it has JetStream.
    """

    def __init__(self, folder: Path, config: str = "", *, jetstream: bool = True) -> None:
        if PROGRAM is None:
            pytest.skip("there is no nats-server on this machine")
        self.port = free_port()
        self._folder = folder
        self.store = folder / "store"
        self._config = folder / "nats.conf"
        store = f'jetstream {{ store_dir: "{self.store}" }}' if jetstream else ""
        self._config.write_text(f"listen: 127.0.0.1:{self.port}\n{store}\n{config}\n")
        self.start()

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [str(PROGRAM), "-c", str(self._config)]
        with (self._folder / "log").open("a") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                with socket.create_connection(("127.0.0.1", self.port)) as client:
                    client.recv(16)
            except OSError:
                time.sleep(0.02)
            else:
                return
        pytest.fail(f"nats-server does not start: {(self._folder / 'log').read_text()[-500:]}")

    def stop(self, how: int = signal.SIGKILL) -> None:
        self.process.send_signal(signal.SIGCONT)
        self.process.send_signal(how)
        self.process.wait()

    def freeze(self) -> None:
        """Stop the process, and return once each of its threads is stopped."""
        self.process.send_signal(signal.SIGSTOP)
        deadline = time.monotonic() + 10
        while not all(_is_stopped(thread) for thread in self._threads()):
            assert time.monotonic() < deadline, "nats-server does not stop"
            time.sleep(0.001)

    def _threads(self) -> list[Path]:
        return [*Path(f"/proc/{self.process.pid}/task").iterdir()]

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)


def _is_stopped(thread: Path) -> bool:
    # The state is the first field after the name, which is in parentheses.
    return (thread / "stat").read_text().rpartition(")")[2].split()[0] in "Tt"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
