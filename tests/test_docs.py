"""The pages of the repository lead somewhere, and say how to install what has no release yet."""

import re
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

from ocppj.catalog import VERSIONS

ROOT = Path(__file__).parent.parent
PAGES = sorted(
    page
    for pattern in ("*.md", "docs/**/*.md", "benchmarks/results/*.md")
    for page in ROOT.glob(pattern)
    if page.parent.name != "snippets"
)
SITE = (ROOT / "docs", ROOT / "benchmarks" / "results")
LINK = re.compile(r"\]\((?!\w+:)([^)#\s]*)(?:#([^)\s]+))?\)")
LISTED = {version.package.removeprefix("ocppj.") for version in VERSIONS}
"""Packages that have pages of their own."""

INCLUDE = '--8<-- "checkout.md"'


@cache
def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and mkdocs make them."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for path, anchor in LINK.findall(page.read_text()):
        target = page.parent / path if path else page
        assert target.exists(), path
        assert not anchor or anchor in anchors(target), f"{path}#{anchor}"


@pytest.mark.parametrize(
    "package", ["ocppj", "ocppj.aio", "ocppj.fleet", "ocppj.testing", "ocppj.web"]
)
def test_all_that_a_package_exports_is_in_the_reference_once(package: str) -> None:
    pages = [page.read_text() for page in sorted((ROOT / "docs/reference").glob("*.md"))]
    # A function whose module has its name is written twice.
    line = rf"^::: {package}\.(\w+)(?:\.\1)?$"
    documented = re.findall(line, "\n".join(pages), re.MULTILINE)
    exported = set(import_module(package).__all__) - {"__version__", *LISTED}
    tree = ["errors"] if package == "ocppj" else []
    assert sorted(documented) == sorted([*exported, *tree])


def test_pages_of_the_site_link_to_nothing_outside_of_it() -> None:
    for page in PAGES:
        if (ROOT / "docs") in page.parents:
            targets = [
                (page.parent / (path or page.name)).resolve()
                for path, _ in LINK.findall(page.read_text())
            ]
            assert [path for path in targets if not {*path.parents} & {*SITE}] == [], page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_code_fits_the_column_of_the_site(page: Path) -> None:
    """`docs/assets/site.css` makes room for 100 characters."""
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    assert [line for block in blocks for line in block.splitlines() if len(line) > 100] == []


@pytest.mark.parametrize(
    "page", [page for page in PAGES if "pip install 'ocppj[" in page.read_text()]
)
def test_a_page_that_installs_from_pypi_says_how_without_it(page: Path) -> None:
    assert page.read_text().count(INCLUDE) == 1


def test_how_to_install_from_a_checkout_is_written_once() -> None:
    text = (ROOT / "docs/snippets/checkout.md").read_text()
    assert text.count("\n") == 1
    assert "`pip install '.[" in text
    assert not [
        page for page in PAGES if "no release on PyPI" in page.read_text() and page.parent != ROOT
    ]


PATHS = re.compile(r"`((?:src|ext|tools|benchmarks|tests|examples|docs)/[\w./*-]*)`")
NAMED = sorted(
    {
        (page.name, path)
        for page in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"))
        for path in PATHS.findall(page.read_text())
    }
)


@pytest.mark.parametrize(("page", "path"), NAMED)
def test_the_files_that_a_page_names_are_there(page: str, path: str) -> None:
    assert list(ROOT.glob(path)), f"{page} names {path}"
