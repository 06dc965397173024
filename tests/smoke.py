"""Does what ocppj is for, with nothing else installed: `python -P smoke.py BACKEND`."""

import subprocess
import sys

import ocppj
from ocppj.catalog import VERSIONS

(backend,) = sys.argv[1:]
assert backend == ocppj.BACKEND, f"{ocppj.BACKEND} is in use"

for version in VERSIONS:
    codec = ocppj.Codec(version.name)
    call = b'[2,"7","GetLocalListVersion",{}]'
    assert codec.encode(codec.decode(call)) == call
    assert codec.peek(call).reframe("8") == call.replace(b"7", b"8")
    assert codec.decode('[3,"7",{"status":"Accepted"}]', {"7": "ClearCache"}).payload.status.value
    bad = call.replace(b"{}", b'{"surplus":null}')
    try:
        codec.decode(bad)
    except ocppj.DecodeError as error:
        assert (error.message_id, error.path) == ("7", "$")
        assert codec.decode(error.reply()).message_id == "7"
    else:
        raise AssertionError("an invalid frame was accepted")
    lenient = codec.with_policy(ocppj.Policy.lenient())
    assert [violation.rule for violation in lenient.decode(bad).violations] == ["unknown_field"]

for sample, status in (("session", 0), ("faulty", 1)):
    command = [sys.executable, "-m", "ocppj", "check", "--sample", sample]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == status, done
print(f"smoke: {ocppj.BACKEND} backend, {ocppj.__file__}")
