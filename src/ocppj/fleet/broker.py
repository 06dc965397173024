"""The connection to NATS: requests, JetStream, and what happens when the broker goes and returns.

Owns the inbox for replies and the errors in words that an operator can act on. Knows nothing of
stations. How bytes are read and written is the business of `ocppj.fleet.client`.
"""

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from functools import partial
from typing import Any, Final, NamedTuple

import msgspec
from nats.errors import Error as NatsError

from ocppj.aio.tracing import Tracing
from ocppj.aio.transport import shown
from ocppj.fleet.client import BrokerBusy, BrokerError, BrokerLost, Client
from ocppj.fleet.subjects import Subjects, headers, parse_headers, parse_json, status_of

__all__ = ["Broker", "JetStreamError", "Reply"]

MINIMUM_VERSION: Final = (2, 9)
CONNECT_TIMEOUT: Final = 5.0
RECONNECT_WAIT: Final = 0.5
API_TIMEOUT: Final = 5.0
MAX_PENDING_REQUESTS: Final = 100_000

NO_RESPONDERS: Final = 503
NOT_FOUND: Final = 404

log: Final = logging.getLogger("ocppj.fleet")


class Reply(NamedTuple):
    """What came back.

    Attributes:
        headers: as on the wire.
        payload: of the message.
    """

    headers: bytes
    payload: bytes

    @property
    def status(self) -> int | None:
        """Status of the server: 503 where nobody listens."""
        return status_of(self.headers)

    def values(self) -> dict[str, str]:
        """Return the headers by name."""
        return parse_headers(self.headers)


class JetStreamError(BrokerError):
    """JetStream has rejected a request.

    Attributes:
        code: like an HTTP status.
        error_code: of JetStream: 10071 is a wrong last sequence.
    """

    def __init__(self, problem: str, code: int = 0, error_code: int = 0) -> None:
        super().__init__(problem, code, error_code)
        self.problem = problem
        self.code = code
        self.error_code = error_code

    def __str__(self) -> str:
        return self.problem


class Broker:
    """A connection to NATS, shared by what runs in this process. Made by `connect`.

    Attributes:
        subjects: of the fleet.
        replicas: of streams and buckets that are created.
        tracing: makes a span of each call of what runs in this process, if given.
        connected: whether there is a connection at the moment.
    """

    def __init__(
        self,
        url: str | list[str],
        subjects: Subjects,
        replicas: int,
        tracing: Tracing | None,
        settings: Mapping[str, Any],
    ) -> None:
        self.subjects = subjects
        self.tracing = tracing
        self.replicas = replicas
        self._url = url
        self._settings = settings
        self._client = client = Client()
        self._opened = self._closing = False
        self._problem: Exception | None = None  # while the first connection is made
        self._waiting: dict[str, asyncio.Future[Reply]] = {}
        self._number = 0
        self._inbox = ""
        self._on_lost: list[Callable[[], None]] = []
        self._on_return: list[Callable[[], Awaitable[None]]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.listen = client.listen
        self.unlisten = client.unlisten
        self.unsubscribe = client.unsubscribe
        self.post = client.post

    async def open(self) -> None:
        """Connect.

        Raises:
            BrokerError: the server cannot be reached, rejects us, or lacks what a fleet needs.
        """
        try:
            await self._dial()
        except (OSError, NatsError) as error:
            raise _explained(self._url, self._problem or error) from error
        self._inbox = self.new_inbox()
        self._client.listen(f"{self._inbox}.*", self._replied)
        self._opened = True
        try:
            self._check()
        except BaseException:
            await self.close()
            raise

    async def _dial(self) -> None:
        callbacks = {
            "error_cb": self._failed,
            "disconnected_cb": self._lost,
            "reconnected_cb": self._returned,
            "closed_cb": self._closed,
        }
        await self._client.dial(self._url, {**self._settings, **callbacks})

    @property
    def connected(self) -> bool:
        """Whether there is a connection at the moment."""
        return bool(self._client.is_connected)

    def watch(self, on_lost: Callable[[], None], on_return: Callable[[], Awaitable[None]]) -> None:
        """Call functions when the connection is lost, and when there is one again."""
        self._on_lost.append(on_lost)
        self._on_return.append(on_return)

    def unwatch(
        self, on_lost: Callable[[], None], on_return: Callable[[], Awaitable[None]]
    ) -> None:
        """Call them no more."""
        self._on_lost.remove(on_lost)
        self._on_return.remove(on_return)

    def new_inbox(self) -> str:
        """Return a subject that nobody else has."""
        return str(self._client.new_inbox())

    def request(
        self, subject: str, payload: bytes, header_lines: bytes = b"", timeout: float = API_TIMEOUT
    ) -> asyncio.Future[Reply]:
        """Publish a message and return a future of the reply.

        The future raises `TimeoutError` after `timeout` seconds, and `BrokerLost` if the connection
        is lost. If nobody listens, the server's `Reply` has status 503.

        Raises:
            BrokerBusy: too many requests are pending, or the broker does not keep up.
            BrokerLost: there is no connection.
        """
        if len(self._waiting) >= MAX_PENDING_REQUESTS:
            raise BrokerBusy(f"{MAX_PENDING_REQUESTS} requests are pending")
        loop = asyncio.get_running_loop()
        self._number += 1
        key = str(self._number)
        self._client.post(subject, payload, f"{self._inbox}.{key}", header_lines)
        future: asyncio.Future[Reply] = loop.create_future()
        self._waiting[key] = future
        timer = loop.call_later(timeout, _expire, future)
        future.add_done_callback(partial(self._forget, key, timer))
        return future

    def _forget(self, key: str, timer: asyncio.TimerHandle, _: asyncio.Future[Reply]) -> None:
        timer.cancel()
        self._waiting.pop(key, None)

    def _replied(self, subject: str, _reply: str, header_lines: bytes, payload: bytes) -> None:
        future = self._waiting.get(subject[len(self._inbox) + 1 :])
        if future is not None and not future.done():
            future.set_result(Reply(header_lines, payload))

    async def flush(self) -> None:
        """Wait until the broker has seen all that was posted so far.

        Raises:
            BrokerLost: there is no connection, or it was lost.
        """
        await self._client.settle(API_TIMEOUT)

    async def api(self, verb: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Send a request to JetStream and return its answer.

        Args:
            verb: what follows `$JS.API.`, such as `STREAM.INFO.ocpp_journal`.
            body: JSON object.

        Raises:
            BrokerLost: no answer came.
            JetStreamError: JetStream is off, or has rejected the request.
        """
        payload = b"" if body is None else msgspec.json.encode(body)
        reply = await self.ask(f"$JS.API.{verb}", payload)
        return answer_of(reply.payload)

    async def ask(self, subject: str, payload: bytes, header_lines: bytes = b"") -> Reply:
        """Send a request to JetStream and return its reply, whatever it says.

        Raises:
            BrokerLost: no reply came.
            JetStreamError: JetStream is off, or there is no such stream.
        """
        try:
            reply = await self.request(subject, payload, header_lines)
        except TimeoutError:
            problem = f"JetStream does not answer {subject}"
            raise BrokerLost(f"{problem}: is the user permitted to publish there?") from None
        if reply.status == NO_RESPONDERS:
            raise JetStreamError(
                f"nobody answers {subject}: enable JetStream for the server and the account",
                NO_RESPONDERS,
            )
        return reply

    async def store(
        self, subject: str, payload: bytes, values: Mapping[str, str] | None = None
    ) -> tuple[int, bool]:
        """Publish to a stream; return the sequence and whether it is a duplicate, once stored.

        Raises:
            BrokerLost: no answer came. It may be stored nevertheless.
            JetStreamError: it is not stored.
        """
        reply = await self.ask(subject, payload, headers(values) if values else b"")
        answer = answer_of(reply.payload)
        sequence = answer.get("seq")
        if not isinstance(sequence, int):
            raise JetStreamError("JetStream: a message was not acknowledged as stored")
        return sequence, answer.get("duplicate") is True

    async def ensure_stream(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Create a stream unless it exists; return its configuration.

        Raises:
            BrokerError: it does not exist and cannot be created.
        """
        name = config["name"]
        try:
            info = await self.api(f"STREAM.INFO.{name}")
        except JetStreamError as error:
            if error.code != NOT_FOUND:
                raise
            info = await self.api(
                f"STREAM.CREATE.{name}", {**config, "num_replicas": self.replicas}
            )
            log.info("stream %s created", name)
        found = info.get("config")
        if not isinstance(found, dict):
            raise JetStreamError(f"JetStream: it is not known how {name} is configured")
        return found

    def _check(self) -> None:
        info = self._client.info
        version = str(info.get("version", "0"))
        numbers = tuple(
            int(part) for part in version.partition("-")[0].split(".") if part.isdigit()
        )
        if numbers < MINIMUM_VERSION:
            wanted = ".".join(map(str, MINIMUM_VERSION))
            raise BrokerError(f"nats-server {version} is too old: a fleet needs {wanted} or later")
        if not info.get("headers"):
            raise BrokerError("nats-server has headers disabled: remove no_header_support")
        if not info.get("jetstream"):
            raise BrokerError(
                "JetStream is not enabled: start nats-server with -js, or add `jetstream {}` to "
                "its configuration, and enable it for the account"
            )

    async def _failed(self, error: Exception) -> None:
        if self._opened:
            log.warning("broker: %.300s", error)
        else:
            self._problem = error

    async def _lost(self) -> None:
        if not self._opened:
            return
        if not self._closing:
            log.warning("the connection to the broker is lost")
        self._client.forget()
        for future in list(self._waiting.values()):
            if not future.done():
                future.set_exception(BrokerLost("the connection to the broker was lost"))
                future.exception()  # seen: who waits may have gone
        for callback in list(self._on_lost):
            callback()

    async def _returned(self) -> None:
        log.info("connected to the broker again")
        for callback in list(self._on_return):
            self._start(_logged(callback))

    async def _closed(self) -> None:
        # nats-py gives up after most errors that a server sends.
        if self._opened and not self._closing:
            self._start(self._reopen())

    async def _reopen(self) -> None:
        while True:
            await asyncio.sleep(RECONNECT_WAIT)
            try:
                await self._dial()
            except (OSError, NatsError) as error:
                log.debug("broker: %s", error)
            else:
                await self._returned()
                return

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Send what is pending, and close the connection."""
        self._closing = True
        for task in self._tasks:
            task.cancel()
        try:
            await self._client.close()
        except asyncio.CancelledError:
            # nats-py cancels a task of its own, and with it what this one waits for.
            caller = asyncio.current_task()
            if caller is None or caller.cancelling():
                raise


def answer_of(payload: bytes) -> dict[str, Any]:
    """Return an answer of JetStream.

    Raises:
        JetStreamError: it says that something is wrong, or it is not an answer.
    """
    try:
        answer = parse_json(payload, dict)
    except ValueError as error:
        raise JetStreamError(f"JetStream: an answer is {error}") from error
    problem = answer.get("error")
    if problem is None:
        return answer
    known = problem if isinstance(problem, dict) else {}
    code, error_code = known.get("code", 0), known.get("err_code", 0)
    raise JetStreamError(f"JetStream: {known.get('description', 'error')}", code, error_code)


def _expire(future: asyncio.Future[Reply]) -> None:
    if not future.done():
        future.set_exception(TimeoutError())
        future.exception()


async def _logged(callback: Callable[[], Awaitable[None]]) -> None:
    try:
        await callback()
    except Exception:
        log.exception("the fleet was not restored after the broker returned")


def _explained(url: str | list[str], problem: Exception) -> BrokerError:
    """Describe to an operator why there is no connection."""
    where = ", ".join(shown(one) for one in ([url] if isinstance(url, str) else url))
    text = str(problem).removeprefix("nats: ").strip("'") or type(problem).__name__
    start = f"cannot connect to NATS at {where}"
    if "authorization" in text.lower() or "authentication" in text.lower():
        return BrokerError(f"{start}: credentials rejected: check user, password or .creds file")
    if isinstance(problem, ssl.SSLError):
        return BrokerError(f"{start}: TLS failed: {text}")
    if isinstance(problem, TimeoutError):
        return BrokerError(f"{start}: no answer within {CONNECT_TIMEOUT:g} s")
    return BrokerError(f"{start}: {text}")
