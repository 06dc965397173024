"""`Codec`: construction, profiles, peek, results decoded later, help, pickling, threads."""

import copy
import inspect
import multiprocessing
import pickle
import pydoc
import re
import threading
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta, timezone
from typing import Any

import msgspec
import pytest

import ocppj
from ocppj import v16, v21, v201
from ocppj._core.backend import Backend
from ocppj.v201 import availability, remote_control
from tests.conftest import VERSIONS


class VendorRequest(ocppj.Message, kw_only=True):
    fan_speed: int
    note: ocppj.Maybe[str] = None


class VendorResponse(ocppj.Message, kw_only=True):
    accepted: bool


VENDOR = ocppj.Profile("acme", (ocppj.Feature("AcmeFan", VendorRequest, VendorResponse, "csms"),))


@pytest.mark.parametrize("version", VERSIONS)
def test_a_version_goes_by_its_name_and_by_its_subprotocol(version: str) -> None:
    for name in (version, f"ocpp{version}"):
        codec = ocppj.Codec(name)
        assert codec.version == version
        assert codec.decode('[2,"i","Heartbeat",{}]').message_id == "i"


@pytest.mark.parametrize("name", ["2.0", "", "OCPP1.6", "1.6J", None])
def test_an_unknown_version_is_an_error_that_names_the_known(name: Any) -> None:
    with pytest.raises(ValueError, match=r'use one of "1\.6", "2\.0\.1", "2\.1"'):
        ocppj.Codec(name)


@pytest.mark.parametrize("policy", ["lenient", ocppj.Policy.lenient, {}, None])
def test_a_policy_is_a_policy(codec: ocppj.Codec, policy: Any) -> None:
    for make in (codec.with_policy, lambda wrong: ocppj.Codec("2.0.1", policy=wrong)):
        with pytest.raises(TypeError, match=r"^policy=.*: use a Policy, such as"):
            make(policy)


@pytest.mark.parametrize(
    ("profiles", "got"),
    [
        (VENDOR, "got a Profile"),
        (availability, "got a module"),
        ([availability], "got one with a module"),
        (VENDOR.features, "got one with a Feature"),
        ("core", "got one with a str"),
    ],
)
def test_profiles_are_profiles(profiles: Any, got: str) -> None:
    with pytest.raises(TypeError, match=f"^profiles: expected a list of Profile, {got}$"):
        ocppj.Codec("2.0.1", profiles=profiles)


def test_an_unknown_request_is_named_with_its_module(codec: ocppj.Codec) -> None:
    with pytest.raises(ocppj.EncodeError, match=r"^ocppj\.v16\.core\.HeartbeatRequest is not a re"):
        codec.feature(v16.HeartbeatRequest())
    with pytest.raises(ocppj.EncodeError, match=r"^ClearCacheRequest is a class: make an instance"):
        codec.feature(v201.ClearCacheRequest)


def test_profiles_select_blocks() -> None:
    codec = ocppj.Codec("2.0.1", profiles=[availability.PROFILE])
    assert codec.profiles == (availability.PROFILE,)
    assert codec.decode('[2,"i","Heartbeat",{}]')
    with pytest.raises(ocppj.UnknownActionError) as caught:
        codec.decode('[2,"i","Reset",{"type":"Immediate"}]')
    assert caught.value.error_code == "NotImplemented"


def test_a_vendor_adds_features() -> None:
    codec = ocppj.Codec("2.0.1", profiles=[*v201.PROFILES, VENDOR])
    call = ocppj.Call("i", "AcmeFan", VendorRequest(fan_speed=3))
    assert codec.encode(call) == b'[2,"i","AcmeFan",{"fanSpeed":3}]'
    assert codec.decode(codec.encode(call)) == call
    result = ocppj.CallResult("i", VendorResponse(accepted=True))
    assert codec.decode(codec.encode(result), pending={"i": "AcmeFan"}) == result
    with pytest.raises(ocppj.PayloadError) as caught:
        codec.decode('[2,"i","AcmeFan",{"fanSpeed":"3"}]')
    assert caught.value.path == "$.fanSpeed"
    assert codec.decode('[2,"i","Heartbeat",{}]')


@pytest.mark.parametrize(
    "profiles",
    [
        [VENDOR, VENDOR],
        [*v201.PROFILES, ocppj.Profile("x", (ocppj.Feature("Reset", VendorRequest, None),))],
    ],
)
def test_two_features_of_one_name_are_an_error(profiles: list[ocppj.Profile]) -> None:
    with pytest.raises(ValueError, match=r"two features have the action '(AcmeFan|Reset)'"):
        ocppj.Codec("2.0.1", profiles=profiles)


def test_a_result_can_be_decoded_later(codec: ocppj.Codec) -> None:
    frame = codec.decode('[3,"i",{"status":"Accepted"}]')
    assert isinstance(frame, ocppj.CallResult)
    assert isinstance(frame.payload, msgspec.Raw)
    typed = codec.decode_result(frame, "Reset")
    assert typed == ocppj.CallResult(
        "i", v201.ResetResponse(status=v201.ResetStatusEnumType.ACCEPTED)
    )
    assert codec.decode_result(typed, "Reset") is typed
    with pytest.raises(ocppj.PayloadError) as caught:
        codec.decode_result(frame, "Heartbeat")
    assert (caught.value.message_id, caught.value.path) == ("i", "$")
    with pytest.raises(ValueError, match="this codec has no action 'Nope' with a response"):
        codec.decode_result(frame, "Nope")


def test_peek_reads_the_head_alone(codec: ocppj.Codec) -> None:
    assert codec.peek('[2, "i", "Nope", { "a" : [1] } ]') == ocppj.Envelope(
        2, "i", "Nope", b'{ "a" : [1] }'
    )
    assert codec.peek(b'[3,"i",{}]') == ocppj.Envelope(3, "i", None, b"{}")
    assert codec.peek(b'[4,"i","A","b",{"c":1}]') == ocppj.Envelope(4, "i", None, b'{"c":1}')
    for bad in ('[2,"i","Nope",{}', '[2,"i"]', "x", '[2,"i",5,{}]'):
        with pytest.raises(ocppj.FrameError):
            codec.peek(bad)


def test_codecs_of_a_version_share_their_table() -> None:
    assert ocppj.Codec("2.0.1")._table is ocppj.Codec("ocpp2.0.1")._table


def test_a_codec_cannot_be_changed() -> None:
    codec = ocppj.Codec("2.0.1", max_size=1000)
    assert (codec.max_size, codec.max_depth) == (1000, 32)
    for name in ("version", "profiles", "max_depth", "_table", "anything"):
        with pytest.raises(AttributeError):
            setattr(codec, name, None)


def test_threads_share_a_codec(codec: ocppj.Codec) -> None:
    request = v201.RequestStopTransactionRequest(transaction_id="t")
    wrong: list[Any] = []

    def work(number: int) -> None:
        for count in range(300):
            call = ocppj.Call(f"{number}-{count}", "RequestStopTransaction", request)
            if codec.decode(codec.encode(call)) != call:
                wrong.append(call)
            try:
                codec.decode(f'[2,"{number}","Nope",{{}}]')
            except ocppj.UnknownActionError as error:
                if error.message_id != str(number):
                    wrong.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


CODECS = {
    "Codec('2.0.1')": ocppj.Codec("ocpp2.0.1"),
    "Codec('1.6', policy=Policy(null='report'), max_size=1000)": ocppj.Codec(
        "1.6", policy=ocppj.Policy(null="report"), max_size=1000
    ),
    "Codec('2.1', profiles=['availability', 'acme'], max_depth=40)": ocppj.Codec(
        "2.1", profiles=[v21.availability.PROFILE, VENDOR], max_depth=40
    ),
    "Codec('2.0.1', profiles=[])": ocppj.Codec("2.0.1", profiles=[]),
}


@pytest.mark.parametrize("text", CODECS)
def test_a_codec_shows_what_differs_from_the_default(text: str) -> None:
    assert repr(CODECS[text]) == text


@pytest.mark.parametrize("text", CODECS)
def test_a_codec_can_be_pickled_and_copied(text: str) -> None:
    codec = CODECS[text]
    again = pickle.loads(pickle.dumps(codec))
    assert type(again) is ocppj.Codec
    assert repr(again) == text
    assert (again.version, again.profiles) == (codec.version, codec.profiles)
    assert (again.policy, again.max_size, again.max_depth) == (
        codec.policy,
        codec.max_size,
        codec.max_depth,
    )
    assert copy.copy(codec) is codec
    assert copy.deepcopy([codec]) == [codec]


def test_a_pickled_standard_codec_shares_its_table() -> None:
    codec = ocppj.Codec("2.0.1", profiles=v201.PROFILES, max_size=5000)
    again = [pickle.loads(pickle.dumps(codec)) for _ in range(2)]
    assert again[0]._table is again[1]._table is ocppj.Codec("2.0.1", max_size=5000)._table


def fan_speed(codec: ocppj.Codec, data: bytes) -> tuple[int, str]:
    """Run in another process."""
    return codec.decode(data).payload.fan_speed, repr(codec.policy.zone)


def test_a_codec_goes_to_a_worker_process() -> None:
    zone = timezone(timedelta(hours=2))
    policy = ocppj.Policy(timestamp="report", zone=zone)
    codec = ocppj.Codec("2.0.1", profiles=[*v201.PROFILES, VENDOR], policy=policy)
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        work = pool.submit(fan_speed, codec, b'[2,"i","AcmeFan",{"fanSpeed":3}]')
        assert work.result(timeout=60) == (3, repr(zone))


def test_a_codec_of_a_local_class_gives_pickles_own_error() -> None:
    class Local(ocppj.Message):
        pass

    profile = ocppj.Profile("acme", (ocppj.Feature("Fan", Local, None),))
    with pytest.raises((AttributeError, pickle.PicklingError), match="ocal"):
        pickle.dumps(ocppj.Codec("2.1", profiles=[profile]))


METHODS = ("decode", "encode", "peek")


@pytest.mark.parametrize("name", METHODS)
def test_the_methods_of_the_backend_are_the_codecs(name: str) -> None:
    method = vars(ocppj.Codec)[name]
    assert method is vars(Backend)[name]  # no Python frame in between
    signature = inspect.signature(method)
    assert all(p.annotation is not p.empty for p in [*signature.parameters.values()][1:])
    assert signature.return_annotation is not signature.empty


def test_help_shows_them_first_typed_and_with_examples() -> None:
    text = pydoc.render_doc(ocppj.Codec, renderer=pydoc.plaintext)  # type: ignore[attr-defined]  # not in typeshed
    own = text[text.index("Methods defined here") :].split("-----")[0]
    # CPython 3.13 and later print a long signature with one parameter on each line.
    own = re.sub(r"\n \|  +", " ", own).replace("( ", "(").replace(" )", ")")
    assert "decode(self, data: bytes | str | bytearray | memoryview, pending: " in own
    assert ", *, validate: bool = True) -> bytes" in own
    assert "peek(self, data: bytes | str | bytearray | memoryview) -> ocppj.frames.Envelope" in own
    assert text.index('>>> codec = ocppj.Codec("2.0.1")') < text.index("Args:")


def test_the_version_table_tells_who_sends_what() -> None:
    assert [feature.sender for feature in remote_control.PROFILE.features] == ["csms"] * 4


@pytest.mark.parametrize("name", ["max_size", "max_depth"])
def test_limits_are_whole_and_positive(name: str) -> None:
    for bad, kind in ((0, ValueError), (-1, ValueError), (2**70, ValueError), (1.5, TypeError)):
        with pytest.raises(kind):
            ocppj.Codec("2.0.1", **{name: bad})  # type: ignore[arg-type]
    assert ocppj.Codec("2.0.1")


def test_a_codec_without_init_raises_attribute_error() -> None:
    codec = ocppj.Codec.__new__(ocppj.Codec)
    for work in (
        lambda: codec.decode('[2,"i","Heartbeat",{}]'),
        lambda: codec.encode(ocppj.Call("i", "Heartbeat", v201.HeartbeatRequest())),
        lambda: codec.peek('[2,"i","Heartbeat",{}]'),
    ):
        with pytest.raises(AttributeError):
            work()


def test_a_typed_result_is_not_that_of_another_action(codec: ocppj.Codec) -> None:
    frame = codec.decode('[3,"i",{"status":"Accepted"}]', pending={"i": "Reset"})
    assert isinstance(frame, ocppj.CallResult)
    with pytest.raises(ValueError, match="decoded, as a ResetResponse, not a ClearCacheResponse"):
        codec.decode_result(frame, "ClearCache")
