"""The official JSON schemas, read from the installed package `ocpp`; not a peer."""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.corpus import Entry

__all__ = ["official_schema"]


def official_schema(entry: Entry) -> dict[str, Any]:
    """Return the schema of an entry's payload. The package itself is not imported."""
    spec = find_spec("ocpp")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("the official schemas come with the package `ocpp`")
    suffix = "Response" if not entry.is_call else "Request" if entry.version != "1.6" else ""
    folder = Path(spec.submodule_search_locations[0], f"v{entry.version.replace('.', '')}")
    text = (folder / "schemas" / f"{entry.action}{suffix}.json").read_text("utf-8-sig")
    schema: dict[str, Any] = json.loads(text)
    return schema
