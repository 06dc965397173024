# Copy a payload that another thread could change while it is checked and encoded: on a free-threaded
# CPython, a payload to which another thread has a reference. msgspec reads fields without a lock, and
# crashes when one is set meanwhile. With a GIL nothing is copied.
#
# Structs, lists and dictionaries are copied, each as it is at one moment. Nothing else that a payload
# may hold can change. An object that does not fit its type is not copied: the reference rejects it.

cdef extern from *:
    """
    #if PY_VERSION_HEX < 0x030D0000
    #define Py_BEGIN_CRITICAL_SECTION(object) {
    #define Py_END_CRITICAL_SECTION() }
    #endif
    /* Copy the slots of a Struct to a new one, under the lock that setting a field takes. */
    static void copy_slots(PyObject *from, PyObject *to, Py_ssize_t first, Py_ssize_t count) {
        PyObject **source = &FIELD(from, first), **target = &FIELD(to, first);
        Py_BEGIN_CRITICAL_SECTION(from);
        for (Py_ssize_t i = 0; i < count; i++) target[i] = Py_XNewRef(source[i]);
        Py_END_CRITICAL_SECTION();
    }
    """
    void copy_slots(PyObject*, PyObject*, Py_ssize_t, Py_ssize_t)
    object copy_list "PyList_GetSlice"(PyObject*, Py_ssize_t, Py_ssize_t)
    Py_ssize_t PY_SSIZE_T_MAX
    void Py_DECREF_ "Py_DECREF"(PyObject*)


DEF MAX_NESTING = 64  # the reference rejects what nests that deep


cdef object snapshot_struct(object value, Shape shape, int depth=0):
    """Return a copy of a Struct and of what is in it."""
    cdef PyObject* item
    cdef Part part
    if type(value) is not shape.cls or shape.first < 0 or depth > MAX_NESTING:
        return value
    copy = PyType_GenericAlloc(<PyTypeObject*>shape.cls, 0)
    copy_slots(<PyObject*>value, <PyObject*>copy, shape.first, len(shape.parts))
    for part in shape.parts:
        if part.kind == STRUCT or part.kind == LIST or part.kind == OTHER:
            item = FIELD(<PyObject*>copy, part.offset)
            if item is not NULL and item != Py_None:
                set_slot(copy, part.offset, snapshot(<object>item, part, depth + 1))
                Py_DECREF_(item)
    return copy


cdef object snapshot(object value, Part part, int depth):
    """Return a copy of the value of a field or item and of what is in it."""
    cdef Py_ssize_t i
    cdef list items
    if part.kind == STRUCT:
        return snapshot_struct(value, part.shape, depth)
    if part.kind == OTHER:
        return snapshot_json(value, depth)
    if part.kind != LIST or type(value) is not list or depth > MAX_NESTING:
        return value
    items = copy_list(<PyObject*>value, 0, PY_SSIZE_T_MAX)
    if part.item.kind == STRUCT or part.item.kind == LIST or part.item.kind == OTHER:
        for i in range(len(items)):
            items[i] = snapshot(items[i], part.item, depth + 1)
    return items


cdef object snapshot_json(object value, int depth):
    """Return a copy of a free-form value and of what is in it."""
    cdef Py_ssize_t i
    cdef list items
    cls = type(value)
    if depth > MAX_NESTING:
        return value
    if cls is list:
        items = copy_list(<PyObject*>value, 0, PY_SSIZE_T_MAX)
        for i in range(len(items)):
            items[i] = snapshot_json(items[i], depth + 1)
        return items
    if cls is not dict and cls is not _CustomData:
        return value
    copy = cls(value)
    for key, item in copy.items():
        copy[key] = snapshot_json(item, depth + 1)
    return copy
