"""What a station can meet when it connects: redirects, broken servers, proxies."""

import asyncio
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import ocppj
from ocppj.aio import CSMS, Backoff, ChargingStation, fairness
from tests.aio.ends import End, context, until
from tests.aio.wire import BOOT, Central, Charger

SECRET = "0123456789abcdef"
TOKEN = b64encode(f"CS-1:{SECRET}".encode()).decode()


class Web:
    """A server that answers each request with the same bytes, and keeps all that it got."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.got: list[bytes] = []
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            self.got.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(self.answer)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    @asynccontextmanager
    async def listen(self, tls: ssl.SSLContext | None = None) -> AsyncIterator[SimpleNamespace]:
        server = await asyncio.start_server(self.serve, "127.0.0.1", ssl=tls)
        try:
            yield SimpleNamespace(port=server.sockets[0].getsockname()[1])
        finally:
            server.close()


def redirect(status: int, location: str | None) -> bytes:
    where = "" if location is None else f"Location: {location}\r\n"
    return f"HTTP/1.1 {status} Elsewhere\r\n{where}Content-Length: 0\r\n\r\n".encode()


async def attempt(end: End, server: Any, **options: Any) -> str:
    """Connect once with a password, and return why it failed."""
    station = ChargingStation("CS-1", {"2.0.1": Charger()})
    with pytest.raises(ocppj.ConnectionLost) as failed:
        async with end.connect(station, server, password=SECRET, **options):
            raise AssertionError
    for secret in (SECRET, TOKEN, "hunter2"):
        assert secret not in str(failed.value)
    return str(failed.value)


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "target",
    [
        "ws://127.0.0.1:{trap}/ocpp/CS-1",
        "http://127.0.0.1:{trap}/ocpp/CS-1",
        "wss://127.0.0.1:{trap}/ocpp/CS-1",
        "ws://localhost:{trap}/ocpp/CS-1",
        "//127.0.0.1:{trap}/ocpp/CS-1",
        "ws://127.0.0.1:{own}/other/CS-1",
        "/other/CS-1",
    ],
)
def test_a_redirect_ends_the_attempt_and_leaks_no_password(
    end: End, target: str, status: int
) -> None:
    async def main() -> None:
        web, trap = Web(b""), Web(b"")
        async with web.listen() as server, trap.listen() as other:
            location = target.format(trap=other.port, own=server.port)
            web.answer = redirect(status, location)
            problem = await attempt(end, server)
            assert f"HTTP {status}" in problem
            assert location in problem
            await asyncio.sleep(0.01)
        assert TOKEN in web.got[0].decode()
        assert (web.connections, trap.connections) == (1, 0)

    end.run(main())


@pytest.mark.parametrize("busy", [False, True])
@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_a_redirect_under_tls_ends_the_attempt_too(
    end: End, certificates: Path, monkeypatch: pytest.MonkeyPatch, scheme: str, *, busy: bool
) -> None:
    async def main() -> None:
        if busy:  # each line of the response has to wait for a turn; TLS reports the end with them
            monkeypatch.setattr(fairness, "BURST", 0.0)
        serving = context(certificates, "server", ssl.Purpose.CLIENT_AUTH)
        dialling = context(certificates, None, ssl.Purpose.SERVER_AUTH)
        web, trap = Web(b""), Web(b"")
        async with web.listen(serving) as server, trap.listen(serving) as other:
            location = f"{scheme}://127.0.0.1:{other.port}/ocpp/CS-1"
            web.answer = redirect(302, location)
            assert location in await attempt(end, server, ssl=dialling)
            await asyncio.sleep(0.01)
        assert (web.connections, trap.connections) == (1, 0)

    end.run(main())


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("ws://CS-1:hunter2@example.com/x", "ws://example.com/x"),
        ("ws://example.com/x?token=hunter2", "ws://example.com/x"),
        ("ws://example.com/x#hunter2", "ws://example.com/x"),
        ("ws://hunter2@[::1]:80/x", "ws://[::1]:80/x"),
        ("ws://CS-1:hunter2@[::1/x", "elsewhere"),
        ("ws://example.com/" + "x" * 5000, "ws://example.com/xxx"),
        ("/x\r\nLocation: /y", "/x"),
        (None, "elsewhere"),
    ],
)
def test_the_error_for_a_redirect_is_short_and_has_no_secrets(
    end: End, location: str | None, shown: str
) -> None:
    async def main() -> None:
        web = Web(redirect(302, location))
        async with web.listen() as server:
            problem = await attempt(end, server)
            assert shown in problem
            assert "HTTP 302" in problem
            assert len(problem) < 500
            assert problem.isprintable()

    end.run(main())


def test_after_a_redirect_a_station_retries_its_own_address(end: End) -> None:
    async def main() -> None:
        station = ChargingStation("CS-1", {"2.0.1": Charger()})
        quick = Backoff(minimum=0.01, random_range=0)
        csms = CSMS({"2.0.1": Central()})
        trap = Web(b"")
        async with trap.listen() as other:
            web = Web(redirect(302, f"ws://127.0.0.1:{other.port}/"))
            async with end.listen(csms) as first:
                port = first.port
                connecting = end.connect(station, first, backoff=quick, password=SECRET)
                await connecting.__aenter__()
                await station.call(BOOT)
            moved = await asyncio.start_server(web.serve, "127.0.0.1", port)
            await until(lambda: web.connections >= 2)
            moved.close()
            async with csms.listen("127.0.0.1", port, transport=end.transport):
                await station.wait_connected()
                await station.call(BOOT)
                await connecting.__aexit__(None, None, None)
        assert trap.connections == 0

    end.run(main())


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        (b"", "closed"),
        (b"HTTP/1.1 101", "closed"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "404"),
        (b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", "401"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "HTTP"),
    ],
    ids=["nothing", "half", "404", "401", "ssh"],
)
def test_the_error_for_a_server_that_rejects_the_handshake(
    end: End, answer: bytes, shown: str
) -> None:
    async def main() -> None:
        async with Web(answer).listen() as server:
            problem = await attempt(end, server)
            assert problem.startswith(f"cannot connect to ws://127.0.0.1:{server.port}/ocpp/CS-1: ")
            assert shown in problem
            assert "NoneType" not in problem

    end.run(main())


def test_the_error_for_a_server_that_closes_at_once(end: End) -> None:
    def closing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(closing, "127.0.0.1")
        address = SimpleNamespace(port=server.sockets[0].getsockname()[1])
        try:
            for _ in range(10):  # the request may be on its way or not
                problem = await attempt(end, address)
                assert "closed" in problem or "reset" in problem
        finally:
            server.close()

    end.run(main())


def test_a_password_in_the_address_is_not_repeated(end: End) -> None:
    async def main() -> None:
        async with Web(b"").listen() as server:
            station = ChargingStation("CS-1", {"2.0.1": Charger()})
            url = f"ws://CS-1:hunter2@127.0.0.1:{server.port}/ocpp"
            with pytest.raises(ocppj.ConnectionLost) as failed:
                async with station.connect(url, transport=end.transport):
                    raise AssertionError
            assert "hunter2" not in str(failed.value)
            assert f"ws://127.0.0.1:{server.port}/ocpp/CS-1" in str(failed.value)

    end.run(main())


class Proxy(Web):
    """Tunnels every request to one server."""

    def __init__(self, port: int) -> None:
        super().__init__(b"HTTP/1.1 200 OK\r\n\r\n")
        self.port = port

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.got.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(self.answer)
        there, back = await asyncio.open_connection("127.0.0.1", self.port)
        self.got.append(await reader.readuntil(b"\r\n\r\n"))
        back.write(self.got[-1])
        await asyncio.gather(self.copy(reader, back), self.copy(there, writer))

    async def copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(2**16):
            writer.write(data)
        writer.close()


@pytest.mark.parametrize("allowed", [True, False])
def test_a_proxy_of_the_environment_is_used_by_websockets_alone(
    end: End, monkeypatch: pytest.MonkeyPatch, *, allowed: bool
) -> None:
    """What docs/endpoints.md says of proxies; where one is used with ws://, it reads along."""
    options: dict[str, Any] = {} if allowed else {"proxy": None}
    for name in ("no_proxy", "ws_proxy", "socks_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)

    async def main() -> None:
        csms = CSMS({"2.0.1": Central()})
        station = ChargingStation("CS-1", {"2.0.1": Charger()})
        async with end.listen(csms) as server:
            proxy = Proxy(server.port)
            async with proxy.listen() as middle:
                monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{middle.port}")
                async with end.connect(station, server, password=SECRET, **options):
                    await station.call(BOOT)
            if allowed and end.transport == "websockets":
                connect, upgrade = proxy.got
                assert TOKEN not in connect.decode()
                assert TOKEN in upgrade.decode()
            else:
                assert proxy.got == []

    end.run(main())
