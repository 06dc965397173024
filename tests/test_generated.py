"""The version packages are what the generator makes of the schemas and the facts."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from tools import model, names

ROOT = Path(__file__).parent.parent


def test_regenerating_changes_nothing() -> None:
    command = [sys.executable, "-m", "tools.generate", "--check"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


@pytest.mark.parametrize(
    ("wire", "name"),
    [
        ("evseId", "evse_id"),
        ("limit_L2", "limit_l2"),
        ("priceScheduleID", "price_schedule_id"),
        ("receiptUrl", "receipt_url"),
        ("responderURL", "responder_url"),
        ("evSupportedDERControl", "ev_supported_der_control"),
        ("iso15118CertificateHashData", "iso15118_certificate_hash_data"),
        ("evMaxV2XEnergyRequest", "ev_max_v2x_energy_request"),
        ("bulkSoC", "bulk_soc"),
    ],
)
def test_fields_are_snake_case(wire: str, name: str) -> None:
    assert names.snake(wire) == name


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("L1-N", "L1_N"),
        ("Energy.Active.Import.Register", "ENERGY_ACTIVE_IMPORT_REGISTER"),
        ("AC_three_phase", "AC_THREE_PHASE"),
        ("SignV2GCertificate", "SIGN_V2G_CERTIFICATE"),
        ("ISO14443", "ISO14443"),
        ("kWh", "KWH"),
    ],
)
def test_members_are_upper_snake(value: str, name: str) -> None:
    assert names.constant(value) == name


@pytest.mark.parametrize("package", model.VERSIONS)
def test_every_name_comes_back_from_python(package: str) -> None:
    version = model.read(package)
    for struct in [
        *version.structs.values(),
        *(s for b in version.blocks for a in b.actions for s in (a.request, a.response) if s),
    ]:
        wires = [field.wire for field in struct.fields]
        assert len({names.snake(wire) for wire in wires}) == len(wires)


def test_a_schema_that_the_generator_does_not_understand_is_an_error() -> None:
    reader = model.Reader("v201")
    reader.schemas["HeartbeatRequest"]["properties"]["x"] = {"type": "string", "pattern": "a"}
    with pytest.raises(ValueError, match="keywords without a rule"):
        reader.read()


PAIRS = [
    pytest.param(package, struct, id=f"{package}-{struct.name}")
    for package in model.VERSIONS
    for version in [model.read(package)]
    for struct in [
        *version.structs.values(),
        *(s for b in version.blocks for a in b.actions for s in (a.request, a.response) if s),
    ]
]


@pytest.mark.parametrize(("package", "struct"), PAIRS)
def test_every_wire_name_has_its_one_field(package: str, struct: model.Struct) -> None:
    cls = getattr(importlib.import_module(f"ocppj.{package}"), struct.name)
    wires = [field.wire for field in struct.fields]
    assert list(cls.__struct_encode_fields__) == wires
    assert list(cls.__struct_fields__) == [names.snake(wire) for wire in wires]


def test_copies_of_a_type_differ_only_where_a_fact_says_so() -> None:
    facts = model.Reader("v16").facts["types"]
    assert [t["name"] for t in facts if "differs" in t] == ["MeterValue", "UnitOfMeasure"]
    reader = model.Reader("v16")
    status = reader.schemas["AuthorizeResponse"]["properties"]["idTagInfo"]["properties"]["status"]
    status["enum"].append("Sometimes")
    with pytest.raises(ValueError, match="definitions of AuthorizationStatus differ"):
        reader.read()
