"""A gateway that only routes, with `picows`: heads are read, payloads passed on undecoded.

    pip install '.[picows]' && python examples/gateway_picows.py --port 9000

Each CALL is answered with an error by the one backend that this example has; put your broker there.
The id of the station and the head of the frame are all that routing needs.
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
    """One station.

    Its name and the action are the peer's own words: what is printed of them is escaped.
    """

    def __init__(self, name: str, codec: ocppj.Codec) -> None:
        self.name = name
        self.codec = codec

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Take in a frame; a message in several parts is not for this example."""
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
    """Hand a frame to the backend that is in charge of its action; return an answer, if any."""
    kind, size = head.message_type, len(head.payload)
    print(f"{station.name!a} {kind} {head.action!a} {size} bytes", flush=True)
    if head.message_type != 2:
        return None
    refusal = ocppj.CallError(head.message_id, "NotSupported", f"no backend for {head.action}")
    return station.codec.encode(refusal)


def accept(request: WSUpgradeRequest) -> WSUpgradeResponseWithListener:
    """Take the version that the station likes best of those that we have."""
    offered = request.headers.get("Sec-WebSocket-Protocol", "").replace(" ", "").split(",")
    chosen = next((name for name in offered if name in CODECS), None)
    if chosen is None:
        refusal = WSUpgradeResponse.create_error_response(400, b"no common subprotocol")
        return WSUpgradeResponseWithListener(refusal, None)
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
