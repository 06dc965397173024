"""The operator's page in a browser: what it shows, and what it must not do."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from ocppj.web import Tokens
from tests.web.conftest import BOOT, Site, site

playwright = pytest.importorskip("playwright.async_api")
CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")

LIMIT = 60.0
COMMAND = "commanding-token-4"
HOSTILE = "<script>document.title='broken'<b>"


def browse(
    test: Callable[[Site, Any], Awaitable[None]], *, width: int = 1200, **options: Any
) -> None:
    """Run a test with a page open; no error, and no request to another host."""
    problems: list[str] = []

    async def main() -> None:
        async with (
            asyncio.timeout(LIMIT),
            site(**options) as made,
            playwright.async_playwright() as library,
        ):
            browser = await library.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            page = await browser.new_page(viewport={"width": width, "height": 800})
            page.set_default_timeout(15_000)
            page.on("pageerror", lambda error: problems.append(str(error)))
            page.on(
                "console",
                lambda m: problems.append(m.text) if "Security Policy" in m.text else None,
            )
            page.on(
                "request",
                lambda r: problems.append(r.url) if not r.url.startswith(made.url) else None,
            )
            await page.goto(made.url)
            await test(made, page)
            await browser.close()

    asyncio.run(main())
    assert problems == []


def test_stations_are_listed_sorted_and_filtered() -> None:
    async def test(made: Site, page: Any) -> None:
        async with made.station("CS-1") as station, made.station("CS-2"), made.station("X-3"):
            await station.call(BOOT)
            await page.get_by_text("3 connected").wait_for()
            links = page.locator("tbody a")
            assert await links.all_inner_texts() == ["CS-1", "CS-2", "X-3"]
            await page.get_by_text("ACME Fast").wait_for()
            await page.get_by_role("button", name="Station").click()
            assert await links.all_inner_texts() == ["X-3", "CS-2", "CS-1"]
            await page.get_by_role("searchbox").fill("cs- 2.0.1")
            await page.get_by_text("2 of 3").wait_for()
            assert await links.all_inner_texts() == ["CS-2", "CS-1"]
        await page.get_by_text("No station is connected.").wait_for()

    browse(test)


def test_a_command_is_sent_by_keyboard_and_its_answer_and_frames_are_shown() -> None:
    async def test(made: Site, page: Any) -> None:
        async with made.station("CS-1"):
            await page.locator("tbody a").focus()
            await page.keyboard.press("Enter")
            select = page.get_by_label("Action")
            await select.select_option("UnlockConnector")
            await page.get_by_label("evseId *").fill("1")
            await page.get_by_label("connectorId *").fill("2")
            await page.get_by_role("button", name="Send", exact=True).focus()
            await page.keyboard.press("Enter")
            await page.locator("pre").get_by_text("Unlocked").wait_for()
            frames = page.locator(".frames li")
            await frames.nth(1).wait_for()
            assert "UnlockConnector" in await frames.nth(1).inner_text()
            await frames.nth(1).locator("summary").click()
            assert '"connectorId": 2' in await frames.nth(1).locator("pre").inner_text()
            # What the station rejects, and what the form sends wrongly, is told.
            await select.select_option("Reset")
            await page.get_by_role("button", name="Send", exact=True).click()
            await page.locator("pre.bad").get_by_text("InternalError: cannot").wait_for()
            page.on("dialog", lambda dialog: asyncio.ensure_future(dialog.accept()))
            await page.get_by_role("button", name="Disconnect").click()
            await page.get_by_text("Not connected").first.wait_for()

    browse(test)


@pytest.mark.parametrize("action", ["SetChargingProfile", "SendLocalList", "SetVariables"])
def test_forms_with_objects_and_lists_make_valid_payloads(action: str) -> None:
    async def test(made: Site, page: Any) -> None:
        async with made.station("CS-1", object()):
            await page.goto(f"{made.url}/#/station/CS-1")
            await page.get_by_label("Action").select_option(action)
            panel = page.locator("section", has=page.get_by_label("Action"))
            for name in ("localAuthorizationList",):
                box = panel.locator("fieldset", has_text=name)
                if await box.count():
                    await box.get_by_role("button", name="Add").first.click()
            for field in await panel.locator("input[type=number][required]").all():
                await field.fill("1")
            for field in await panel.locator("input[type=text][required]").all():
                await field.fill("x")
            await page.get_by_role("button", name="Send", exact=True).click()
            # The station has no handler: that it says so shows that the payload was valid.
            await page.locator("pre.bad").get_by_text("NotSupported").wait_for()

    browse(test)


def test_a_hostile_identity_is_text() -> None:
    async def test(made: Site, page: Any) -> None:
        async with made.station(HOSTILE):
            await page.get_by_text(HOSTILE).click()
            await page.get_by_role("heading", name=HOSTILE).wait_for()
            await page.get_by_label("Action").wait_for()
            assert await page.title() == "Charging stations"

    browse(test)


def test_a_token_is_asked_for_and_kept_for_the_tab() -> None:
    async def test(made: Site, page: Any) -> None:
        async with made.station("CS-1"):
            await page.get_by_role("textbox", name="Token").fill(COMMAND)
            await page.keyboard.press("Enter")
            await page.get_by_text("1 connected").wait_for()
            await page.reload()
            await page.get_by_text("1 connected").wait_for()
            assert COMMAND not in page.url
            assert await page.evaluate("document.cookie + JSON.stringify(localStorage)") == "{}"

    browse(test, tokens=Tokens({COMMAND: "command"}))


def test_statistics_are_drawn() -> None:
    async def test(made: Site, page: Any) -> None:
        async with made.station("CS-1") as station:
            await station.call(BOOT)
            await station._link.transport.send(b'[2,"x","Heartbeat",[]]')
            await page.get_by_role("link", name="Statistics").click()
            await (
                page.get_by_role("img", name="Refused frames by action")
                .get_by_text("Heartbeat")
                .wait_for()
            )
            assert await page.get_by_role("img").count() == 3

    browse(test)


@pytest.mark.parametrize("view", ["#/stations", "#/station/CS-1", "#/statistics"])
def test_nothing_is_wider_than_a_phone(view: str) -> None:
    async def test(made: Site, page: Any) -> None:
        async with made.station("CS-1") as station:
            await station.call(BOOT)
            await page.goto(f"{made.url}/{view}")
            await page.get_by_role("status").get_by_text("Updated").wait_for()
            await asyncio.sleep(0.3)
            assert await page.evaluate("document.documentElement.scrollWidth") <= 380

    browse(test, width=380)


def test_ten_thousand_stations_are_shown_without_lag() -> None:
    async def test(made: Site, page: Any) -> None:
        async with made.station("CS-0") as station:
            await station.call(BOOT)
            first = made.csms.stations["CS-0"]

            class Copy:
                def __init__(self, number: int) -> None:
                    self.id = f"CS-{number:05}"

                def __getattr__(self, name: str) -> Any:
                    return getattr(first, name)

            many = {f"CS-{n:05}": Copy(n) for n in range(10_000)}
            made.csms.stations = many  # type: ignore[assignment]
            await page.reload()
            await page.get_by_text("10,000 connected").wait_for()
            assert await page.locator("tbody tr").count() < 80
            took = await page.evaluate(
                """async () => {
                    const box = document.querySelector(".rows"), times = [];
                    for (let step = 1; step <= 30; step++) {
                        const start = performance.now();
                        box.scrollTop = step * 10000;
                        const frame = () => new Promise(requestAnimationFrame);
                        await frame(); await frame();
                        times.push(performance.now() - start);
                    }
                    return times.sort((a, b) => a - b)[15];
                }"""
            )
            assert took < 150  # two frames and the drawing, on a busy machine
            await page.get_by_role("searchbox").fill("CS-09999")
            await page.get_by_text("1 of 10,000").wait_for()

    browse(test)
