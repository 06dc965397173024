# cython: language_level=3, auto_pickle=False, boundscheck=False, wraparound=False, cdivision=True, freethreading_compatible=True
"""The compiled backend, the twin of `ocppj._core.backend_py`: a fast path for valid frames.

Decoding: the head of a CALL or of an expected CALLRESULT is scanned in place, the action is looked
up without creating a string, and a copy of the payload is passed to the bound decoder. Encoding:
the payload is checked in place instead of decoding the bytes again. Any doubt (an escape in the id,
white space in unusual places, an unknown action, an error of a decoder) is left to `backend_py`. If
nothing but the action or the payload can be wrong, the reference only finds the words for it.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_CheckExact, PyDict_GetItem, PyDict_GetItemWithError
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from cpython.object cimport PyObject, PyTypeObject
from cpython.unicode cimport PyUnicode_CheckExact
from libc.stdint cimport uint64_t
from libc.string cimport memchr, memcmp, memcpy

import msgspec

from ocppj._core import backend_py
from ocppj._core.faults import translate as _translate, translate_fast_error as _translate_fast_error
from ocppj._core.reader import unknown_action as _unknown_action
from ocppj.errors import MESSAGE_ID_LENGTH as _MESSAGE_ID_LENGTH, PayloadError as _PayloadError
from ocppj._core.message_types import CALL as _CALL_NUMBER, CALLRESULT as _CALLRESULT_NUMBER
from ocppj._core.exponents import MAX_EXPONENTS as _MAX_EXPONENTS, SEARCHED_SIZE as _SEARCHED_SIZE
from ocppj.policy import STRICT
from ocppj.frames import (
    Call as _Call, CallResult as _CallResult, Envelope as _Envelope, Send as _Send, WITH_VIOLATIONS as _WITH_VIOLATIONS,
)

cdef extern from "Python.h":
    const char* PyUnicode_AsUTF8AndSize(object, Py_ssize_t*) except? NULL
    bint PyUnicode_IS_ASCII(object)
    object PyUnicode_New(Py_ssize_t, Py_UCS4)
    void* PyUnicode_DATA(object)
    object PyType_GenericAlloc(PyTypeObject*, Py_ssize_t)

cdef extern from *:
    """
    /* Call with one argument and return the value, or the Exception that was raised, without
       tracebacks (as `faults.without_traceback` does it); None for it if it is dropped. A BaseException
       propagates. This is faster than Cython's try. */
    static PyObject *value_or_exception(PyObject *call, PyObject *argument, int drops) {
        PyObject *arguments[2] = {NULL, argument};
        PyObject *value = PyObject_Vectorcall(
            call, arguments + 1, 1 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
        if (value == NULL && PyErr_ExceptionMatches(PyExc_Exception)) {
            if (drops) {
                PyErr_Clear();
                return Py_NewRef(Py_None);
            }
    #if PY_VERSION_HEX >= 0x030C0000
            value = PyErr_GetRaisedException();
    #else
            PyObject *type, *traceback;
            PyErr_Fetch(&type, &value, &traceback);
            PyErr_NormalizeException(&type, &value, &traceback);
            Py_XDECREF(type);
            Py_XDECREF(traceback);
    #endif
            PyObject *error = value;
            for (; error != NULL; error = ((PyBaseExceptionObject *)error)->cause)
                Py_CLEAR(((PyBaseExceptionObject *)error)->traceback);
        }
        return value;
    }
    /* Look up a key and take a reference to its value at once; None for a key that is missing. */
    static PyObject *get_item(PyObject *dict, PyObject *key) {
        PyObject *value;
    #if PY_VERSION_HEX >= 0x030D0000
        if (PyDict_GetItemRef(dict, key, &value) == 0) value = Py_NewRef(Py_None);
    #else
        value = PyDict_GetItemWithError(dict, key);
        if (value == NULL && !PyErr_Occurred()) value = Py_None;
        Py_XINCREF(value);
    #endif
        return value;
    }
    /* It is not from a check in Python. */
    static int stands_alone(PyObject *error) {
        return ((PyBaseExceptionObject *)error)->cause == NULL;
    }
    """
    bint stands_alone(object)
    object value_or_exception(object, object, bint)
    object get_item(object, object)
    bint PyExceptionInstance_Check(object)

include "skip.pxi"
include "check.pxi"

cdef object _encode = msgspec.json.Encoder().encode
cdef object _decode = msgspec.json.Decoder().decode
cdef object _convert = msgspec.convert
cdef object Call = _Call
cdef object CallResult = _CallResult
cdef object Send = _Send
cdef object PayloadError = _PayloadError
cdef object ValidationError = msgspec.ValidationError
cdef object translate = _translate
cdef object translate_fast_error = _translate_fast_error
cdef object unknown_action = _unknown_action
cdef object CallWithViolations = _WITH_VIOLATIONS[_Call]
cdef object CallResultWithViolations = _WITH_VIOLATIONS[_CallResult]
cdef Py_ssize_t CALL_ID = slot_offset(_Call.message_id)
cdef Py_ssize_t CALL_ACTION = slot_offset(_Call.action)
cdef Py_ssize_t CALL_PAYLOAD = slot_offset(_Call.payload)
cdef Py_ssize_t RESULT_ID = slot_offset(_CallResult.message_id)
cdef Py_ssize_t RESULT_PAYLOAD = slot_offset(_CallResult.payload)
assert min(CALL_ID, CALL_ACTION, CALL_PAYLOAD, RESULT_ID, RESULT_PAYLOAD) > 0
cdef char CALL_DIGIT = c'0' + _CALL_NUMBER
cdef char CALLRESULT_DIGIT = c'0' + _CALLRESULT_NUMBER
cdef Py_ssize_t MESSAGE_ID_LENGTH = _MESSAGE_ID_LENGTH
cdef Py_ssize_t MAX_EXPONENTS = _MAX_EXPONENTS
cdef Py_ssize_t SEARCHED_SIZE = _SEARCHED_SIZE


include "repair.pxi"
include "snapshot.pxi"

cdef object Envelope = _Envelope
cdef Py_ssize_t ENVELOPE_TYPE = slot_offset(_Envelope.message_type)
cdef Py_ssize_t ENVELOPE_ID = slot_offset(_Envelope.message_id)
cdef Py_ssize_t ENVELOPE_ACTION = slot_offset(_Envelope.action)
cdef Py_ssize_t ENVELOPE_TEXT = slot_offset(_Envelope._text)
cdef Py_ssize_t ENVELOPE_AFTER_ID = slot_offset(_Envelope._after_id)
cdef Py_ssize_t ENVELOPE_START = slot_offset(_Envelope._start)
cdef Py_ssize_t ENVELOPE_TAIL = slot_offset(_Envelope._tail)


cdef struct Slot:
    # Borrowed references: the codec's table outlives the slot.
    const char* name
    Py_ssize_t size
    PyObject* action
    PyObject* decode
    PyObject* request


cdef inline uint64_t fingerprint(const char* name, Py_ssize_t size) noexcept nogil:
    """Return a hash of the size and the first and last eight bytes. Only its high bits are good."""
    cdef uint64_t first = 0, last = 0
    if size >= 8:
        memcpy(&first, name, 8)
        memcpy(&last, name + size - 8, 8)
    else:
        memcpy(&first, name, size)
    first = (first ^ <uint64_t>size) * <uint64_t>0x9E3779B97F4A7C15
    last = (last ^ (first >> 32)) * <uint64_t>0xC2B2AE3D27D4EB4F
    return last


cdef inline const char* past_string(const char* p, const char* end) noexcept nogil:
    """Return the closing quote of the string whose first character is at `p`; NULL if in doubt."""
    cdef unsigned char c
    cdef uint64_t word
    while end - p >= 8:
        # Eight characters at once. The first special one is the closing quote or a doubt.
        memcpy(&word, p, 8)
        word = specials(word)
        if word:
            p += first_byte(word)
            break
        p += 8
    while p < end:
        c = <unsigned char>p[0]
        if c == c'"':
            return p
        if c < 0x20 or c > 0x7E or c == c'\\':
            return NULL
        p += 1
    return NULL


cdef inline const char* past_comma(const char* p, const char* end) noexcept nogil:
    """Return what follows the comma at `p` and any spaces; NULL if there is no comma."""
    if p >= end or p[0] != c',':
        return NULL
    p += 1
    while p < end and p[0] == c' ':
        p += 1
    return p


cdef struct Head:
    # The head of a CALL or CALLRESULT. The pointers point into the frame.
    char message_type
    const char* id
    Py_ssize_t id_size
    const char* action  # NULL in a CALLRESULT
    Py_ssize_t action_size
    const char* payload


cdef inline bint scan_head(const char* p, const char* end, Head* head) noexcept nogil:
    """Fill in the head of the frame at `p`; return whether it is certainly valid."""
    if end - p < 10 or p[0] != c'[':
        return False
    head.message_type = p[1]
    p = past_comma(p + 2, end)
    if p is NULL or p >= end or p[0] != c'"':
        return False
    head.id = p + 1
    p = past_string(head.id, end)
    if p is NULL:
        return False
    head.id_size = p - head.id
    if head.id_size > MESSAGE_ID_LENGTH:
        return False
    p = past_comma(p + 1, end)
    if p is NULL:
        return False
    head.action = NULL
    if head.message_type == CALL_DIGIT:
        if p >= end or p[0] != c'"':
            return False
        head.action = p + 1
        p = past_string(head.action, end)
        if p is NULL:
            return False
        head.action_size = p - head.action
        p = past_comma(p + 1, end)
    elif head.message_type != CALLRESULT_DIGIT:
        return False
    head.payload = p
    return p is not NULL


cdef inline object ascii_string(const char* p, Py_ssize_t size):
    cdef object text = PyUnicode_New(size, 127)
    memcpy(PyUnicode_DATA(text), p, size)
    return text


cdef inline object new_frame(
    object cls, Py_ssize_t id_at, object message_id, Py_ssize_t payload_at, object payload,
    Py_ssize_t action_at, object action,
):
    """Return a new frame. Setting its slots directly is faster than calling its class."""
    cdef object frame = PyType_GenericAlloc(<PyTypeObject*>cls, 0)
    set_slot(frame, id_at, message_id)
    set_slot(frame, payload_at, payload)
    if action_at:
        set_slot(frame, action_at, action)
    return frame


cdef class Index:
    """A hash table (open addressing): bytes of an action -> its entry in the fast calls.

    Never changed after it is built.
    """

    cdef Slot* slots
    cdef Py_ssize_t mask
    cdef int shift

    def __cinit__(self, table):
        cdef dict calls = table.fast_calls
        cdef Py_ssize_t size = 8, i, length
        cdef const char* name
        self.shift = 61
        while size < 4 * len(calls):
            size *= 2
            self.shift -= 1
        self.slots = <Slot*>PyMem_Calloc(size, sizeof(Slot))
        if self.slots is NULL:
            raise MemoryError
        self.mask = size - 1
        for action, decode in calls.items():
            # Names are compared with JSON text, so one that has to be escaped there has no slot.
            if not action.isascii() or not action.isprintable() or '"' in action or "\\" in action:
                continue
            name = PyUnicode_AsUTF8AndSize(action, &length)
            i = <Py_ssize_t>(fingerprint(name, length) >> self.shift)
            while self.slots[i].name is not NULL:
                i = (i + 1) & self.mask
            request = table.calls[action]
            self.slots[i] = Slot(name, length, <PyObject*>action, <PyObject*>decode, <PyObject*>request)

    def __dealloc__(self):
        PyMem_Free(self.slots)

    cdef inline Slot* lookup(self, const char* name, Py_ssize_t size) noexcept nogil:
        cdef Py_ssize_t i = <Py_ssize_t>(fingerprint(name, size) >> self.shift)
        cdef Slot* slot = &self.slots[i]
        while slot.name is not NULL:
            if slot.size == size and memcmp(slot.name, name, size) == 0:
                return slot
            i = (i + 1) & self.mask
            slot = &self.slots[i]
        return NULL


cdef class Backend:
    """Decodes and encodes the frames of one codec. Threads can share an instance.

    `ocppj.Codec` has the documentation of the public methods.
    """

    cdef readonly object _table
    cdef readonly object _policy
    cdef object reference
    cdef Index index
    cdef dict results
    cdef dict response_actions
    cdef dict shapes
    cdef Py_ssize_t max_size
    cdef Py_ssize_t max_depth
    cdef bint is_lenient
    cdef Tolerances tolerances

    def __init__(self, table, policy=STRICT):
        if self._table is not None:
            raise RuntimeError("a codec cannot be initialized again")
        self._table = table
        self._policy = policy
        self.reference = backend_py.Backend(table, policy)
        if table.index is None:
            # Two threads may both build one; they are equal.
            table.index = Index(table)
        self.index = table.index
        self.results = table.fast_results
        self.response_actions = table.response_actions
        self.shapes = table.shapes
        self.is_lenient = policy.is_lenient
        self.tolerances = tolerances_of(policy)
        self.max_size = table.max_size
        self.max_depth = table.max_depth

    def decode(self, data, pending=None):
        cdef const char* p
        cdef Py_ssize_t size
        if PyUnicode_CheckExact(data):
            try:
                p = PyUnicode_AsUTF8AndSize(data, &size)
            except UnicodeEncodeError:
                return self.reference._decode_slow(data, pending)
        elif PyBytes_CheckExact(data):
            p = PyBytes_AS_STRING(data)
            size = PyBytes_GET_SIZE(data)
        else:
            return self.reference._decode_slow(data, pending)
        frame = self.try_decode(p, size, pending)
        if frame is not None and not PyExceptionInstance_Check(frame):
            return frame
        if self.is_lenient:
            tolerant = self.try_repair(p, size, pending)
            if tolerant is not None:
                return tolerant
        error = self.explain(p, size, pending, frame)
        if error is None:
            return self.reference._decode_slow(data, pending, frame)
        raise error from frame

    cdef object try_decode(self, const char* p, Py_ssize_t size, object pending):
        """Return the frame, or the exception that its payload's decoder raised, or None if in doubt."""
        cdef const char* end = p + size
        cdef Head head
        cdef Slot* slot
        cdef PyObject* entry
        if size > self.max_size or not scan_head(p, end, &head) or too_many_exponents(p, size):
            return None
        if head.action is not NULL:
            slot = self.index.lookup(head.action, head.action_size)
            if slot is NULL:
                return None
            payload = try_payload(<object>slot.decode, head.payload, end, self.is_lenient)
            if payload is None or PyExceptionInstance_Check(payload):
                return payload
            return new_frame(Call, CALL_ID, ascii_string(head.id, head.id_size), CALL_PAYLOAD, payload,
                        CALL_ACTION, <object>slot.action)
        if PyDict_CheckExact(pending):
            message_id = ascii_string(head.id, head.id_size)
            action = get_item(pending, message_id)
            if action is None:
                return None
            entry = PyDict_GetItemWithError(self.results, action)
            if entry is NULL:
                return None
            payload = try_payload(<object>entry, head.payload, end, self.is_lenient)
            if payload is None or PyExceptionInstance_Check(payload):
                return payload
            return new_frame(CallResult, RESULT_ID, message_id, RESULT_PAYLOAD, payload, 0, None)
        return None

    cdef object try_repair(self, const char* p, Py_ssize_t size, object pending):
        """Return a frame whose payload has violations that the policy tolerates, or None if in doubt."""
        cdef Head head
        cdef Repair repair
        cdef const char* after
        cdef Slot* slot
        if size > self.max_size or not scan_head(p, p + size, &head) or too_many_exponents(p, size):
            return None
        after = last_bracket(head.payload, p + size)
        if after is NULL:
            return None
        # A few brackets cannot nest too deep. More are examined.
        if count_brackets(head.payload, after) >= self.max_depth and self.payload_end(head.payload, p + size) is NULL:
            return None
        message_id = ascii_string(head.id, head.id_size)
        if head.action is not NULL:
            slot = self.index.lookup(head.action, head.action_size)
            if slot is NULL:
                return None
            cls = <object>slot.request
        elif PyDict_CheckExact(pending):
            cls = self._table.results.get(pending.get(message_id))
            if cls is None:
                return None
        else:
            return None
        violations = []
        repair.tolerances = &self.tolerances
        repair.zone = <PyObject*>self._policy.zone
        repair.hook = <PyObject*>self._table.dec_hook
        repair.violations = <PyObject*>violations
        try:
            payload = _decode(PyBytes_FromStringAndSize(head.payload, after - head.payload))
            if not repair_struct(payload, self.shape_of(cls), NULL, &repair):
                return None
            payload = _convert(payload, cls)
        except Exception:
            return None
        if head.action is not NULL:
            frame = new_frame(
                CallWithViolations if violations else Call,
                CALL_ID, message_id, CALL_PAYLOAD, payload, CALL_ACTION, <object>slot.action)
        else:
            frame = new_frame(
                CallResultWithViolations if violations else CallResult,
                RESULT_ID, message_id, RESULT_PAYLOAD, payload, 0, None)
        if violations:
            frame.__dict__["violations"] = tuple(violations)
        return frame

    cdef Shape shape_of(self, object cls):
        """Return the shape of a type. A vendor's type may raise any exception."""
        cdef PyObject* found = PyDict_GetItem(self.shapes, cls)
        return <Shape>found if found is not NULL else Shape.build(cls, self.shapes)

    cdef object explain(self, const char* p, Py_ssize_t size, object pending, object fast_error):
        """Return the reference's error for a frame that `try_decode` rejected, or None if in doubt.

        There is no doubt if nothing but the action or the payload can be wrong. The policy has not
        tolerated it.
        """
        cdef Head head
        cdef const char* after
        if size > self.max_size or not scan_head(p, p + size, &head):
            return None
        # Without an error of its decoder, a payload has none that can be told from here.
        if fast_error is None and (head.action is NULL or self.index.lookup(head.action, head.action_size) is not NULL):
            return None
        after = self.payload_end(head.payload, p + size)
        if after is NULL:
            return None
        message_id = ascii_string(head.id, head.id_size)
        if head.action is NULL:
            action = pending.get(message_id)
        else:
            action = ascii_string(head.action, head.action_size)
        known = head.message_type - c'0', message_id, action
        if fast_error is None:
            return None if action in self._table.calls else unknown_action(self._table, known)
        size = after - head.payload
        # The usual case, for which `translate_fast_error` has no doubt.
        if (
            type(fast_error) is ValidationError and stands_alone(fast_error)
            and memchr(head.payload, c'`', size) is NULL and memchr(head.payload, c'\\', size) is NULL
        ):
            finding = translate(str(fast_error), "$")
        else:
            finding = translate_fast_error(fast_error, PyBytes_FromStringAndSize(head.payload, size))
            if finding is None:
                return None
        fault, problem, path = <tuple>finding
        return PayloadError(fault, problem, self._table.error_rules, path, known)

    cdef const char* payload_end(self, const char* p, const char* end) noexcept nogil:
        """Return the end of the payload at `p` if it is the frame's last element; NULL if in doubt."""
        cdef const char* after
        if self.max_depth <= MAX_LEVELS:
            return NULL
        after = past_value(p, end)
        if after is NULL:
            return NULL
        p = past_space(after, end)
        return after if p < end and p[0] == c']' and past_space(p + 1, end) == end else NULL

    def encode(self, frame, *, validate=True):
        data = self.try_encode(frame)
        if data is None and IS_FREE_THREADED:
            frame = self.snapshot(frame)
            data = self.try_encode(frame)
        return self.reference.encode(frame, validate=validate) if data is None else data

    cdef object snapshot(self, object frame):
        """Return the frame with a copy of its payload. A frame itself is immutable."""
        cls = type(frame)
        if cls is not Call and cls is not CallResult and cls is not Send:
            return frame
        try:
            payload = frame.payload
            payload = snapshot_struct(payload, self.shape_of(type(payload)))
            return cls(frame.message_id, payload) if cls is CallResult else cls(frame.message_id, frame.action, payload)
        except Exception:
            return frame  # not one of our payloads: the reference rejects it

    cdef object try_encode(self, object frame):
        """Return the bytes, or None if in doubt."""
        cdef Timestamps timestamps
        cdef Shape shape
        cdef Slot* slot
        cdef PyObject* message_id
        cdef PyObject* payload
        cdef PyObject* action
        cdef PyObject* entry
        cdef const char* name
        cdef Py_ssize_t size
        cdef bytes data
        if self.index is None:
            return None
        if type(frame) is Call:
            message_id = FIELD(<PyObject*>frame, CALL_ID)
            payload = FIELD(<PyObject*>frame, CALL_PAYLOAD)
            action = FIELD(<PyObject*>frame, CALL_ACTION)
            if message_id is NULL or payload is NULL or action is NULL:
                return None
            if not PyUnicode_CheckExact(<object>action):
                return None
            try:
                name = PyUnicode_AsUTF8AndSize(<object>action, &size)
            except UnicodeEncodeError:
                return None
            slot = self.index.lookup(name, size)
            if slot is NULL or slot.request != TYPE_OF(payload):
                return None
        elif type(frame) is CallResult:
            message_id = FIELD(<PyObject*>frame, RESULT_ID)
            payload = FIELD(<PyObject*>frame, RESULT_PAYLOAD)
            if message_id is NULL or payload is NULL:
                return None
            action = PyDict_GetItem(self.response_actions, <object>TYPE_OF(payload))
            if action is NULL or PyDict_GetItem(self.results, <object>action) is NULL:
                return None
        else:
            return None
        if not PyUnicode_CheckExact(<object>message_id):
            return None
        if PyUnicode_GET_LENGTH_(message_id) > MESSAGE_ID_LENGTH:
            return None
        try:
            shape = self.shape_of(<object>TYPE_OF(payload))
        except Exception:
            return None
        timestamps.count = 0
        if not struct_conforms(payload, <PyObject*>shape, &timestamps):
            return None
        try:
            data = _encode(frame)
        except Exception:
            return None
        if timestamps.count:
            data = round_timestamps(data, &timestamps)
            if data is None:
                return None
        size = PyBytes_GET_SIZE(data)
        if size > self.max_size or too_many_exponents(PyBytes_AS_STRING(data), size):
            return None
        return data

    def peek(self, data):
        cdef const char* p
        cdef Py_ssize_t size
        if PyBytes_CheckExact(data):
            p = PyBytes_AS_STRING(data)
            size = PyBytes_GET_SIZE(data)
        elif PyUnicode_CheckExact(data) and PyUnicode_IS_ASCII(data):
            p = PyUnicode_AsUTF8AndSize(data, &size)
        else:
            return self.reference.peek(data)
        envelope = self.try_peek(data, p, size)
        return self.reference.peek(data) if envelope is None else envelope

    cdef object try_peek(self, object data, const char* p, Py_ssize_t size):
        """Return the envelope of a CALL or CALLRESULT, or None if in doubt."""
        cdef Head head
        cdef const char* start
        cdef const char* after
        cdef Slot* slot
        if size > self.max_size or not scan_head(p, p + size, &head):
            return None
        start = past_space(head.payload, p + size)
        after = self.payload_end(start, p + size)
        if after is NULL:
            return None
        action = None
        if head.action is not NULL:
            slot = self.index.lookup(head.action, head.action_size)
            action = ascii_string(head.action, head.action_size) if slot is NULL else <object>slot.action
        envelope = PyType_GenericAlloc(<PyTypeObject*>Envelope, 0)
        set_slot(envelope, ENVELOPE_TYPE, head.message_type - c'0')
        set_slot(envelope, ENVELOPE_ID, ascii_string(head.id, head.id_size))
        set_slot(envelope, ENVELOPE_ACTION, action)
        set_slot(envelope, ENVELOPE_TEXT, data)
        set_slot(envelope, ENVELOPE_AFTER_ID, head.id + head.id_size + 1 - p)
        set_slot(envelope, ENVELOPE_START, start - p)
        set_slot(envelope, ENVELOPE_TAIL, p + size - after)
        return envelope


cdef inline const char* last_bracket(const char* p, const char* end) noexcept nogil:
    """Return the frame's last bracket, which follows the object at `p`; NULL if in doubt."""
    cdef const char* last = end - 1
    while last > p and (last[0] == c'\n' or last[0] == c' ' or last[0] == c'\r'):
        last -= 1
    return last if last - p >= 2 and last[0] == c']' and p[0] == c'{' else NULL


cdef inline object try_payload(object decode, const char* p, const char* end, bint is_lenient):
    """Decode the payload between `p` and the frame's last bracket.

    Return it, or the exception that its decoder raised, or None if in doubt. A lenient codec has no
    use for the exception: it gets None.
    """
    cdef const char* last = last_bracket(p, end)
    if last is NULL:
        return None
    # A copy: decoding a memoryview took 100 ns longer in a prototype.
    return value_or_exception(decode, PyBytes_FromStringAndSize(p, last - p), is_lenient)
