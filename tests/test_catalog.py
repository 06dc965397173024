"""The table of versions."""

import pytest

from ocppj.catalog import VERSIONS, Version
from tests.conftest import PACKAGES
from tests.conftest import VERSIONS as NAMES


def test_there_are_three_versions() -> None:
    assert NAMES == ("1.6", "2.0.1", "2.1")
    assert [version.subprotocol for version in VERSIONS] == ["ocpp1.6", "ocpp2.0.1", "ocpp2.1"]


@pytest.mark.parametrize("version", VERSIONS, ids=NAMES)
def test_a_version_knows_its_messages_and_rules(version: Version) -> None:
    assert version.profiles is PACKAGES[version.name].PROFILES
    assert ("FormationViolation" in version.error_rules.error_codes) == (version.name == "1.6")
    assert version.message_types >= {2, 3, 4}
    assert (version.message_types >= {5, 6}) == (version.name == "2.1")
    assert Version.named(version.subprotocol) is version
