"""A hook of mkdocs: what is not in `docs/` but belongs to the site, and its navigation.

Results of benchmarks and `examples/` become pages. The pages of a version's blocks follow its start
page in the navigation. The link to the repository is that of the checkout's `origin`.
"""

import ast
import re
import subprocess
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

__all__ = ["on_config", "on_files", "on_page_markdown"]

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"


def on_config(config: Any) -> Any:
    """Add the repository and the pages of versions."""
    config.repo_url = config.repo_url or _origin()
    config.nav = [_expanded(entry, Path(config.docs_dir)) for entry in config.nav]
    return config


def _origin() -> str:
    """Return the address of the repository on the web; empty if it has none."""
    command = ["git", "-C", str(ROOT), "config", "remote.origin.url"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  no input
    match = re.fullmatch(r"(?:https://|git@|ssh://git@)([\w.-]+)[:/](.+?)(?:\.git)?\n", done.stdout)
    return f"https://{match[1]}/{match[2]}" if match else ""


def _expanded(entry: Any, docs: Path) -> Any:
    """Return an entry of the navigation; a page with a folder of the same name gets its pages."""
    if isinstance(entry, list):
        return [_expanded(part, docs) for part in entry]
    if isinstance(entry, dict):
        return {title: _expanded(part, docs) for title, part in entry.items()}
    folder = docs / entry.removesuffix(".md")
    if not folder.is_dir():
        return entry
    pages = sorted(folder.glob("*.md"), key=lambda page: page.read_text("utf-8").split("\n", 1)[0])
    last = [page for page in pages if page.stem in ("datatypes", "enums")]
    ordered = [*(page for page in pages if page not in last), *last]
    return [{"Overview": entry}, *(f"{folder.name}/{page.name}" for page in ordered)]


def on_files(files: Files, config: Any) -> Files:
    """Add plots, tables and examples."""
    for path in sorted(RESULTS.iterdir()):
        if path.suffix in (".md", ".svg"):
            files.append(File.generated(config, f"results/{path.name}", abs_src_path=str(path)))
    files.append(File.generated(config, "examples.md", content=_examples()))
    return files


def _examples() -> str:
    parts = ["# Examples\n\nPrograms of `examples/`, each with the command that starts it.\n"]
    for path in sorted((ROOT / "examples").glob("*.py")):
        source = path.read_text("utf-8")
        tree = ast.parse(source)
        code = "\n".join(source.splitlines()[tree.body[0].end_lineno :]).strip()
        parts.append(f"## {path.name}\n\n{ast.get_docstring(tree)}\n\n```python\n{code}\n```\n")
    return "\n".join(parts)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Point links at the results there."""
    return re.sub(r"\]\(\.\./benchmarks/results/", "](results/", markdown)
