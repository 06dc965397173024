# The fast path of `ocppj._core.leniency`, for the faults that stations show most: unknown fields,
# nulls, numbers as strings and the reverse, timestamps without a zone. The untyped payload is repaired
# in place, and msgspec converts it. Any other fault makes the conversion fail; then the reference
# reads the payload from the start.

from datetime import UTC as _UTC, datetime as _datetime

from ocppj.policy import SETTINGS as _SETTINGS, Violation as _Violation

cdef extern from "Python.h":
    bint PyDict_Next(object, Py_ssize_t*, PyObject**, PyObject**)
    bint PyUnicode_IS_ASCII_ "PyUnicode_IS_ASCII"(PyObject*)
    const char* PyUnicode_DATA_ "PyUnicode_DATA"(PyObject*)

cdef object UTC = _UTC
cdef object datetime_of = _datetime.fromisoformat
cdef object Violation = _Violation
cdef Py_ssize_t VIOLATION_RULE = slot_offset(_Violation.rule)
cdef Py_ssize_t VIOLATION_PATH = slot_offset(_Violation.path)
cdef Py_ssize_t VIOLATION_VALUE = slot_offset(_Violation.value)

DEF MAX_SUSPECTS = 64
DEF NUMBER_SIZE = 18  # digits and sign; any number of this length fits 64 bits


cdef enum Setting:
    REJECT, REPORT, ACCEPT


cdef struct Tolerances:
    # A policy's settings for the rules of this file.
    Setting unknown_field, null, number_form, timestamp


cdef struct Repair:
    # The state while one payload is repaired. Borrowed references.
    Tolerances* tolerances
    PyObject* zone
    PyObject* hook  # for free-form values
    PyObject* violations


cdef struct Step:
    # The last step of a JSON path: a key, or NULL and an index.
    Step* outer
    PyObject* key
    Py_ssize_t index


cdef struct Suspect:
    # A field whose value needs a closer look. Borrowed references.
    PyObject* key
    PyObject* value
    PyObject* part


assert _SETTINGS == ("reject", "report", "accept")


cdef Setting setting_of(str name):
    return <Setting><int>_SETTINGS.index(name)


cdef Tolerances tolerances_of(object policy):
    cdef Tolerances found
    found.unknown_field = setting_of(policy.unknown_field)
    found.null = setting_of(policy.null)
    found.number_form = setting_of(policy.number_form)
    found.timestamp = setting_of(policy.timestamp)
    return found


cdef PyObject* part_named(Shape shape, PyObject* key, Py_ssize_t* expected) noexcept:
    """Return the part of the field with this key; NULL if there is none or the key is not ASCII.

    Most stations send fields in the order of the type, so the search starts at the expected one.
    """
    cdef Py_ssize_t count = PyList_GET_SIZE(shape.parts), size = PyUnicode_GET_LENGTH_(key), i, at
    cdef PyObject* wire
    cdef PyObject* part
    if not PyUnicode_IS_ASCII_(key):
        return NULL
    at = expected[0]
    for i in range(count):
        if at >= count:
            at = 0
        part = <PyObject*>PyList_GET_ITEM(shape.parts, at)
        at += 1
        wire = <PyObject*>(<Part>part).wire
        if PyUnicode_GET_LENGTH_(wire) == size and memcmp(PyUnicode_DATA_(wire), PyUnicode_DATA_(key), size) == 0:
            expected[0] = at
            return part
    return NULL


cdef bint may_be_misspelt(Shape shape, PyObject* key) noexcept:
    """Tell whether a key may be that of a field in another case, or with white space around it."""
    cdef Py_ssize_t size = PyUnicode_GET_LENGTH_(key), i, n
    cdef PyObject* wire
    cdef const char* p
    cdef const char* name
    if not PyUnicode_IS_ASCII_(key):
        return True
    p = PyUnicode_DATA_(key)
    if size and (p[0] <= c' ' or p[size - 1] <= c' '):
        return True
    for i in range(PyList_GET_SIZE(shape.parts)):
        wire = <PyObject*>(<Part>PyList_GET_ITEM(shape.parts, i)).wire
        if PyUnicode_GET_LENGTH_(wire) == size:
            name = PyUnicode_DATA_(wire)
            n = 0
            # The two cases of a letter differ in this bit.
            while n < size and p[n] | 0x20 == name[n] | 0x20:
                n += 1
            if n == size:
                return True
    return False


cdef str path_of(Step* step):
    if step is NULL:
        return "$"
    if step.key is NULL:
        return f"{path_of(step.outer)}[{step.index}]"
    return f"{path_of(step.outer)}.{<str>step.key}"


cdef bint tolerate(Repair* repair, Setting setting, str rule, Step* path, object value) except -1:
    """Tell whether the policy tolerates a fault, and report the fault if it says so."""
    if setting == REPORT:
        violation = PyType_GenericAlloc(<PyTypeObject*>Violation, 0)
        set_slot(violation, VIOLATION_RULE, rule)
        set_slot(violation, VIOLATION_PATH, path_of(path))
        set_slot(violation, VIOLATION_VALUE, value)
        (<list>repair.violations).append(violation)
    return setting != REJECT


cdef bint is_number(PyObject* text) noexcept:
    """Tell whether a string is a short number in plain digits: `12`, `-3`, `230.5`."""
    cdef Py_ssize_t size = PyUnicode_GET_LENGTH_(text), i = 0
    cdef const char* p
    cdef bint fraction = False
    if not PyUnicode_IS_ASCII_(text) or not 0 < size <= NUMBER_SIZE:
        return False
    p = PyUnicode_DATA_(text)
    if p[0] == c'-':
        i = 1
    if i == size or p[i] == c'.' or p[size - 1] == c'.':
        return False
    while i < size:
        if p[i] == c'.' and not fraction:
            fraction = True
        elif not c'0' <= p[i] <= c'9':
            return False
        i += 1
    return True


cdef bint has_no_zone(PyObject* text) noexcept:
    """Tell whether a string has the form `2026-01-31T12:00:00`, with a fraction or without."""
    cdef const char* form = b"0000-00-00T00:00:00.000000"
    cdef Py_ssize_t size = PyUnicode_GET_LENGTH_(text), i
    cdef const char* p
    if not PyUnicode_IS_ASCII_(text) or not 19 <= size <= 26 or size == 20:
        return False
    p = PyUnicode_DATA_(text)
    for i in range(size):
        if not c'0' <= p[i] <= c'9' if form[i] == c'0' else p[i] != form[i]:
            return False
    return True


cdef bint is_suspect(PyObject* value, Part part) noexcept:
    """Tell whether a value needs a closer look. msgspec checks all others."""
    cdef int kind = part.kind
    if kind == STR:
        return PyLong_CheckExact(value) or PyFloat_CheckExact(value)
    if kind == INT:
        return PyUnicode_CheckExact_(value) or PyFloat_CheckExact(value)
    if kind == FLOAT:
        return PyUnicode_CheckExact_(value)
    if kind == TIMESTAMP:
        return PyUnicode_CheckExact_(value) and has_no_zone(value)
    if kind == LIST:
        return PyList_CheckExact(<object>value)
    return kind == STRUCT or kind == OTHER


cdef object repaired(object value, Part part, Step* path, Repair* repair):
    """Return the repaired form of a suspect value, or None if in doubt."""
    cdef Setting setting = repair.tolerances.number_form
    cdef str rule = "number_form"
    cdef int kind = part.kind
    if kind == LIST:
        return value if repair_list(<list>value, part.item, path, repair) else None
    if kind == STRUCT:
        if not PyDict_CheckExact(value) or not repair_struct(<dict>value, part.shape, path, repair):
            return None
        return value
    if kind == OTHER:
        return (<object>repair.hook)(part.cls, value)
    if kind == TIMESTAMP:
        setting, rule = repair.tolerances.timestamp, "timestamp"
        if <object>repair.zone is UTC:
            new = <str>value + "Z"
        else:
            new = datetime_of(value).replace(tzinfo=<object>repair.zone)
    elif kind == STR:
        new = _encode(value).decode()
    elif PyFloat_CheckExact(<PyObject*>value):
        if not (-EXACT <= <double>value <= EXACT and (<object>value).is_integer()):
            return None
        new = int(value)
    elif not is_number(<PyObject*>value):
        return None
    elif kind == INT or "." not in <str>value:
        new = int(value)
    else:
        new = float(value)
    return new if tolerate(repair, setting, rule, path, value) else None


cdef bint repair_list(list items, Part part, Step* path, Repair* repair) except -1:
    """Repair the items of a list in place. Return False if in doubt."""
    cdef Step step
    cdef Py_ssize_t i
    step.outer = path
    step.key = NULL
    for i in range(len(items)):
        item = items[i]
        if is_suspect(<PyObject*>item, part):
            step.index = i
            new = repaired(item, part, &step, repair)
            if new is None:
                return False
            if new is not item:
                items[i] = new
    return True


cdef bint repair_struct(dict value, Shape shape, Step* path, Repair* repair) except -1:
    """Repair an object in place. Return False if in doubt.

    Violations have the order of the reference: first those of keys, then those of values, in the order
    of the type's fields.
    """
    cdef Suspect suspects[MAX_SUSPECTS]
    cdef Step step
    cdef Py_ssize_t position = 0, expected = 0, count = 0, i
    cdef PyObject* key
    cdef PyObject* item
    cdef PyObject* part
    cdef bint tolerated
    cdef list surplus = None
    if not shape.repairable:
        return False
    step.outer = path
    while PyDict_Next(value, &position, &key, &item):
        step.key = key
        part = part_named(shape, key, &expected)
        if part is NULL or item == Py_None and not (<Part>part).nullable:
            if part is not NULL:
                tolerated = tolerate(repair, repair.tolerances.null, "null", &step, None)
            elif may_be_misspelt(shape, key):
                return False
            else:
                tolerated = tolerate(
                    repair, repair.tolerances.unknown_field, "unknown_field", &step, <object>item)
            if not tolerated:
                return False
            if surplus is None:
                surplus = []
            surplus.append(<object>key)
        elif is_suspect(item, <Part>part):
            if count == MAX_SUSPECTS:
                return False
            # Insert in the order of the type's fields.
            i = count
            while i and (<Part>suspects[i - 1].part).order > (<Part>part).order:
                suspects[i] = suspects[i - 1]
                i -= 1
            suspects[i] = Suspect(key, item, part)
            count += 1
    if surplus is not None:
        for name in surplus:
            del value[name]
    for i in range(count):
        step.key = suspects[i].key
        new = repaired(<object>suspects[i].value, <Part>suspects[i].part, &step, repair)
        if new is None:
            return False
        if <PyObject*>new != suspects[i].value:
            value[<object>step.key] = new
    return True
