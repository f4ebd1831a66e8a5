#!/usr/bin/env python3
"""Writes libs/model/tokenizer/pretokenizer_golden.h: how the `regex` module cuts texts by the patterns of published models.

    python3 tests/golden/pretokenizer.py > libs/model/tokenizer/pretokenizer_golden.h
"""
import random

import regex

GPT2 = r"""'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""
LLAMA3 = (
    r"""(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|"""
    r"""\s*[\r\n]+|\s+(?!\S)|\s+"""
)
SPLITS = {  # in the order of enum sam_split
    "SAM_SPLIT_GPT2": GPT2,
    "SAM_SPLIT_LLAMA3": LLAMA3,
    "SAM_SPLIT_QWEN2": LLAMA3.replace("{1,3}", ""),
    "SAM_SPLIT_DIGIT": r"\p{N}",
    "SAM_SPLIT_DIGITS": r"\p{N}+",
    "SAM_SPLIT_PUNCTUATION": r"[\p{P}\$\+<=>\^~\|]+",
    "SAM_SPLIT_PUNCTUATION_FALCON": r"[\p{P}\$\+<=>\^~\|`]+",
    "SAM_SPLIT_THREE_DIGITS": r"[0-9][0-9][0-9]",
}
CHOSEN = [
    "I'm sure we'll, they'RE not; it'S 'Tis y'all'd've 'LL 'x '",
    "  two  spaces   and\ttabs\t\tend  ",
    "line\r\n\r\n  indented\n\n\tdeeper \n ",
    " 1 22 333 4444 55555 \u00bd\u00b2\u0663 3.14 1,000,000",
    "don\u2019t \u017f '\u017f O'\u017fullivan",
    "!!! ... --- $5+5=10 <a|b>^~ `code` \u00ab\u00bb\u2014\u3002",
    "\u041f\u0440\u0438\u0432\u0435\u0442 \u4f60\u597d\u4e16\u754c \u1780\u17b6\u1793\u17cb \ud55c\uad6d\uc5b4",
    "\u00a0nbsp\u2003em\u3000wide\u0085next\u2028line\u200bzero",
    "\U0001f999\U0001f680 (ok)\n\n\n \U0001f636\u200d\U0001f32b\ufe0f  x",
    "e\u0301 a\u0300\u0323 n\u0303o",
    " \n \n\n x\n  y",
    "\x00\x01\x1c\x1f control\x7f",
]
ALPHABETS = [
    "aZbsStTmMdDlLrReEvV",
    "''' ",
    " \t\n\r\u00a0\u3000",
    "0123456789\u00bd\u0663",
    "!?.-<=>$`~^|+",
    "\u00e9\u00df\u017f\u043d\u4e2d\u0301\U0001f999",
]


def lengths(pattern, text):
    """Byte lengths of the matches and of what lies between them."""
    cuts = [0]
    for match in regex.finditer(pattern, text):
        cuts += [match.start(), match.end()]
    cuts = sorted(set(cuts + [len(text)]))
    return [len(text[a:b].encode()) for a, b in zip(cuts, cuts[1:])]


def texts():
    generator = random.Random(20251)
    yield from CHOSEN
    for _ in range(60):
        count = generator.randint(1, 24)
        yield "".join(generator.choice(generator.choice(ALPHABETS)) for _ in range(count))


def literal(text):
    """A C string, in parts that fit a line."""
    escaped = [f"\\{byte:03o}" if not 32 <= byte < 127 or chr(byte) in '"\\?' else chr(byte) for byte in text.encode()]
    parts = ["".join(escaped[at : at + 26]) for at in range(0, len(escaped), 26)]
    return "\n     ".join(f'"{part}"' for part in parts)


def wrapped(lists):
    """The lists of lengths, as many to a line as fit."""
    lines, line = [], "     "
    for item in lists:
        if len(line) + len(item) > 116:
            lines.append(line)
            line = "     "
        line += " " + item + ","
    return "\n".join(lines + [line])


def main():
    print("/* Written by tests/golden/pretokenizer.py with Python's regex module. Do not edit. */")
    print("/* clang-format off */")
    print("static const struct {\n    const char *text;\n    size_t length;")
    print("    uint8_t pieces[SAM_SPLIT_COUNT][64]; /* for each split, the lengths in bytes, then 0 */\n} GOLDEN[] = {")
    for text in texts():
        pieces = [lengths(pattern, text) for pattern in SPLITS.values()]
        assert max(map(len, pieces)) < 64
        print(f"    {{{literal(text)}, {len(text.encode())}, {{")
        print(wrapped("{" + ",".join(map(str, row)) + "}" for row in pieces))
        print("    }},")
    print("};")


main()
