"""The OpenAPI document is valid, complete, and true."""

import asyncio
import json
import shutil
import sys
from pathlib import Path
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


def test_answers_are_those_described(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ocppj.web.calls.MAX_TTL", 1.0)  # below the time-out of a request here
    program = shutil.which("schemathesis", path=Path(sys.executable).parent)
    if program is None:
        pytest.skip("no schemathesis")

    async def test(site: Site) -> None:
        async with site.station("CS-1", object()):
            process = await asyncio.create_subprocess_exec(
                program,
                "run",
                f"{site.url}/openapi.json",
                "--phases",
                "fuzzing",
                "--max-examples",
                "1",
                "--exclude-path-regex",
                "events|frames|disconnect",
                "--checks",
                "status_code_conformance,content_type_conformance",
                "--request-timeout",
                "5",
                "--no-color",
                cwd=tmp_path,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            output, _ = await process.communicate()
            assert process.returncode == 0, output.decode()
            assert b" passed" in output

    run(test, metrics=lambda: b"", limit=60)
