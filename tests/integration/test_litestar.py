"""Messages in routes of Litestar."""

import logging
from typing import Annotated, Any

import pytest

from ocppj import v201
from ocppj.integrations.litestar import TYPE_DECODERS
from tests.asgi import post, request


def test_litestar_takes_messages_as_bodies_and_results() -> None:
    litestar = pytest.importorskip("litestar")
    body = litestar.params.Body()

    @litestar.post("/unlock")  # type: ignore[untyped-decorator]
    async def unlock(
        data: Annotated[v201.UnlockConnectorRequest, body],
    ) -> v201.UnlockConnectorResponse:
        status = v201.UnlockStatusEnumType.UNLOCKED
        return v201.UnlockConnectorResponse(status=status, custom_data=data.custom_data)

    @litestar.post("/transfer")  # type: ignore[untyped-decorator]
    async def transfer(data: Annotated[v201.DataTransferRequest, body]) -> Any:
        return data.data

    def invalid(_: Any, error: Any) -> Any:
        return litestar.Response({"detail": error.extra}, status_code=422)

    handlers = {litestar.exceptions.ValidationException: invalid}
    app = litestar.Litestar(
        [unlock, transfer],
        type_decoders=TYPE_DECODERS,
        exception_handlers=handlers,
        logging_config=None,  # or the root logger has another level from then on
    )
    logging.disable()
    try:
        right = {"evseId": 1, "connectorId": 2}
        custom = {"customData": {"vendorId": "x", "n": [1]}}
        expected = {"status": "Unlocked"} | custom
        assert post(app, "/unlock", right | custom) == (201, expected)
        assert post(app, "/transfer", {"vendorId": "x", "data": [1]}) == (201, [1])
        status, answer = post(app, "/unlock", right | {"evseId": "one"})
        assert (status, answer["detail"][0]["key"]) == (422, "evseId")
        status, answer = post(app, "/unlock", right | {"customData": {}})
        assert (status, answer["detail"][0]["key"]) == (422, "customData")
        _, document = request(app, "GET", "/schema/openapi.json")
        schema = document["components"]["schemas"]["UnlockConnectorRequest"]
        assert schema["required"] == ["connectorId", "evseId"]
    finally:
        logging.disable(logging.NOTSET)
