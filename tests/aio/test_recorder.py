"""Frames in files: secrets removed, sizes bounded, readable by `ocppj check`."""

import logging
import os
import stat
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ocppj.aio import Recorder, Redaction, TappedFrame
from ocppj.cli.main import main

SECRET = "deadbeef"
PAYLOADS: dict[str, dict[str, Any]] = {
    "1.6 Authorize": {"idTag": SECRET},
    "1.6 SendLocalList": {"localAuthorizationList": [{"idTag": SECRET}]},
    "2.x Authorize": {"idToken": {"idToken": SECRET, "type": "Central"}},
    "2.x group": {"idTokenInfo": {"groupIdToken": {"idToken": SECRET, "type": "Central"}}},
    "1.6 ChangeConfiguration": {"key": "AuthorizationKey", "value": SECRET},
    "1.6 GetConfiguration": {"configurationKey": [{"key": "authorizationKEY", "value": SECRET}]},
    "2.x SetVariables": {
        "setVariableData": [
            {"variable": {"name": "BasicAuthPassword"}, "attributeValue": SECRET},
        ]
    },
    "2.x SetNetworkProfile": {
        "connectionData": {"basicAuthPassword": SECRET, "vpn": {"password": SECRET}}
    },
}


@pytest.mark.parametrize("name", PAYLOADS)
def test_secrets_are_hidden_and_the_shape_is_kept(name: str) -> None:
    frame = [2, "id", "Action", PAYLOADS[name]]
    redacted = Redaction()(msgspec.json.encode(frame))
    assert redacted is not None
    assert SECRET.encode() not in redacted
    expected = msgspec.json.encode(frame).replace(SECRET.encode(), b"***")
    assert redacted == expected


def test_other_values_stay() -> None:
    data = b'[2,"id","ChangeConfiguration",{"key":"HeartbeatInterval","value":"300"}]'
    assert Redaction()(data) == data


def test_a_path_hides_what_it_names_and_nothing_else() -> None:
    data = b'[2,"i","A",{"a":{"b":1,"c":[{"d":"x"},{"d":"y","e":null}]},"d":"z"}]'
    hide = Redaction(["$.a.c[*].d"])
    assert hide(data) == b'[2,"i","A",{"a":{"b":1,"c":[{"d":"***"},{"d":"***","e":null}]},"d":"z"}]'
    assert Redaction(["$..d"])(data) == (
        b'[2,"i","A",{"a":{"b":1,"c":[{"d":"***"},{"d":"***","e":null}]},"d":"***"}]'
    )


@pytest.mark.parametrize("path", ["", "idTag", "$", "$.", "$.a[0]", "$.*", "$.a..b", "$...a"])
def test_a_path_of_another_form_is_an_error(path: str) -> None:
    with pytest.raises(ValueError, match=r"use a path such as \$\.idTag"):
        Redaction([path])


HOSTILE = [
    b"",
    b"\xff",
    b"[2,",
    b"{}",
    b"[" * 100_000,
    b'[2,"i","A",' + b"[" * 60_000 + b"]" * 60_000 + b"]",
    b'[2,"i","A",[' + b"9e302," * 20_000 + b"1]]",
]


@pytest.mark.parametrize("data", HOSTILE, ids=range(len(HOSTILE)))
def test_what_cannot_be_read_is_hidden_whole_and_soon(data: bytes) -> None:
    start = time.process_time()
    assert Redaction()(data) is None
    assert time.process_time() - start < 0.5


def frame(data: bytes, **changes: Any) -> TappedFrame:
    whole = TappedFrame(1_790_000_000.5, "CS-1", "in", data, 2, "Heartbeat", "", ())
    return whole._replace(**changes)


HEARTBEAT = b'[2,"i","Heartbeat",{}]'


def test_check_reads_what_is_recorded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "frames.jsonl"
    with Recorder(path) as recorder:
        recorder(frame(HEARTBEAT))
        recorder(frame(b'[3,"i",{"currentTime":"2026-01-01T00:00:00Z"}]', direction="out"))
        recorder(frame(b'[2,\n"j",\n"Heartbeat",\r{"x":\n1}]'))
        recorder(frame(b"[2,"))
    lines = [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]
    assert lines[0] == {
        "time": "2026-09-21T14:13:20.500+00:00",
        "station": "CS-1",
        "direction": "in",
        "outcome": "",
        "frame": [2, "i", "Heartbeat", {}],
    }
    assert [line.get("size") for line in lines] == [None, None, None, 3]
    assert main(["check", "--version", "2.0.1", "--json", str(path)]) == 1
    found = msgspec.json.decode(capsys.readouterr().out)
    assert (found["totals"]["frames"], len(found["refused"])) == (3, 1)


@pytest.mark.skipif(os.name == "nt", reason="no modes")
def test_only_the_owner_may_read_the_file(tmp_path: Path) -> None:
    Recorder(tmp_path / "frames").close()
    assert stat.S_IMODE((tmp_path / "frames").stat().st_mode) == 0o600


def test_files_are_rotated_by_size_and_old_ones_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "frames"
    with Recorder(path, max_bytes=1000, backups=2, redaction=None) as recorder:
        for number in range(100):
            recorder(frame(b'[2,"%d","Heartbeat",{}]' % number))
    names = sorted(file.name for file in tmp_path.iterdir())
    assert names == ["frames", "frames.1", "frames.2"]
    assert all(file.stat().st_size <= 1000 for file in tmp_path.iterdir())
    kept = [
        int(msgspec.json.decode(line)["frame"][1])
        for name in reversed(names)
        for line in (tmp_path / name).read_bytes().splitlines()
    ]
    assert kept == list(range(kept[0], 100))


def test_recording_goes_on_in_a_file_that_exists(tmp_path: Path) -> None:
    path = tmp_path / "frames"
    for _ in range(2):
        with Recorder(path, redaction=None) as recorder:
            recorder(frame(HEARTBEAT))
    assert len(path.read_bytes().splitlines()) == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_is_logged_once_and_raises_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, "ocppj.aio")
    with Recorder("/dev/full") as recorder:
        for _ in range(3):
            recorder(frame(HEARTBEAT))
    assert recorder.dropped == 3
    assert len(caplog.records) == 1


@pytest.mark.skipif(os.name == "nt", reason="open files cannot be removed")
def test_after_a_rotation_that_fails_nothing_is_written_elsewhere(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with Recorder(folder / "frames", max_bytes=1, redaction=None) as recorder:
        recorder(frame(HEARTBEAT))
        (folder / "frames").unlink()
        folder.rmdir()
        recorder(frame(HEARTBEAT))
        with (tmp_path / "other").open("wb") as other:  # may have the number of the closed file
            recorder(frame(HEARTBEAT))
            assert other.tell() == 0
        assert (tmp_path / "other").read_bytes() == b""
        assert recorder.dropped == 2
        folder.mkdir()
        recorder(frame(HEARTBEAT))
    assert len((folder / "frames").read_bytes().splitlines()) == 1


def test_sizes_that_make_no_sense_are_errors(tmp_path: Path) -> None:
    for wrong in ({"max_bytes": 0}, {"backups": -1}):
        with pytest.raises(ValueError, match="use max_bytes"):
            Recorder(tmp_path / "frames", **wrong)  # type: ignore[arg-type]
