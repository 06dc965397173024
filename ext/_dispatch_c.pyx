# cython: language_level=3, boundscheck=False, wraparound=False, freethreading_compatible=True
"""The dispatch seam, compiled: it takes what is plainly right and leaves the rest to the reference.

A CALL or an expected CALLRESULT in the usual spelling is read here: its head is scanned in place,
its action looked up without making a string, a copy of its payload given to the bound decoder.
Any doubt (white space elsewhere, an escape in the id, an unknown action, any error of a decoder)
goes to `_dispatch_py`, which alone raises. No state changes after construction.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_CheckExact, PyDict_GetItem
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from cpython.object cimport PyObject
from cpython.unicode cimport PyUnicode_CheckExact
from libc.stdint cimport uint64_t
from libc.string cimport memchr, memcmp, memcpy

from ocppj import _dispatch_py
from ocppj.errors import MESSAGE_ID_LENGTH as _MESSAGE_ID_LENGTH
from ocppj.frames import Call as _Call, CallResult as _CallResult

cdef extern from "Python.h":
    const char* PyUnicode_AsUTF8AndSize(object, Py_ssize_t*) except? NULL
    object PyUnicode_New(Py_ssize_t, Py_UCS4)
    void* PyUnicode_DATA(object)

cdef object Call = _Call
cdef object CallResult = _CallResult
cdef Py_ssize_t MESSAGE_ID_LENGTH = _MESSAGE_ID_LENGTH


cdef struct Slot:
    # Borrowed from the codec's table, which outlives the slot.
    const char* name
    Py_ssize_t size
    PyObject* action
    PyObject* decode


cdef inline uint64_t fingerprint(const char* name, Py_ssize_t size) noexcept nogil:
    """Mix the size and the first and last eight bytes: enough to keep actions apart."""
    cdef uint64_t first = 0, last = 0
    if size >= 8:
        memcpy(&first, name, 8)
        memcpy(&last, name + size - 8, 8)
    else:
        memcpy(&first, name, size)
    first = (first ^ <uint64_t>size) * <uint64_t>0x9E3779B97F4A7C15
    last = (last ^ (first >> 32)) * <uint64_t>0xC2B2AE3D27D4EB4F
    return last ^ (last >> 32)


cdef inline const char* past_string(const char* p, const char* end) noexcept nogil:
    """Return where the plain ASCII string that opens at `p` has its closing quote; else NULL."""
    cdef unsigned char c
    while p < end:
        c = <unsigned char>p[0]
        if c == c'"':
            return p
        if c < 0x20 or c > 0x7E or c == c'\\':
            return NULL
        p += 1
    return NULL


cdef inline const char* past_comma(const char* p, const char* end) noexcept nogil:
    """Return what stands behind a comma and any spaces at `p`; NULL where there is no comma."""
    if p >= end or p[0] != c',':
        return NULL
    p += 1
    while p < end and p[0] == c' ':
        p += 1
    return p


cdef inline object ascii_string(const char* p, Py_ssize_t size):
    cdef object text = PyUnicode_New(size, 127)
    memcpy(PyUnicode_DATA(text), p, size)
    return text


cdef class Dispatch:
    """The frames of one codec, from bytes. Immutable; one instance may serve any thread."""

    cdef readonly object _table
    cdef readonly object _reference
    cdef dict results
    cdef Py_ssize_t max_size
    cdef Slot* slots
    cdef Py_ssize_t mask

    def __cinit__(self, *args, **kwargs):
        self.slots = NULL

    def __init__(self, table):
        if self.slots is not NULL:
            raise RuntimeError("a codec is made once")
        self._table = table
        self._reference = _dispatch_py.Dispatch(table)
        self.results = table.fast_results
        self.max_size = table.max_size
        cdef dict calls = table.fast_calls
        cdef Py_ssize_t size = 8, i, length
        while size < 4 * len(calls):
            size *= 2
        self.slots = <Slot*>PyMem_Calloc(size, sizeof(Slot))
        if self.slots is NULL:
            raise MemoryError
        self.mask = size - 1
        cdef const char* name
        for action, decode in calls.items():
            name = PyUnicode_AsUTF8AndSize(action, &length)
            i = <Py_ssize_t>(fingerprint(name, length) & <uint64_t>self.mask)
            while self.slots[i].name is not NULL:
                i = (i + 1) & self.mask
            self.slots[i] = Slot(name, length, <PyObject*>action, <PyObject*>decode)

    def __dealloc__(self):
        PyMem_Free(self.slots)

    cdef inline Slot* find(self, const char* name, Py_ssize_t size) noexcept nogil:
        cdef Py_ssize_t i = <Py_ssize_t>(fingerprint(name, size) & <uint64_t>self.mask)
        cdef Slot* slot = &self.slots[i]
        while slot.name is not NULL:
            if slot.size == size and memcmp(slot.name, name, size) == 0:
                return slot
            i = (i + 1) & self.mask
            slot = &self.slots[i]
        return NULL

    def decode(self, data, pending=None):
        cdef const char* p
        cdef Py_ssize_t size
        if PyUnicode_CheckExact(data):
            try:
                p = PyUnicode_AsUTF8AndSize(data, &size)
            except UnicodeEncodeError:
                return self._reference.read(data, pending)
        elif PyBytes_CheckExact(data):
            p = PyBytes_AS_STRING(data)
            size = PyBytes_GET_SIZE(data)
        else:
            return self._reference.read(data, pending)
        frame = self.plain(p, size, pending)
        return self._reference.read(data, pending) if frame is None else frame

    cdef object plain(self, const char* p, Py_ssize_t size, object pending):
        """Return the frame, or None where there is any doubt."""
        cdef const char* end = p + size
        cdef const char* id_start
        cdef const char* start
        cdef Py_ssize_t id_size
        cdef Slot* slot
        cdef PyObject* found
        cdef char message_type
        if size < 10 or size > self.max_size or p[0] != c'[':
            return None
        message_type = p[1]
        p = past_comma(p + 2, end)
        if p is NULL or p >= end or p[0] != c'"':
            return None
        id_start = p + 1
        p = past_string(id_start, end)
        if p is NULL:
            return None
        id_size = p - id_start
        if id_size > MESSAGE_ID_LENGTH:
            return None
        p = past_comma(p + 1, end)
        if p is NULL or p >= end:
            return None
        if message_type == c'2':
            if p[0] != c'"':
                return None
            start = p + 1
            p = <const char*>memchr(start, c'"', end - start)
            if p is NULL:
                return None
            slot = self.find(start, p - start)
            if slot is NULL:
                return None
            p = past_comma(p + 1, end)
            if p is NULL:
                return None
            payload = decoded(<object>slot.decode, p, end)
            if payload is None:
                return None
            return Call(ascii_string(id_start, id_size), <object>slot.action, payload)
        if message_type == c'3' and PyDict_CheckExact(pending):
            message_id = ascii_string(id_start, id_size)
            found = PyDict_GetItem(pending, message_id)
            if found is NULL:
                return None
            decode = self.results.get(<object>found)
            if decode is None:
                return None
            payload = decoded(decode, p, end)
            if payload is None:
                return None
            return CallResult(message_id, payload)
        return None

    def read(self, data, pending=None):
        return self._reference.read(data, pending)


Dispatch.decode.__doc__ = _dispatch_py.Dispatch.decode.__doc__


cdef inline object decoded(object decode, const char* p, const char* end):
    """Return the payload that stands between `p` and the frame's last bracket, or None."""
    while end > p and (end[-1] == c'\n' or end[-1] == c' ' or end[-1] == c'\r'):
        end -= 1
    if end - p < 3 or end[-1] != c']' or p[0] != c'{':
        return None
    try:
        # Copying the slice is 100 ns cheaper than a memoryview of it.
        return decode(PyBytes_FromStringAndSize(p, end - 1 - p))
    except Exception:
        return None
