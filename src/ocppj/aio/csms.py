"""The central system's end: a node whose stations are answered by handlers in this process."""

from collections.abc import Mapping

from ocppj.aio.endpoint import MAX_HANDLING, MAX_WAITING, endpoints
from ocppj.aio.metrics import Metrics
from ocppj.aio.node import Node
from ocppj.aio.stations import Duplicates
from ocppj.aio.tap import Tap, observed
from ocppj.aio.tracing import Tracing
from ocppj.codec import Codec
from ocppj.session import TIMEOUT

__all__ = ["CSMS"]


class CSMS(Node):
    """The central system: charging stations connect to it, and each side calls the other.

    Args:
        handlers: OCPP version -> object with a method for each action that it answers: see
            `ocppj.Handlers`. These versions are offered. The methods take `(station, request)`.
            `on_connect(station)` and `on_disconnect(station)` are called too, if they exist; both
            may be async.
        codecs: OCPP version -> codec, for versions that need another than `Codec(version)`:
            leniency, vendor features.
        timeout: seconds to wait for the response to a call.
        duplicates: which connection stays when a connected station connects again. `"ping"`: the
            old one if it answers a ping within `ping_timeout`, else the new one. `"newest"` and
            `"oldest"`: always that one.
        ping_timeout: seconds.
        max_waiting: maximum number of queued calls to one station.
        max_handling: maximum number of calls of one station that are handled at a time.
        max_frames: maximum number of frames per second of one station, on average over ten seconds.
            Over it, calls get GenericError; a station that continues is closed with code 1008.
        max_handshakes: maximum number of handshakes per second; what is beyond gets HTTP 503.
        metrics: counts frames, latencies and connections.
        tap: gets each frame as it passes: see `ocppj.aio.Recorder`.
        tracing: makes a span of each call: see `ocppj.aio.opentelemetry`.

    Attributes:
        stations: identity -> station, of all that are connected.

    Raises:
        TypeError: a handler is a class, or its annotations are those of another version.
        ValueError: there is no handler, a version is unknown, a method belongs to no action that a
            CSMS receives, or a limit is too low.
    """

    def __init__(
        self,
        handlers: Mapping[str, object],
        *,
        codecs: Mapping[str, Codec] | None = None,
        timeout: float = TIMEOUT,
        duplicates: Duplicates = "ping",
        ping_timeout: float = 5.0,
        max_waiting: int = MAX_WAITING,
        max_handling: int = MAX_HANDLING,
        max_frames: float | None = None,
        max_handshakes: float | None = None,
        metrics: Metrics | None = None,
        tap: Tap | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        offered = endpoints(
            handlers,
            codecs,
            "csms",
            timeout=timeout,
            max_waiting=max_waiting,
            max_handling=max_handling,
            max_frames=max_frames,
            metrics=observed(metrics, tap),
            tap=tap,
            tracing=tracing,
        )
        super().__init__(
            offered,
            duplicates=duplicates,
            ping_timeout=ping_timeout,
            max_handshakes=max_handshakes,
        )
