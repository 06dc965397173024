"""Who may use the API: tokens, and names of this machine without them."""

from pathlib import Path
from typing import Any

import pytest

from ocppj.web import Tokens
from tests.web.conftest import Site, run

READ, COMMAND = "reading-token-123", "commanding-token-4"
ROUTES = [
    ("GET", "/stations"),
    ("GET", "/stations/CS-1"),
    ("GET", "/stations/CS-1/frames"),
    ("GET", "/events"),
    ("GET", "/statistics"),
    ("GET", "/metrics"),
    ("POST", "/stations/CS-1/calls/Reset"),
    ("POST", "/stations/CS-1/disconnect"),
]
WRONG = [
    None,
    "",
    "Bearer",
    "Bearer wrong-token-1234567",
    f"Basic {READ}",
    READ,
    f"Bearer {READ}x",
    f"Bearer {READ[:-1]}",
    "Bearer é",
]


def tokens() -> Tokens:
    return Tokens({READ: "read", COMMAND: "command"})


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_without_a_valid_token_nothing_is_told(method: str, path: str) -> None:
    async def test(site: Site) -> None:
        async with site.station():
            for header in WRONG:
                headers: Any = {} if header is None else {"authorization": header.encode()}
                answer = await site.client.request(method, path, headers=headers)
                assert answer.status_code == 401, header
                assert answer.headers["www-authenticate"].startswith("Bearer")
                assert "CS-1" not in answer.text
            assert "CS-1" in site.csms.stations

    run(test, tokens=tokens())


def test_a_reading_token_cannot_command() -> None:
    async def test(site: Site) -> None:
        async with site.station():
            headers = {"authorization": f"Bearer {READ}", "content-type": "application/json"}
            assert (await site.client.get("/stations", headers=headers)).status_code == 200
            for path in ("calls/UnlockConnector", "disconnect"):
                answer = await site.client.post(
                    f"/stations/CS-1/{path}", content="{}", headers=headers
                )
                assert answer.status_code == 403
            assert "CS-1" in site.csms.stations
            headers["authorization"] = f"bearer {COMMAND}"
            answer = await site.client.post(
                "/stations/CS-1/disconnect", content="", headers=headers
            )
            assert answer.status_code == 204

    run(test, tokens=tokens())


def test_the_page_itself_needs_no_token_and_has_no_secrets() -> None:
    async def test(site: Site) -> None:
        async with site.station():
            for path in ("/", "/page.js", "/healthz", "/openapi.json"):
                answer = await site.client.get(path)
                assert answer.status_code == 200
                assert "CS-1" not in answer.text

    run(test, tokens=tokens())


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "10.0.0.1:80", "", "[::2]"]
)
def test_without_tokens_other_names_of_this_machine_are_rejected(host: str) -> None:
    async def test(site: Site) -> None:
        for method, path in ROUTES:
            answer = await site.client.request(method, path, headers={"host": host})
            assert answer.status_code in (400, 421), (path, answer.text)

    run(test)


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:80", "127.0.0.1:1", "[::1]:80", "127.9.9.9", "ours"]
)
def test_without_tokens_this_machine_may_read(host: str) -> None:
    async def test(site: Site) -> None:
        assert (await site.client.get("/stations", headers={"host": host})).status_code == 200

    run(test, hosts=["ours"])


def test_tokens_are_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    path.write_text(f"# who\nread {READ}  # the dashboard\n\n  command\t{COMMAND}\n")
    found = Tokens.from_file(path)
    found.check(f"Bearer {COMMAND}", "command")
    found.check(f"Bearer {READ}", "read")


@pytest.mark.parametrize(
    "line", ["read", f"write {READ}", f"read {READ} more", "read short", "read ütf8-ütf8-ütf8-ütf8"]
)
def test_a_line_of_another_form_is_an_error_that_does_not_show_the_token(
    tmp_path: Path, line: str
) -> None:
    path = tmp_path / "tokens"
    path.write_text(f"read {READ}\n{line}\n")
    with pytest.raises(ValueError, match="line 2: write `read TOKEN`") as caught:
        Tokens.from_file(path)
    assert READ not in str(caught.value)


def test_a_file_without_tokens_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text("# none\n")
    with pytest.raises(ValueError, match="no token"):
        Tokens.from_file(tmp_path / "tokens")
