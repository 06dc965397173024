"""Tests that an earlier run of `.ci/run` has decided: `OCPPJ_TESTED` names what is already tested.

`backend`: the other backend, on this Python. `python`: this backend, on another Python. Tests whose
result cannot depend on that are skipped; the report counts them, with the reason. Without the
variable every test runs.

The second backend needs the tests that use whichever backend is installed. That both decode, encode
and raise alike is decided by the tests that run on both at once.
"""

import os
from typing import Final

import pytest

__all__ = ["skip_if_decided"]

BOTH_BACKENDS: Final = {"make_backend", "backend", "backends"}
"""Fixtures of tests that choose their backends themselves."""

BOTH_ENDS: Final = {"websockets", "picows-uvloop"}
"""Each transport and each event loop once: enough for another Python."""

ONCE: Final = {
    "backend": (
        "tests/_core/",
        "tests/aio/test_floods.py",
        "tests/cli/",
        "tests/conformance/",
        "tests/fleet/",
        "tests/fuzz/",
        "tests/integration/test_ocpp_rpc.py",
        "tests/leaks/",
        "tests/parity/",
        "tests/test_annotations.py",
        "tests/test_docs.py",
        "tests/test_generated.py",
        "tests/test_layers.py",
        "tests/test_threads.py",
        "tests/typing/",
        "tests/web/",
    ),
    "python": (
        "tests/aio/test_floods.py::test_eight_that_flood",
        "tests/conformance/test_schemas.py",
        "tests/integration/test_mobilityhouse_functions.py::test_payloads_right_and_wrong",
        "tests/integration/test_ocpp_rpc.py",
        "tests/test_docs.py",
        "tests/test_generated.py",
        "tests/test_layers.py",
        "tests/typing/",
        "tests/web/test_page.py",
    ),
}
"""What is tested already -> the tests that it decides."""


TESTED: Final = os.environ.get("OCPPJ_TESTED", "").split()
if unknown := set(TESTED) - ONCE.keys():
    raise pytest.UsageError(f"OCPPJ_TESTED: unknown {', '.join(sorted(unknown))}")


def skip_if_decided(item: pytest.Item) -> None:
    """Skip a test that need not run again. (Here, not by a mark: the report has a line a reason.)

    Raises:
        Skipped: it need not.
    """
    for difference in TESTED:
        if item.nodeid.startswith(ONCE[difference]):
            pytest.skip(f"does not depend on the {difference}, and ran with another one")
    if "backend" in TESTED and BOTH_BACKENDS & set(getattr(item, "fixturenames", ())):
        pytest.skip("runs on both backends, and did")
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    if "python" in TESTED and parameters.get("end", "websockets") not in BOTH_ENDS:
        pytest.skip("every pair of transport and event loop ran on another Python")
