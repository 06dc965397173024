"""A WebSocket endpoint in Starlette, or FastAPI, which is the same: one class for each station.

    pip install . starlette uvicorn websockets
    python examples/starlette_endpoint.py --port 9000

With FastAPI, `app = FastAPI()` and `@app.websocket("/ocpp/{station_id}")` take the place of the
route below.
"""

import argparse
from datetime import UTC, datetime

import uvicorn
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

import ocppj
from ocppj import v201


class Handler:
    """What the central system answers; the first argument is whatever `answer` is given."""

    def on_boot_notification(
        self, station_id: str, request: v201.BootNotificationRequest
    ) -> v201.BootNotificationResponse:
        """Accept every station."""
        print(f"{station_id!a} {request.charging_station.model!a}", flush=True)
        return v201.BootNotificationResponse(
            current_time=datetime.now(UTC),
            interval=300,
            status=v201.RegistrationStatusEnumType.ACCEPTED,
        )

    async def on_heartbeat(self, _: str, __: v201.HeartbeatRequest) -> v201.HeartbeatResponse:
        """Tell the time."""
        return v201.HeartbeatResponse(current_time=datetime.now(UTC))


CODEC = ocppj.Codec("2.0.1")
HANDLERS = ocppj.Handlers(Handler(), CODEC)


def report(message: object, error: Exception) -> None:
    """Log what a handler has raised; the peer is told InternalError and no more."""
    print(f"failed: {message!a} {error!a}", flush=True)


async def endpoint(socket: WebSocket) -> None:
    """Answer one station until it leaves."""
    if "ocpp2.0.1" not in socket.scope["subprotocols"]:
        await socket.accept()
        await socket.close(1002)
        return
    await socket.accept("ocpp2.0.1")
    context = (socket.path_params["station_id"],)
    session = ocppj.Session(CODEC, role="csms")
    try:
        while (message := await socket.receive())["type"] == "websocket.receive":
            data = message.get("bytes") or message.get("text") or ""
            try:
                frame = session.receive(data)
            except (ocppj.DecodeError, ocppj.RemoteProtocolError) as error:
                answer = error.reply()
            else:
                if not isinstance(frame, ocppj.Call):
                    continue
                answered = HANDLERS.answer(session, frame, context, report)
                answer = answered if isinstance(answered, bytes) else await answered
            if answer is not None:
                await socket.send_text(answer.decode())
    except WebSocketDisconnect:
        pass


app = Starlette(routes=[WebSocketRoute("/ocpp/{station_id}", endpoint)])

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A Starlette endpoint.")
    parser.add_argument("--port", type=int, default=9000)
    uvicorn.run(app, host="127.0.0.1", port=parser.parse_args().port)
