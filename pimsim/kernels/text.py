"""Text to integers: rows of whole numbers and known words, as trace files have them.

A trace of ten million requests is 300 MB of text, and reading it must not take longer than simulating it. So the bytes are
scanned once here; everything about files, headers and messages is in ``pimsim.dram.table_file``.
"""

from __future__ import annotations

from pimsim.kernels.jit import inline, jit
from pimsim.kernels.request_word import offset, pointer

# Kinds of a field.
NUMBER, WORD = range(2)

# What is wrong with a row.
FINE, MISSING, EXTRA, NOT_A_NUMBER, TOO_LARGE, UNKNOWN_WORD = range(6)

STATUS = 6
"""Length of a status: [what is wrong, line, field, byte of the field, its end, rows read]."""

_NEWLINE, _RETURN, _MINUS, _ZERO, _NINE, _X = 10, 13, 45, 48, 57, 120
_SPACE, _TAB, _COMMA, _HASH = 32, 9, 44, 35
_LIMIT = (1 << 62) // 16
_PLAIN_DIGITS = 17


@inline
def _number(text, begin, end):
    """(value, what is wrong) of the digits ``begin`` .. ``end``: decimal with an optional minus, or 0x and hexadecimal."""
    at = begin
    negative = at < end and text[at] == _MINUS
    if negative:
        at += 1
    base = 10
    if end - at > 2 and text[at] == _ZERO and text[at + 1] | 32 == _X:
        base = 16
        at += 2
    if at == end:
        return 0, NOT_A_NUMBER
    value = 0
    while at < end:
        digit = int(text[at]) - _ZERO
        if base == 16 and digit > 9:
            digit = (int(text[at]) | 32) - 87
            if digit < 10:
                return 0, NOT_A_NUMBER
        if digit < 0 or digit >= base:
            return 0, NOT_A_NUMBER
        if value > _LIMIT:
            return 0, TOO_LARGE
        value = value * base + digit
        at += 1
    return (-value if negative else value), FINE


@inline
def _word(text, begin, end, words, lengths):
    """Index of the word ``begin`` .. ``end``, or -1."""
    length = end - begin
    for w in range(lengths.size):
        if lengths[w] == length:
            same = True
            for i in range(length):
                if words[w, i] != text[begin + i]:
                    same = False
                    break
            if same:
                return w
    return -1


@inline
def _plain_row(text, at, end, separator, kinds, columns, fields, words, lengths, out):
    """Read one row that is as rows nearly always are: decimal numbers and words, one separator between them, a newline behind.

    ``text``, ``kinds``, ``columns`` and ``out`` (the row's values) are pointers. Returns the place behind the row, or -1: it is not such
    a row, and something may have been written to ``out``.
    """
    for field in range(fields):
        begin = at
        if kinds[field] == WORD:
            while at < end and text[at] != separator and text[at] > _SPACE:
                at += 1
            value = _word(text, begin, at, words, lengths)
            if value < 0:
                return -1
        else:
            value = 0
            while at < end:
                digit = int(text[at]) - _ZERO
                if digit < 0 or digit > 9:
                    break
                value = value * 10 + digit
                at += 1
            if at == begin or at - begin > _PLAIN_DIGITS:
                return -1
        out[columns[field]] = value
        if at >= end or text[at] != (separator if field < fields - 1 else _NEWLINE):
            return -1
        at += 1
    return at


@jit
def parse_rows(text, separator, kinds, columns, words, lengths, line, out, status):
    """Read the rows of ``text`` (uint8, whole lines) into ``out`` (int64 [rows, columns + 1]; last: the row's line number).

    Args:
        separator: byte between fields; a space stands for any run of spaces and tabs.
        kinds: int64 [fields], NUMBER or WORD.
        columns: int64 [fields], the column of ``out`` that a field goes to.
        words, lengths: uint8 [words, longest] and int64 [words]: the known words.
        line: number of the first line.
        status: int64 [STATUS], filled in; reading stops at the first row that is wrong. Empty lines and lines
            that begin with # are skipped, and blanks around fields.

    Returns:
        The number of the line behind the last.
    """
    at = 0
    rows = 0
    fields = kinds.size
    width = out.shape[1]
    characters, values, kind_of, column_of = pointer(text), pointer(out), pointer(kinds), pointer(columns)
    status[0] = FINE
    while at < text.size:
        row = offset(values, rows * width)
        plain = _plain_row(characters, at, text.size, separator, kind_of, column_of, fields, words, lengths, row)
        if plain >= 0:
            row[width - 1] = line
            rows += 1
            line += 1
            at = plain
            continue
        end = at
        while end < text.size and text[end] != _NEWLINE:
            end += 1
        behind = end + 1
        while end > at and (text[end - 1] == _RETURN or text[end - 1] == _SPACE or text[end - 1] == _TAB):
            end -= 1
        while at < end and (text[at] == _SPACE or text[at] == _TAB):
            at += 1
        if at < end and text[at] != _HASH:
            field = 0
            while True:
                stop = at
                while stop < end and text[stop] != separator and (separator != _SPACE or text[stop] != _TAB):
                    stop += 1
                close = stop
                while close > at and (text[close - 1] == _SPACE or text[close - 1] == _TAB):
                    close -= 1
                problem = FINE
                if field == fields:
                    problem = EXTRA
                elif kinds[field] == WORD:
                    value = _word(text, at, close, words, lengths)
                    out[rows, columns[field]] = value
                    if value < 0:
                        problem = UNKNOWN_WORD
                else:
                    out[rows, columns[field]], problem = _number(text, at, close)
                if problem != FINE:
                    status[:] = (problem, line, field, at, close, rows)
                    return line
                field += 1
                if stop == end:
                    break
                at = stop + 1
                while at < end and (text[at] == _SPACE or text[at] == _TAB):
                    at += 1
            if field < fields:
                status[:] = (MISSING, line, field, end, end, rows)
                return line
            out[rows, width - 1] = line
            rows += 1
        line += 1
        at = behind
    status[5] = rows
    return line


@inline
def _put_number(out, at, value):
    """Write a number at ``at``; returns the place behind it."""
    if value < 0:
        out[at] = _MINUS
        at += 1
        value = -value
    digits = 1
    rest = value // 10
    while rest > 0:
        digits += 1
        rest //= 10
    for i in range(digits - 1, -1, -1):
        out[at + i] = _ZERO + value % 10
        value //= 10
    return at + digits


@jit
def format_rows(rows, fields, word_field, words, lengths, out):
    """Write the first ``fields`` columns of ``rows`` (int64) as comma-separated lines into ``out`` (uint8, long enough).

    The values of ``word_field`` (or -1) are indices of ``words``. Returns the number of bytes written.
    """
    at = 0
    for r in range(rows.shape[0]):
        for f in range(fields):
            if f == word_field:
                w = rows[r, f]
                for i in range(lengths[w]):
                    out[at] = words[w, i]
                    at += 1
            else:
                at = _put_number(out, at, rows[r, f])
            out[at] = _COMMA if f < fields - 1 else _NEWLINE
            at += 1
    return at
