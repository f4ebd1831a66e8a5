#!/usr/bin/env python3
"""Writes libs/model/tokenizer/unicode_tables.c from Python's unicodedata.

    python3 tests/golden/unicode_tables.py > libs/model/tokenizer/unicode_tables.c
    python3 tests/golden/unicode_tables.py --digests       # the figures in libs/model/tokenizer/unicode_test.c

Ranges of the general categories L, N and P, the combining classes, and the canonical decompositions that NFC needs.
The Unicode version is that of the Python that runs it, and is named in the file.
"""
import hashlib
import sys
import unicodedata

LAST = 0x10FFFF


def ranges(key):
    """[(first, last, value)] over all code points with a true key."""
    found = []
    for point in range(LAST + 1):
        value = key(chr(point))
        if not value:
            continue
        if found and found[-1][1] == point - 1 and found[-1][2] == value:
            found[-1][1] = point
        else:
            found.append([point, point, value])
    return found


def table(kind, name, rows):
    print(f"\nconst {kind} {name}[] = {{")
    line = "    "
    for row in rows:
        item = str(row) + "," if isinstance(row, int) else "{" + ",".join(f"{value:#x}" for value in row) + "},"
        if len(line) + len(item) > 120:
            print(line)
            line = "    "
        line += item
    print(line)
    print("};")
    print(f"const size_t {name}_count = sizeof {name} / sizeof *{name};")


def category(letter):
    return [row[:2] for row in ranges(lambda char: unicodedata.category(char)[0] == letter)]


def is_hangul_syllable(point):
    return 0xAC00 <= point <= 0xD7A3


def decompositions():
    """(composed, first, second or 0), without Hangul, which is arithmetic."""
    for point in range(LAST + 1):
        text = unicodedata.decomposition(chr(point))
        if not text or text.startswith("<") or is_hangul_syllable(point):
            continue
        parts = [int(part, 16) for part in text.split()]
        yield point, parts[0], parts[1] if len(parts) > 1 else 0


def compositions(rows):
    """The places of the decompositions that NFC undoes, sorted by (first, second)."""
    places = [i for i, row in enumerate(rows) if unicodedata.normalize("NFC", chr(row[0])) == chr(row[0])]
    return sorted(places, key=lambda i: rows[i][1:])


def digests():
    """What the tables must say of all of Unicode, by the functions of Python and not by the tables."""
    for letter in "LNP":
        points = [point for point in range(LAST + 1) if unicodedata.category(chr(point))[0] == letter]
        print(letter, len(points), sum(points))
    digest = hashlib.blake2b(digest_size=32)
    for point in range(LAST + 1):
        if not 0xD800 <= point <= 0xDFFF:
            text = f"a{chr(point)}\u0327{chr(point)}\u0301\u1161\u11a8"
            digest.update(unicodedata.normalize("NFC", text).encode())
    print("NFC", digest.hexdigest())


def main():
    if sys.argv[1:] == ["--digests"]:
        return digests()
    print(f"/* Written by tests/golden/unicode_tables.py from Unicode {unicodedata.unidata_version}. Do not edit. */")
    print("/* clang-format off */")
    print('#include "model/tokenizer/unicode_tables.h"')
    table("sam_unicode_range", "sam_unicode_letters", category("L"))
    table("sam_unicode_range", "sam_unicode_numbers", category("N"))
    table("sam_unicode_range", "sam_unicode_punctuation", category("P"))
    table("sam_unicode_class", "sam_unicode_combining", ranges(unicodedata.combining))
    decomposed = list(decompositions())
    table("sam_unicode_decomposition", "sam_unicode_decompositions", decomposed)
    table("uint16_t", "sam_unicode_compositions", compositions(decomposed))
    return 0


if __name__ == "__main__":
    sys.exit(main())
