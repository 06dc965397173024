"""The pure Python backend, the reference for its compiled twin `ext/backend_c.pyx`.

Finds message type, message id and action in the raw bytes, looks the action up in the dispatch
table and passes the payload to its decoder. Both twins have such a fast path; frames that are not
certainly valid go to `reader`, which alone rejects them.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import msgspec

from ocppj._core.depth import nests_deeper_than
from ocppj._core.encoding import encode
from ocppj._core.exponents import SEARCHED_SIZE, too_many_exponents
from ocppj._core.faults import without_traceback
from ocppj._core.reader import FrameReader
from ocppj._core.roundtrip import check_of_call, check_of_result, round_timestamps
from ocppj._core.table import Decode, Table
from ocppj.errors import MESSAGE_ID_LENGTH
from ocppj.frames import CALL, CALLRESULT, Call, CallResult, Data, Envelope, Frame, new_envelope
from ocppj.policy import STRICT, Policy

__all__ = ["Backend"]

_Id = Annotated[str, msgspec.Meta(max_length=MESSAGE_ID_LENGTH)]
_CallType: Any = Literal[CALL]
_ResultType: Any = Literal[CALLRESULT]
_split_call: Final = msgspec.json.Decoder(tuple[_CallType, _Id, str, msgspec.Raw]).decode
_split_result: Final = msgspec.json.Decoder(tuple[_ResultType, _Id, msgspec.Raw]).decode
_encode: Final = msgspec.json.Encoder().encode
_FAST: Final = frozenset({str, bytes, bytearray})
"""Types of data for the fast path. A memoryview may have items of several bytes."""
_CALL_HEAD: Final = b'[%d,"' % CALL
_RESULT_HEAD: Final = b'[%d,"' % CALLRESULT
_QUOTE, _BRACKET, _SPACE, _BACKSLASH = b'"] \\'
_CALLRESULT_DIGIT: Final = (str(CALLRESULT), ord(str(CALLRESULT)))


class Backend:
    """Decodes and encodes the frames of one codec. Threads can share an instance.

    `ocppj.Codec` has the documentation of the public methods.
    """

    __slots__ = ("_calls", "_max_size", "_policy", "_results", "_safe_length", "_table")

    _table: Table
    _policy: Policy
    _calls: Mapping[str, Decode]
    _results: Mapping[str, Decode]
    _safe_length: int
    _max_size: int

    def __init__(self, table: Table, policy: Policy = STRICT) -> None:
        if not isinstance(policy, Policy):
            raise TypeError(f"policy={policy!r:.80}: use a Policy, such as Policy.lenient()")
        set_slot = super().__setattr__
        set_slot("_table", table)
        set_slot("_policy", policy)
        set_slot("_calls", table.fast_calls)
        set_slot("_results", table.fast_results)
        # An item has at most 4 bytes, so a frame with this many items fits in max_size.
        set_slot("_safe_length", min(table.max_size // 4, SEARCHED_SIZE))
        set_slot("_max_size", table.max_size)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a codec cannot be changed: {name}")

    def decode(self, data: Data, pending: Mapping[str, str] | None = None) -> Frame:
        """Decode and validate one frame."""
        fast_error = None
        try:
            if type(data) in _FAST and (len(data) <= self._safe_length or self._fits(data)):
                # A CALLRESULT whose action is unknown stays undecoded and has no fast path.
                if pending is None or data[1] not in _CALLRESULT_DIGIT:
                    _, message_id, action, payload = _split_call(data)
                    decode = self._calls[action]
                    try:
                        return Call(message_id, action, decode(payload))
                    except Exception as error:  # noqa: BLE001  `_decode_slow` explains it
                        fast_error = without_traceback(error)
                else:
                    _, message_id, payload = _split_result(data)
                    decode = self._results[pending.get(message_id, "")]
                    try:
                        return CallResult(message_id, decode(payload))
                    except Exception as error:  # noqa: BLE001  `_decode_slow` explains it
                        fast_error = without_traceback(error)
        except Exception:  # noqa: BLE001, S110  `_decode_slow` finds the fault
            pass
        return self._decode_slow(data, pending, fast_error)

    def _fits(self, data: Any) -> bool:
        """Tell whether data that is not small may take the fast path."""
        text = data.encode() if type(data) is str else data
        return len(text) <= self._max_size and not too_many_exponents(text)

    def encode(self, frame: Frame, *, validate: bool = True) -> bytes:
        """Validate and encode one frame."""
        try:
            if validate and (type(frame) is Call or type(frame) is CallResult):
                payload, table = frame.payload, self._table
                cls = type(payload)
                if type(frame) is Call:
                    check = table.call_checks.get(cls) or check_of_call(cls, table)
                    is_known = frame.action in check.actions
                else:
                    check = table.result_checks.get(cls) or check_of_result(cls, table)
                    is_known = True
                data = _encode(frame)
                if (
                    is_known
                    and check.decode(data) == frame
                    and len(frame.message_id) <= MESSAGE_ID_LENGTH
                    and (len(data) <= self._safe_length or self._fits(data))
                ):
                    if not check.timestamps:
                        return data
                    rounded = round_timestamps(data, payload, check.timestamps)
                    if rounded is not None:
                        return rounded
        except Exception:  # noqa: BLE001, S110  `encoding` finds the fault
            pass
        # The peer may be strict, whatever our own policy tolerates.
        decode = self._decode_strictly if self._policy.is_lenient else self.decode
        return encode(frame, self._table, decode if validate else None)

    def _decode_strictly(self, data: Data, pending: Mapping[str, str] | None = None) -> Frame:
        return FrameReader(data, self._table, STRICT).frame(pending)

    def peek(self, data: Data) -> Envelope:
        """Read the head of a frame without decoding its payload."""
        try:
            envelope = self._try_peek(data)
        except Exception:  # noqa: BLE001  `FrameReader` finds the fault
            envelope = None
        return self._peek_slow(data) if envelope is None else envelope

    def _try_peek(self, data: Any) -> Envelope | None:
        """Return the envelope of a CALL or CALLRESULT, or None if in doubt. May raise anything."""
        if type(data) is str:
            data = data.encode()
        elif type(data) is not bytes:
            return None
        if not data.isascii() or (len(data) > self._safe_length and not self._fits(data)):
            return None
        if data[:4] == _CALL_HEAD:
            message_type, message_id, action, raw = _split_call(data)
        elif data[:4] == _RESULT_HEAD:
            message_type, message_id, raw = _split_result(data)
            action = None
        else:
            return None
        payload = bytes(raw)
        after_id = data.index(_QUOTE, 4) + 1
        # The doubts: an escape in the id, which may be that of a quote; white space at the end.
        if _BACKSLASH in data[4:after_id] or data[-1] != _BRACKET or data[-2] <= _SPACE:
            return None
        if nests_deeper_than(payload, self._table.max_depth - 1):
            return None
        start = len(data) - 1 - len(payload)
        return new_envelope(after_id, start, 1, data, action, message_id, message_type)

    def _peek_slow(self, data: Data) -> Envelope:
        head = FrameReader(data, self._table, self._policy)
        elements = map(bytes, head.elements[2:])
        return Envelope.of(head.message_type, head.message_id, head.action(), elements)

    def _decode_slow(
        self,
        data: Data,
        pending: Mapping[str, str] | None = None,
        fast_error: Exception | None = None,
    ) -> Frame:
        """Decode one frame without the fast path, and raise an exact error if it is invalid.

        Args:
            data: one WebSocket message.
            pending: as for `decode`.
            fast_error: what the payload's fast decoder raised, which can save decoding again.
        """
        return FrameReader(data, self._table, self._policy, fast_error).frame(pending)
