"""A gateway loop on `websockets`: of ocppj it uses the codec and a session.

    pip install '.[websockets]' && python examples/gateway_websockets.py --port 9000

It supports OCPP 1.6 and 2.0.1, answers BootNotification and Heartbeat, and NotSupported otherwise.
"""

import argparse
import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

import ocppj
from ocppj import v16, v201

CODECS = {
    "ocpp2.0.1": ocppj.Codec("2.0.1"),
    "ocpp1.6": ocppj.Codec("1.6", policy=ocppj.Policy.lenient()),
}


def handle(request: object) -> object:
    """Return the response to a request."""
    now = datetime.now(UTC)
    match request:
        case v201.BootNotificationRequest():
            accepted = v201.RegistrationStatusEnumType.ACCEPTED
            return v201.BootNotificationResponse(current_time=now, interval=300, status=accepted)
        case v16.BootNotificationRequest():
            status = v16.RegistrationStatus.ACCEPTED
            return v16.BootNotificationResponse(current_time=now, interval=300, status=status)
        case v201.HeartbeatRequest():
            return v201.HeartbeatResponse(current_time=now)
        case v16.HeartbeatRequest():
            return v16.HeartbeatResponse(current_time=now)
    raise ocppj.CallRefused("NotSupported")


def answer(session: ocppj.Session, data: bytes) -> bytes | None:
    """Handle a message, and return the answer if there is one."""
    try:
        frame = session.receive(data)
    except (ocppj.DecodeError, ocppj.RemoteProtocolError) as error:
        print(f"rejected: {str(error)!a}", flush=True)
        return error.reply()
    if not isinstance(frame, ocppj.Call):
        return None
    try:
        return session.reply(frame, handle(frame.payload))
    except ocppj.CallRefused as refusal:
        return session.fail(frame, refusal.error_code, refusal.error_description)


async def serve_station(socket: ServerConnection) -> None:
    """Answer one station until it leaves."""
    if socket.subprotocol is None:
        await socket.close(1002, "no common subprotocol")
        return
    session = ocppj.Session(CODECS[socket.subprotocol], role="csms")
    try:
        while True:
            reply = answer(session, await socket.recv(decode=False))
            if reply is not None:
                await socket.send(reply, text=True)
    except ConnectionClosed:
        pass


def choose(_: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
    """Return the first version offered that we support."""
    return next((name for name in offered if name in CODECS), None)


async def main() -> None:
    """Listen until interrupted."""
    parser = argparse.ArgumentParser(description="A gateway loop with websockets.")
    parser.add_argument("--port", type=int, default=9000)
    port = parser.parse_args().port
    async with serve(serve_station, "127.0.0.1", port, select_subprotocol=choose) as server:
        print("listening on port", next(iter(server.sockets)).getsockname()[1], flush=True)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
