"""The OpenAPI document is valid, complete, and true."""

import json
from typing import Any

import pytest

import ocppj
from ocppj.catalog import VERSIONS
from ocppj.web.openapi import document
from tests.web.conftest import Site, run


@pytest.fixture(scope="module")
def described() -> Any:
    return json.loads(document())


def test_a_checker_accepts_it(described: Any) -> None:
    checker = pytest.importorskip("openapi_spec_validator")
    checker.validate(described)


def test_every_action_of_every_version_has_its_schemas(described: Any) -> None:
    for version in VERSIONS:
        for feature in ocppj.Codec(version.name).features.values():
            path = described["paths"].get(f"/stations/{{id}}/calls/{feature.name}")
            if feature.sender == "charging_station":
                continue
            operation = path["post"]
            index = operation["tags"].index(f"OCPP {version.name}")
            body = operation["requestBody"]["content"]["application/json"]["schema"]
            name = body["anyOf"][index]["$ref"].rpartition("/")[2]
            assert name.endswith(feature.request_type.__name__)
            properties = described["components"]["schemas"][name]["properties"]
            fields = feature.request_type.__struct_encode_fields__
            assert set(fields) <= set(properties)


def test_every_path_is_served(described: Any) -> None:
    async def test(site: Site) -> None:
        async with site.station():
            for path, operations in described["paths"].items():
                for method in operations:
                    url = path.replace("{id}", "CS-1")
                    if url.endswith(("/events", "/frames")):
                        async with site.client.stream(method, url) as answer:
                            assert answer.status_code == 200
                    else:
                        answer = await site.client.request(method, url)
                        # Without a body: not JSON; nothing else is missing.
                        assert answer.status_code in (200, 415), url

    run(test, metrics=lambda: b"")
