"""The page of `ocppj check --html` shows all that it should, loads nothing, and is bounded."""

import json
import re
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from ocppj.cli.page import history
from tests.cli.conftest import Run

FULL = Path("/dev/full")
EVIL = '"><script>alert(1)</script><img src=//x onerror=alert(1)>&amp;\x1b[31m\u202e'


class Page(HTMLParser):
    """A page: its elements, and the text in them."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(self.source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append((self.open[-1], data))

    @property
    def text(self) -> str:
        return "\n".join(text for tag, text in self.texts if tag not in ("style", "script"))

    def having(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture
def page(run: Callable[..., Run], tmp_path: Path) -> Callable[..., Page]:
    """Check something and return the page."""

    def check(*arguments: str) -> Page:
        path = tmp_path / "page.html"
        assert run("check", "--html", str(path), *arguments).status in (0, 1, 2)
        return Page(path)

    return check


def logged(station: str, number: int, *frame: object) -> str:
    return f"2026-03-14T10:00:{number % 60:02}.5Z [INFO] {station} {json.dumps(frame)}"


def test_the_sample_is_shown(page: Callable[..., Page]) -> None:
    text = page("--sample", "faulty", "--lenient").text
    for wanted in (
        "faulty-1.6.log",
        "Frames over time",
        "2026-03-14",
        "StatusNotification: OccurenceConstraintViolation",
        "required field transactionId is missing at $",
        "faulty-1.6.log:18",
        "Kaupang Brygge 11",
        "letter_case",
        'StatusNotification $.status: "available"',
        "10 answered calls: median ",
        "CS-0107",
        "06:58:11.391",
        "result, 11 ms",
        "RemoteStopTransaction",
    ):
        assert wanted.removeprefix("StatusNotification: ") in text, wanted


def test_arrows_point_from_the_sender(page: Callable[..., Page]) -> None:
    source = page("--sample", "faulty").source
    assert re.search(r"<span>Heartbeat</span><span class=.rule.></span>▶</span>", source)
    assert re.search(r"◀<span class=.rule.></span><span>RemoteStopTransaction</span>", source)


def test_it_loads_nothing_and_runs_nothing(page: Callable[..., Page]) -> None:
    found = page("--sample", "session")
    [style] = [text for tag, text in found.texts if tag == "style"]
    digest = b64encode(sha256(style.encode()).digest()).decode()
    [policy] = [m["content"] for m in found.having("meta") if "http-equiv" in m]
    assert policy is not None
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}'; ")
    assert "url(" not in style
    assert "@import" not in style
    allowed = {
        "body", "code", "dd", "details", "div", "dl", "dt", "footer", "g", "h1", "h2", "h3",
        "head", "html", "li", "line", "meta", "ol", "p", "rect", "span", "strong", "style",
        "summary", "svg", "table", "tbody", "td", "text", "th", "thead", "time", "title", "tr",
    }  # fmt: skip
    assert {tag for tag, _ in found.elements} <= allowed
    attributes = {name for _, attributes in found.elements for name in attributes}
    assert not attributes & {"src", "href", "style", "srcset", "action", "data"}
    assert not [name for name in attributes if name.startswith("on")]


def test_every_text_of_a_log_is_escaped(page: Callable[..., Page], log: Any) -> None:
    boot = {"chargePointVendor": EVIL, "chargePointModel": "m"}
    lines = [
        line
        for station in ("CS-1<script>", "CS-2&lt;", "'\"><b>")
        for line in (
            logged(station, 1, 2, "1", "BootNotification", boot),
            logged(station, 2, 3, "1", {"status": EVIL}),
            logged(station, 3, 2, EVIL, "Heartbeat", {EVIL: EVIL}),
            logged(station, 4, 4, EVIL, EVIL, EVIL, {}),
            logged(station, 5, 2, "2", "<script>", {}),
        )
    ]
    path = log(*lines, name='<script> & ".log')
    clean = {tag for tag, _ in page("--sample", "faulty", "--lenient").elements}
    for options in ((), ("--lenient",)):
        found = page("-V", "1.6", *options, path, path + "<b>")
        assert {tag for tag, _ in found.elements} <= clean
        assert "\x1b" not in found.source
        assert "\u202e" not in found.source
        assert path in found.text
    assert "alert(1)" in found.text


def test_a_log_without_times_is_shown_by_line(page: Callable[..., Page], log: Any) -> None:
    found = page(log(*['[2,"1","Heartbeat",{}]'] * 1000))
    assert "The log has no times. Frames are shown by line." in found.text
    assert "at most 5 frames per 5 lines" in found.text
    assert "Latency" not in found.text
    assert "999" in found.text  # resent calls are not answered


def test_a_log_of_days_shows_days(page: Callable[..., Page], log: Any) -> None:
    call = '[2,"1","Heartbeat",{}]'
    found = page(log(*(f"2026-03-{day:02} 10:00:00 {call}" for day in range(1, 20))))
    assert "at most 1 frames per 2 h" in found.text
    assert [text for text in ("2026-03-01", "2026-03-07", "2026-03-19") if text in found.text]


def test_logs_may_hold_no_frame(run: Any, log: Any, tmp_path: Path) -> None:
    path = tmp_path / "empty.html"
    assert run("check", "--html", str(path), log("nothing"), "nowhere").status == 2
    found = Page(path)
    assert "nowhere: No such file or directory" in found.text
    assert "Stations (0)" in found.text


def test_the_output_is_that_without_a_page(run: Any, log: Any, tmp_path: Path) -> None:
    path = log('[2,"1","Heartbeat",{"x":1}]', '[2,"1","Heartbeat",{}]')
    plain = run("check", "--json", path).json
    done = run("check", "--json", "--html", str(tmp_path / "a.htm"), path).json
    for found in (plain, done):
        del found["totals"]["seconds"], found["totals"]["frames_per_second"]
    assert plain == done


@pytest.mark.parametrize("version", ["auto", "1.6"])
def test_names_of_stations_are_found(page: Callable[..., Page], log: Any, version: str) -> None:
    lines = [
        logged(f"CS-{station}", number, *frame)
        for number in range(3)
        for station in ("A", "B")
        for frame in (
            (2, f"{number}{station}", "Heartbeat", {}),
            (3, f"{number}{station}", {"currentTime": "2026-01-01T00:00:00Z"}),
        )
    ]
    found = page("-V", version, log(*lines))
    assert [text for tag, text in found.texts if tag == "strong"] == ["CS-A", "CS-B"]
    assert "Heartbeat (3 times)" in found.text


def test_the_page_is_bounded(
    page: Callable[..., Page], log: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a log that only holds new stations, fields and reasons."""
    monkeypatch.setattr(history, "MAX_STATIONS", 300)

    def size(stations: int) -> int:
        lines = (
            logged(
                f"CS-{n:05}{EVIL[:9] * 9}", n, 2, f"{n}.{k}", "Heartbeat", {f"f{k}{'x' * 99}": k}
            )
            for n in range(stations)
            for k in range(20)
        )
        answered = (line for call in lines for line in (call, call.replace("[2,", "[4,")))
        path = log(*answered)
        return len(page("-V", "1.6", path).source)

    few, many = size(400), size(800)
    assert many < few * 1.1
    assert many < 4_000_000


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("nowhere/page.html", "No such file or directory"),
        ("folder.html", "Is a directory"),
        ("a\0.html", "null byte"),
    ],
)
def test_a_page_that_cannot_be_written_is_reported_first(
    run: Any, log: Any, tmp_path: Path, name: str, problem: str
) -> None:
    (tmp_path / "folder.html").mkdir()
    done = run("check", "--html", str(tmp_path / name), log("text"))
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith("ocppj: /")
    assert problem in done.err


@pytest.mark.skipif(not FULL.exists(), reason="there is no full device here")
def test_a_full_disk_is_reported_last(run: Any, log: Any, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.symlink_to(FULL)
    done = run("check", "--html", str(page), log('[2,"1","Heartbeat",{}]'))
    assert (done.status, done.err) == (2, f"ocppj: {page}: No space left on device\n")
    assert "every frame is valid" in done.out


def test_a_page_stays_until_the_next_one_is_made(run: Any, log: Any, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("before")
    assert run("check", "--html", str(page), "--sample", "nonsense").status == 2
    assert page.read_text() == "before"
    assert run("check", "--html", str(page), log('[2,"1","Heartbeat",{}]')).status == 0
    assert page.read_text().startswith("<!doctype html>\n<html")


@pytest.mark.parametrize("name", ["page.log", "page", ""])
def test_a_page_needs_its_suffix(run: Any, log: Any, name: str) -> None:
    done = run("check", "--html", name, log("text"))
    assert (done.status, done.out) == (2, "")
    assert f"argument --html: {name}: use a file that ends in .html or .htm" in done.err


def test_a_log_is_not_overwritten_by_mistake(run: Any, log: Any) -> None:
    path = log('[2,"1","Heartbeat",{}]')
    before = Path(path).read_bytes()
    assert run("check", "--html", path).status == 2
    assert Path(path).read_bytes() == before
