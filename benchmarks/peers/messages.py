"""Our message types by action; not a peer, but what several of them share."""

from functools import cache, partial
from typing import Any

import msgspec

from benchmarks.corpus import Entry, frame_text
from benchmarks.peers import Calls, Decode
from ocppj import Codec
from ocppj.schema import dec_hook

__all__ = ["backend_calls", "backend_decoder", "codec", "decoders", "payload_decoder"]


@cache
def codec(version: str) -> Codec:
    """Return a version's codec, for frames that are larger than the default too."""
    return Codec(version, max_size=2**20)


def _decoder(kind: type[Any] | None, depth: int = 16) -> Decode:
    assert kind is not None
    return msgspec.json.Decoder(kind, dec_hook=dec_hook(depth)).decode


@cache
def decoders(version: str) -> tuple[dict[str, Decode], dict[str, Decode]]:
    """Return a version's payload decoders by action: of calls, of results."""
    features = [
        feature
        for profile in codec(version).profiles
        for feature in profile.features
        if feature.response_type is not None
    ]
    return (
        {feature.name: _decoder(feature.request_type) for feature in features},
        {feature.name: _decoder(feature.response_type) for feature in features},
    )


def payload_decoder(entry: Entry, depth: int = 16) -> Decode:
    """Return the decoder of an entry's payload and of nothing else.

    Args:
        entry: whose payload.
        depth: how deep its vendor data may nest.
    """
    features = [
        feature
        for profile in codec(entry.version).profiles
        for feature in profile.features
        if feature.name == entry.action
    ]
    kind = features[0].request_type if entry.is_call else features[0].response_type
    return _decoder(kind, depth)


def backend_decoder(backend: type[Any], entry: Entry) -> Decode:
    """Return `Codec.decode` as it is with the given backend."""
    decode: Decode = backend(codec(entry.version)._table).decode
    if entry.is_call:
        return decode
    return partial(decode, pending=entry.pending)


def backend_calls(backend: type[Any], entry: Entry) -> Calls:
    """Return `Codec.encode` and `Codec.peek` as they are with the given backend."""
    shared, text = backend(codec(entry.version)._table), frame_text(entry)
    frame = backend_decoder(backend, entry)(text)
    return {"encode": (shared.encode, frame), "peek": (shared.peek, text)}
