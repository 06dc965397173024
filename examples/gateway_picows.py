"""A gateway that only routes, with `picows`: it reads heads and passes payloads on undecoded.

    pip install '.[picows]' && python examples/gateway_picows.py --port 9000

Routing needs only the identity of the station and the head of the frame. The one backend of this
example answers each CALL with an error: put your broker there.
"""

import argparse
import asyncio
from urllib.parse import unquote

from picows import (
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
    ws_create_server,
)

import ocppj

CODECS = {"ocpp2.0.1": ocppj.Codec("2.0.1"), "ocpp1.6": ocppj.Codec("1.6")}


class Station(WSListener):
    """One station. Its name and the actions are the peer's text: escape them before printing."""

    def __init__(self, name: str, codec: ocppj.Codec) -> None:
        self.name = name
        self.codec = codec

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Handle a frame. This example does not support fragmented messages."""
        if frame.msg_type == WSMsgType.CLOSE or not frame.fin:
            transport.send_close(frame.get_close_code())
            transport.disconnect()
        elif frame.msg_type in (WSMsgType.TEXT, WSMsgType.BINARY):
            try:
                answer = route(self, self.codec.peek(frame.get_payload_as_bytes()))
            except ocppj.DecodeError as error:
                answer = error.reply()
            if answer is not None:
                transport.send(WSMsgType.TEXT, answer)


def route(station: Station, head: ocppj.Envelope) -> bytes | None:
    """Hand a frame to the backend of its action, and return the answer if there is one."""
    message_type, size = head.message_type, len(head.payload)
    print(f"{station.name!a} {message_type} {head.action!a} {size} bytes", flush=True)
    if message_type != 2:
        return None
    error = ocppj.CallError(head.message_id, "NotSupported", f"no backend for {head.action}")
    return station.codec.encode(error)


def accept(request: WSUpgradeRequest) -> WSUpgradeResponseWithListener:
    """Accept the first version offered that we support."""
    offered = request.headers.get("Sec-WebSocket-Protocol", "").replace(" ", "").split(",")
    chosen = next((name for name in offered if name in CODECS), None)
    if chosen is None:
        rejection = WSUpgradeResponse.create_error_response(400, b"no common subprotocol")
        return WSUpgradeResponseWithListener(rejection, None)
    response = WSUpgradeResponse.create_101_response({"Sec-WebSocket-Protocol": chosen})
    name = unquote(request.path.partition(b"?")[0].rpartition(b"/")[2])
    return WSUpgradeResponseWithListener(response, Station(name, CODECS[chosen]))


async def main() -> None:
    """Listen until interrupted."""
    parser = argparse.ArgumentParser(description="A gateway that only routes, with picows.")
    parser.add_argument("--port", type=int, default=9000)
    port = parser.parse_args().port
    server = await ws_create_server(accept, "127.0.0.1", port, max_frame_size=2**20)
    print("listening on port", server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
