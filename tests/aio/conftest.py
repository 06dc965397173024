"""Each test of an endpoint runs on each transport, and has to leave nothing behind."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.aio.ends import ENDS, MEMORY, End


@pytest.fixture(params=ENDS)
def end(request: pytest.FixtureRequest) -> End:
    found = ENDS[request.param]
    pytest.importorskip(found.transport)
    return found


@pytest.fixture
def memory() -> End:
    """Both ends without a socket: for what does not depend on a transport."""
    return MEMORY


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate authority, a server and stations: `CS-1` by common name, `CS-2` by DNS name."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl command here")
    folder = tmp_path_factory.mktemp("certificates")

    def openssl(*arguments: str) -> None:
        command = ["openssl", *arguments]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl(
        "req",
        "-x509",
        *key,
        "-subj",
        "/CN=authority",
        "-keyout",
        "ca.key",
        "-out",
        "ca.pem",
        "-addext",
        "keyUsage=critical,keyCertSign",
    )
    names = {
        "server": ("localhost", "IP:127.0.0.1"),
        "first": ("CS-1", "DNS:charger"),
        "second": ("charger", "DNS:CS-2"),
    }
    for name, (common, alternative) in names.items():
        openssl(
            "req",
            "-x509",
            *key,
            "-subj",
            f"/CN={common}",
            "-addext",
            f"subjectAltName={alternative}",
            "-addext",
            "basicConstraints=critical,CA:false",
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-keyout",
            f"{name}.key",
            "-out",
            f"{name}.pem",
        )
    return folder
