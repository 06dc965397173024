"""HTTP requests to a server on this machine."""

import asyncio
import json
from typing import Any

__all__ = ["fetch"]


async def fetch(port: int, method: str, path: str, value: Any = None) -> tuple[int, Any]:
    """Return status and JSON body of the answer to a request, with a value as JSON body."""
    body = b"" if value is None else json.dumps(value).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: localhost",
        "Connection: close",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    ]
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
    head, _, data = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    return int(head.split()[1]), json.loads(data)
