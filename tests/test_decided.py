"""What `.ci/run` skips on later runs is there, and is skipped only where it says so."""

from pathlib import Path

import pytest

from tests import decided

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("prefix", sorted({p for part in decided.ONCE.values() for p in part}))
def test_what_runs_once_is_there(prefix: str) -> None:
    path, _, function = prefix.partition("::")
    assert (ROOT / path).exists()
    assert not function or f"def {function}" in (ROOT / path).read_text()


@pytest.mark.parametrize("tested", [[], ["python"], ["python", "backend"]])
def test_a_test_on_both_backends_runs_unless_the_other_backend_is_tested(
    tested: list[str], request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decided, "TESTED", tested)
    monkeypatch.setattr(decided, "BOTH_BACKENDS", {"monkeypatch"})  # a fixture of this test
    if "backend" not in tested:
        decided.skip_if_decided(request.node)
        return
    with pytest.raises(pytest.skip.Exception, match="both backends"):
        decided.skip_if_decided(request.node)
