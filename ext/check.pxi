# Check a payload in place before it is encoded. "Conforms" means that `decode` would accept its
# bytes and return an equal payload, once its timestamps are rounded. Anything that is not certain
# does not conform, and is left to the reference (`ocppj._core.encoding`).

from cpython.datetime cimport import_datetime
from cpython.list cimport PyList_CheckExact, PyList_GET_ITEM, PyList_GET_SIZE
from libc.math cimport isfinite

from ocppj._core.plan import KINDS as _KINDS, plan as _plan
from ocppj.schema import (
    FRACTION_DIGITS as _FRACTION_DIGITS, INT64_MAX as _INT64_MAX, INT64_MIN as _INT64_MIN,
    JSON as _JSON, CustomData as _CustomData,
)

cdef extern from "datetime.h":
    bint PyDateTime_CheckExact(PyObject*)
    int PyDateTime_GET_YEAR(PyObject*)
    int PyDateTime_GET_MONTH(PyObject*)
    int PyDateTime_GET_DAY(PyObject*)
    int PyDateTime_DATE_GET_HOUR(PyObject*)
    int PyDateTime_DATE_GET_MINUTE(PyObject*)
    int PyDateTime_DATE_GET_SECOND(PyObject*)
    int PyDateTime_DATE_GET_MICROSECOND(PyObject*)
    PyObject* PyDateTime_DATE_GET_TZINFO(PyObject*)
    PyObject* PyDateTime_TimeZone_UTC

cdef extern from *:
    """
    #include <string.h>
    #include <structmember.h>
    /* Where a field is in a Struct: msgspec stores fields in slots. */
    static Py_ssize_t slot_offset(PyObject *descriptor) {
        if (Py_TYPE(descriptor) != &PyMemberDescr_Type) return -1;
        return ((PyMemberDescrObject *)descriptor)->d_member->offset;
    }
    #define TYPE_OF(object) ((PyObject *)Py_TYPE(object))
    #define FIELD(object, offset) (*(PyObject **)((char *)(object) + (offset)))
    #define SET_FIELD(object, offset, value) (FIELD(object, offset) = Py_NewRef(value))
    /* Whether no other thread has a reference to an object, so that none can change it. */
    #ifdef Py_GIL_DISABLED
    #define IS_FREE_THREADED 1
    #define IS_PRIVATE(object) (_Py_IsOwnedByCurrentThread(object) \\
        && _Py_atomic_load_ssize_relaxed(&(object)->ob_ref_shared) == 0)
    #else
    #define IS_FREE_THREADED 0
    #define IS_PRIVATE(object) 1
    #endif
    /* Find a timestamp by its Z: that letter is rare, quotes and digits are not. */
    static const char *find_timestamp(const char *p, const char *end, const char *text, int size) {
        const char *z = p + size - 2;
        while (z < end - 1 && (z = (const char *)memchr(z, 'Z', (size_t)(end - 1 - z))) != NULL) {
            if (memcmp(z - (size - 2), text, (size_t)size) == 0) return z - (size - 2);
            z++;
        }
        return NULL;
    }
    """
    Py_ssize_t slot_offset(object)
    PyObject* FIELD(PyObject*, Py_ssize_t)
    void SET_FIELD(PyObject*, Py_ssize_t, PyObject*)
    PyObject* TYPE_OF(PyObject*)
    bint IS_FREE_THREADED
    bint IS_PRIVATE(PyObject*)
    const char* find_timestamp(const char*, const char*, const char*, int)

cdef extern from "Python.h":
    bint IS_LIST "PyList_CheckExact"(PyObject*)
    Py_ssize_t LIST_SIZE "PyList_GET_SIZE"(PyObject*)
    PyObject* LIST_ITEM "PyList_GET_ITEM"(PyObject*, Py_ssize_t)
    bint PyUnicode_CheckExact_ "PyUnicode_CheckExact"(PyObject*)
    Py_ssize_t PyUnicode_GET_LENGTH_ "PyUnicode_GET_LENGTH"(PyObject*)
    bint PyLong_CheckExact(PyObject*)
    bint PyFloat_CheckExact(PyObject*)
    double PyFloat_AS_DOUBLE(PyObject*)
    long long PyLong_AsLongLongAndOverflow(PyObject*, int*)
    PyObject* Py_True
    PyObject* Py_False
    PyObject* Py_None

import_datetime()

cdef inline void set_slot(object target, Py_ssize_t offset, object value):
    SET_FIELD(<PyObject*>target, offset, <PyObject*>value)


cdef enum Kind:
    BOOL, INT, FLOAT, STR, ENUM, TIMESTAMP, LIST, STRUCT, OTHER

assert _KINDS == ("bool", "int", "float", "str", "enum", "timestamp", "list", "struct", "other")

DEF MAX_TIMESTAMPS = 64
DEF TIMESTAMP_SIZE = 29  # "2026-11-22T10:00:00.123456Z" with its quotes
cdef long long EXACT = 1 << 53  # integers up to here are floats too
cdef int FRACTION_DIGITS = _FRACTION_DIGITS
cdef int UNIT = 10 ** (6 - _FRACTION_DIGITS)  # microseconds in the last digit
cdef int HALF = UNIT // 2


cdef struct Timestamps:
    # The timestamps with a fraction, in the order in which they are encoded.
    int count
    PyObject* items[MAX_TIMESTAMPS]


cdef class Part:
    """What a field or an item may hold: `ocppj._core.plan.Part` with C types."""

    cdef int kind
    cdef bint optional
    cdef Py_ssize_t offset
    cdef long long low, high
    cdef double least, most
    cdef object cls
    cdef Part item
    cdef Shape shape
    cdef str wire  # the name of a field in JSON
    cdef Py_ssize_t order  # of a field among those of its Struct
    cdef bint nullable

    @staticmethod
    cdef Part of(object part, bint optional, Py_ssize_t offset, dict shapes, dict building):
        cdef Part new = Part.__new__(Part)
        new.kind = _KINDS.index(part.kind)
        new.optional = optional
        new.offset = offset
        new.cls = part.cls
        new.nullable = part.cls is _JSON
        low, high = part.low, part.high
        if new.kind == FLOAT:
            new.least = -float("inf") if low is None else low
            new.most = float("inf") if high is None else high
        elif new.kind == INT:
            new.low = _INT64_MIN if low is None else max(low, _INT64_MIN)
            new.high = _INT64_MAX if high is None else min(high, _INT64_MAX)
        else:
            new.low = 0 if low is None else low
            new.high = 2**62 if high is None else high
        if new.kind == LIST:
            new.item = Part.of(part.item, False, -1, shapes, building)
        elif new.kind == STRUCT:
            new.shape = Shape.of(part.cls, shapes, building)
        return new


cdef class Shape:
    """What a Struct may hold: `ocppj._core.plan.Plan` with C types. Never changed after `build`."""

    cdef object cls
    cdef list parts
    cdef bint complete
    cdef Py_ssize_t first  # where its fields begin, one after the other; -1 if they do not
    cdef bint repairable  # closed, with no fields but those that `repair.pxi` knows

    @staticmethod
    cdef Shape build(object cls, dict shapes):
        """Create the shapes of a type and the types in it, then publish them all in `shapes`."""
        cdef dict building = {}
        cdef Shape new = Shape.of(cls, shapes, building)
        for inner, shape in building.items():
            shapes.setdefault(inner, shape)
        return new

    @staticmethod
    cdef Shape of(object cls, dict shapes, dict building):
        cdef Shape new = shapes.get(cls) or building.get(cls)
        cdef list parts = []
        cdef Part field
        cdef bint complete
        if new is not None:
            return new
        plan = _plan(cls)
        new = building[cls] = Shape.__new__(Shape)
        new.cls = getattr(cls, "__origin__", cls)
        new.parts = parts
        complete = plan.complete
        wires = getattr(new.cls, "__struct_encode_fields__", plan.names)
        for name, wire, part, optional in zip(plan.names, wires, plan.parts, plan.optional):
            offset = slot_offset(getattr(new.cls, name))
            complete = complete and offset > 0
            field = Part.of(part, optional, offset, shapes, building)
            field.wire = wire
            field.order = len(parts)
            parts.append(field)
        new.complete = complete
        new.first = first_slot([(<Part>part).offset for part in parts])
        config = new.cls.__struct_config__
        new.repairable = config.forbid_unknown_fields and not config.array_like and config.tag is None
        for wire, part in zip(wires, plan.parts):
            if not wire.isascii() or part.kind == "other" and part.cls not in (_CustomData, _JSON):
                new.repairable = False
        return new


cdef Py_ssize_t first_slot(list offsets):
    """Return the smallest offset if the slots are one after the other, else -1."""
    first = min(offsets, default=-1)
    step = sizeof(PyObject*)
    return first if sorted(offsets) == [first + i * step for i in range(len(offsets))] else -1


# Shapes and parts are passed as pointers: threads share them, so counting references would cost.

cdef bint struct_conforms(PyObject* value, PyObject* shape, Timestamps* timestamps) noexcept:
    cdef Py_ssize_t i
    cdef PyObject* parts = <PyObject*>(<Shape>shape).parts
    cdef PyObject* part
    cdef PyObject* item
    if not (<Shape>shape).complete or TYPE_OF(value) != <PyObject*>(<Shape>shape).cls:
        return False
    if not IS_PRIVATE(value):
        return False
    for i in range(LIST_SIZE(parts)):
        part = LIST_ITEM(parts, i)
        item = FIELD(value, (<Part>part).offset)
        if item == Py_None:
            if not (<Part>part).optional:
                return False
        elif item is NULL or not conforms(item, part, timestamps):
            return False
    return True


cdef bint conforms(PyObject* value, PyObject* like, Timestamps* timestamps) noexcept:
    cdef Py_ssize_t size, i
    cdef long long number
    cdef double real
    cdef int overflow
    cdef int kind = (<Part>like).kind
    if kind == STR:
        if not PyUnicode_CheckExact_(value):
            return False
        size = PyUnicode_GET_LENGTH_(value)
        return (<Part>like).low <= size <= (<Part>like).high
    if kind == ENUM:
        return TYPE_OF(value) == <PyObject*>(<Part>like).cls
    if kind == STRUCT:
        return struct_conforms(value, <PyObject*>(<Part>like).shape, timestamps)
    if kind == INT:
        if not PyLong_CheckExact(value):
            return False
        number = PyLong_AsLongLongAndOverflow(value, &overflow)
        return not overflow and (<Part>like).low <= number <= (<Part>like).high
    if kind == FLOAT:
        if PyFloat_CheckExact(value):
            real = PyFloat_AS_DOUBLE(value)
        elif PyLong_CheckExact(value):
            number = PyLong_AsLongLongAndOverflow(value, &overflow)
            if overflow or number > EXACT or number < -EXACT:
                return False
            real = <double>number
        else:
            return False
        return isfinite(real) and (<Part>like).least <= real <= (<Part>like).most
    if kind == TIMESTAMP:
        if not PyDateTime_CheckExact(value):
            return False
        if PyDateTime_DATE_GET_TZINFO(value) != PyDateTime_TimeZone_UTC:
            return False
        if PyDateTime_DATE_GET_MICROSECOND(value):
            if timestamps.count == MAX_TIMESTAMPS:
                return False
            timestamps.items[timestamps.count] = value
            timestamps.count += 1
        return True
    if kind == LIST:
        if not IS_LIST(value) or not IS_PRIVATE(value):
            return False
        size = LIST_SIZE(value)
        if not (<Part>like).low <= size <= (<Part>like).high:
            return False
        like = <PyObject*>(<Part>like).item
        for i in range(size):
            if not conforms(LIST_ITEM(value, i), like, timestamps):
                return False
        return True
    if kind == BOOL:
        return value == Py_True or value == Py_False
    return False


cdef inline void digits(char* end, int number) noexcept:
    """Write a number over the zeros before `end`."""
    while number:
        end -= 1
        end[0] = c'0' + number % 10
        number //= 10


cdef object round_timestamps(bytes data, Timestamps* timestamps):
    """Return encoded bytes with their timestamps rounded to `FRACTION_DIGITS`; None if in doubt.

    msgspec writes six digits. Each timestamp is found by its text, and it is a doubt if a string
    field contains the same text.
    """
    cdef char text[MAX_TIMESTAMPS][TIMESTAMP_SIZE]
    cdef const char* start = PyBytes_AS_STRING(data)
    cdef const char* end = start + PyBytes_GET_SIZE(data)
    cdef const char* p = start
    cdef const char* found
    cdef object result
    cdef char* to
    cdef char* out
    cdef int i, micro, place
    cdef Py_ssize_t size = end - start
    cdef PyObject* moment
    for i in range(timestamps.count):
        micro = PyDateTime_DATE_GET_MICROSECOND(timestamps.items[i])
        if micro >= 1000000 - HALF:
            return None
        size -= 6 - FRACTION_DIGITS if micro >= HALF else 7
    result = PyBytes_FromStringAndSize(NULL, size)
    to = out = PyBytes_AS_STRING(result)
    for i in range(timestamps.count):
        moment = timestamps.items[i]
        micro = PyDateTime_DATE_GET_MICROSECOND(moment)
        memcpy(text[i], b'"0000-00-00T00:00:00.000000Z"', TIMESTAMP_SIZE)
        digits(text[i] + 5, PyDateTime_GET_YEAR(moment))
        digits(text[i] + 8, PyDateTime_GET_MONTH(moment))
        digits(text[i] + 11, PyDateTime_GET_DAY(moment))
        digits(text[i] + 14, PyDateTime_DATE_GET_HOUR(moment))
        digits(text[i] + 17, PyDateTime_DATE_GET_MINUTE(moment))
        digits(text[i] + 20, PyDateTime_DATE_GET_SECOND(moment))
        digits(text[i] + 27, micro)
        found = find_timestamp(p, end, text[i], TIMESTAMP_SIZE)
        if found is NULL:
            return None
        memcpy(out, p, found + 20 - p)
        out += found + 20 - p
        micro = (micro + HALF) // UNIT
        if micro:
            out[0] = c'.'
            for place in range(FRACTION_DIGITS, 0, -1):
                out[place] = c'0' + micro % 10
                micro //= 10
            out += 1 + FRACTION_DIGITS
        memcpy(out, b'Z"', 2)
        out += 2
        p = found + TIMESTAMP_SIZE
    memcpy(out, p, end - p)
    for i in range(timestamps.count):
        if find_timestamp(to, to + size, text[i], TIMESTAMP_SIZE) is not NULL:
            return None
    return result
