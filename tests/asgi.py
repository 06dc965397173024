"""HTTP requests to an ASGI application, in this process and without a server."""

import asyncio
import json
from typing import Any

__all__ = ["post", "request"]


def request(app: Any, method: str, path: str, body: bytes = b"") -> tuple[int, Any]:
    """Return status and JSON body of the answer."""
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json"), (b"host", b"test")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
    }
    asyncio.run(app(scope, receive, send))
    return sent[0]["status"], json.loads(b"".join(one.get("body", b"") for one in sent[1:]))


def post(app: Any, path: str, value: Any) -> tuple[int, Any]:
    """Post a value as JSON."""
    return request(app, "POST", path, json.dumps(value).encode())
