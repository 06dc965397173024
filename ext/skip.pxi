# Skip over JSON without decoding it. The functions return the end of a value only if it is
# certainly valid, else NULL. Escapes by code point, text that is not ASCII, exponents and deep
# nesting are left to the reference. There is no recursion.

DEF MAX_LEVELS = 24  # an array on the C stack; deeper values are left to the reference


cdef inline Py_ssize_t count_brackets(const char* p, const char* end) noexcept nogil:
    """Return how many brackets open: no value nests deeper."""
    cdef Py_ssize_t count = 0
    while p < end:
        count += p[0] & 0xDF == c'['  # the letters [ and { differ in one bit
        p += 1
    return count


cdef inline const char* past_space(const char* p, const char* end) noexcept nogil:
    while p < end and (p[0] == c' ' or p[0] == c'\n' or p[0] == c'\r' or p[0] == c'\t'):
        p += 1
    return p


cdef inline const char* past_text(const char* p, const char* end) noexcept nogil:
    """Return what follows the string whose first character is at `p`; NULL if in doubt."""
    cdef unsigned char c
    cdef uint64_t word
    while True:
        # Eight characters at once while none is special; then skip to the first special one.
        while end - p >= 8:
            memcpy(&word, p, 8)
            word = specials(word)
            if word:
                p += first_byte(word)
                break
            p += 8
        if p >= end:
            return NULL
        c = <unsigned char>p[0]
        if c == c'"':
            return p + 1
        if c < 0x20 or c > 0x7F:
            return NULL
        if c == c'\\':
            p += 1
            if p >= end or memchr(b'"\\/bfnrt', p[0], 8) is NULL:
                return NULL
        p += 1


cdef extern from *:
    """
    #if defined(__GNUC__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    #define first_byte(bits) (__builtin_ctzll(bits) >> 3)
    #else
    #define first_byte(bits) 0  /* correct, but slower */
    #endif
    """
    int first_byte(uint64_t) noexcept nogil


cdef inline uint64_t specials(uint64_t word) noexcept nogil:
    """Return a bit for each of eight bytes that is a quote, a backslash, a control or not ASCII.

    Only the first bit is reliable.
    """
    cdef uint64_t ones = <uint64_t>0x0101010101010101
    cdef uint64_t quote = word ^ (ones * 0x22)
    cdef uint64_t slash = word ^ (ones * 0x5C)
    cdef uint64_t found = (quote - ones) | (slash - ones) | (word - ones * 0x20) | word
    return found & (ones * 0x80)


cdef inline bint is_digit(const char* p, const char* end) noexcept nogil:
    return p < end and c'0' <= p[0] <= c'9'


cdef inline const char* past_number(const char* p, const char* end) noexcept nogil:
    if p[0] == c'-':
        p += 1
    if not is_digit(p, end):
        return NULL
    if p[0] == c'0':
        p += 1
    else:
        while is_digit(p, end):
            p += 1
    if p < end and p[0] == c'.':
        p += 1
        if not is_digit(p, end):
            return NULL
        while is_digit(p, end):
            p += 1
    if p < end and (p[0] == c'e' or p[0] == c'E'):
        return NULL
    return p


cdef extern from *:
    """
    /* Count what may be the start of an exponent: a digit, an e, and a digit or a sign. There are no
       branches, so that the compiler can vectorize the loop. */
    static Py_ssize_t count_exponents(const char *text, Py_ssize_t size) {
        const unsigned char *p = (const unsigned char *)text;
        Py_ssize_t found = 0;
        for (Py_ssize_t i = 1; i < size - 1;) {
            Py_ssize_t stop = size - 1 - i > 255 ? i + 255 : size - 1;
            unsigned char some = 0;
            for (; i < stop; i++) {
                some += (unsigned char)((p[i] | 0x20) == 'e')
                    & (unsigned char)((unsigned char)(p[i - 1] - '0') < 10)
                    & (unsigned char)((unsigned char)(p[i + 1] - '+') <= '9' - '+');
            }
            found += some;
        }
        return found;
    }
    """
    Py_ssize_t count_exponents(const char*, Py_ssize_t) noexcept nogil


cdef inline bint too_many_exponents(const char* p, Py_ssize_t size) noexcept nogil:
    """Return whether a frame may have too many numbers that are expensive to decode.

    Text in strings is counted too. The reference, `ocppj._core.exponents`, leaves it out.
    """
    return size > SEARCHED_SIZE and count_exponents(p, size) > MAX_EXPONENTS


cdef inline const char* past_word(const char* p, const char* end, const char* word, int size) noexcept nogil:
    return p + size if end - p >= size and memcmp(p, word, size) == 0 else NULL


cdef inline const char* past_key(const char* p, const char* end) noexcept nogil:
    """Return what follows a key and its colon; NULL if in doubt."""
    p = past_space(p, end)
    if p >= end or p[0] != c'"':
        return NULL
    p = past_text(p + 1, end)
    if p is NULL:
        return NULL
    p = past_space(p, end)
    return p + 1 if p < end and p[0] == c':' else NULL


cdef const char* past_value(const char* p, const char* end) noexcept nogil:
    """Return what follows the value at `p`; NULL if in doubt."""
    cdef char closing[MAX_LEVELS]
    cdef int level = 0
    while True:
        p = past_space(p, end)
        if p >= end:
            return NULL
        if p[0] == c'{' or p[0] == c'[':
            if level == MAX_LEVELS:
                return NULL
            closing[level] = p[0] + 2  # in ASCII, } is { + 2, and ] is [ + 2
            level += 1
            p = past_space(p + 1, end)
            if p < end and p[0] == closing[level - 1]:
                pass
            elif closing[level - 1] == c'}':
                p = past_key(p, end)
                if p is NULL:
                    return NULL
                continue
            else:
                continue
        else:
            if p[0] == c'"':
                p = past_text(p + 1, end)
            elif p[0] == c't':
                p = past_word(p, end, b"true", 4)
            elif p[0] == c'f':
                p = past_word(p, end, b"false", 5)
            elif p[0] == c'n':
                p = past_word(p, end, b"null", 4)
            else:
                p = past_number(p, end)
            if p is NULL:
                return NULL
        # After a value, or at the end of an empty container.
        while level:
            p = past_space(p, end)
            if p >= end:
                return NULL
            if p[0] == closing[level - 1]:
                p += 1
                level -= 1
            elif p[0] == c',':
                p += 1
                break
            else:
                return NULL
        if not level:
            return p
        if closing[level - 1] == c'}':
            p = past_key(p, end)
            if p is NULL:
                return NULL
