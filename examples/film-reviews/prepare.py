#!/usr/bin/env python3
"""Makes train.tsv, dev.tsv and test.tsv from the film review snippets of the VADER sentiment data.

    python3 prepare.py --out DIR movieReviewSnippets_GroundTruth.txt

Each line of the input is `id TAB mean rating from -4 to 4 TAB text`. A sentence gets label 1 for a rating above zero
and 0 below; ratings nearer to zero than 0.5 are left out. Of sentences that are equal but for case, spaces and
punctuation only the one with the smallest id is kept, and none where their labels differ, so that no sentence stands in
two splits. The order of the SHA-256 of the ids decides the split: the first go to test, the next to dev, the rest to
train.

The same input gives the same bytes on every machine. Needs Python 3.8 and nothing else.
"""

import argparse
import hashlib
import math
import os
import re
import sys
import tempfile
import unicodedata
from typing import NamedTuple

INPUT_SHA256 = "c8293b0d942e90e223ea2c0955d969040d1a1be514a978b9af0698940bd13350"
NEUTRAL_BELOW = 0.5
CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


class Refused(Exception):
    """The input is not what this script knows how to read; the text says why."""


class Sentence(NamedTuple):
    id: int
    rating: float
    text: str

    @property
    def label(self):
        return 1 if self.rating > 0 else 0


def parse(content, name):
    """The sentences of the file, in its order."""
    try:
        lines = content.decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise Refused(f"{name}: byte {error.start} is not UTF-8") from error
    if lines[-1] == "":
        lines.pop()
    sentences, seen = [], set()
    for number, line in enumerate(lines, 1):
        sentence = parse_line(line.rstrip("\r"), f"{name}:{number}")
        if sentence.id in seen:
            raise Refused(f"{name}:{number}: id {sentence.id} stands in the file twice")
        seen.add(sentence.id)
        sentences.append(sentence)
    return sentences


def parse_line(line, where):
    columns = line.split("\t", 2)
    if len(columns) != 3:
        raise Refused(f"{where}: {len(columns)} columns, and id, rating and text make 3")
    if not re.fullmatch("[0-9]+", columns[0]):
        raise Refused(f"{where}: the id {columns[0]!r} is not a whole number")
    try:
        rating = float(columns[1])
    except ValueError:
        rating = math.nan
    if not math.isfinite(rating):
        raise Refused(f"{where}: the rating {columns[1]!r} is not a number")
    return Sentence(int(columns[0]), rating, CONTROLS.sub(" ", columns[2]).strip())


def normalised(text):
    """What two sentences have in common when they differ in case, spaces and punctuation only."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(re.findall(r"[^\W_]+", folded))


def select(sentences):
    """The sentences to use, by id, and how many were left out for which reason."""
    groups = {}
    left_out = {"neutral": 0, "empty": 0, "duplicate": 0, "conflicting": 0}
    for sentence in sorted(sentences):
        key = normalised(sentence.text)
        if abs(sentence.rating) < NEUTRAL_BELOW:
            left_out["neutral"] += 1
        elif not key:
            left_out["empty"] += 1
        else:
            groups.setdefault(key, []).append(sentence)
    used = []
    for group in groups.values():
        if len({sentence.label for sentence in group}) > 1:
            left_out["conflicting"] += len(group)
        else:
            left_out["duplicate"] += len(group) - 1
            used.append(group[0])
    return used, left_out


def split(sentences, dev, test):
    """Three lists by the order of the hashes of the ids, which no one chose."""
    if len(sentences) <= dev + test:
        raise Refused(f"{len(sentences)} usable sentences are too few for {test} of test and {dev} of dev")
    ordered = sorted(sentences, key=lambda sentence: hashlib.sha256(str(sentence.id).encode("ascii")).digest())
    return {"train": ordered[test + dev :], "dev": ordered[test : test + dev], "test": ordered[:test]}


def as_tsv(sentences):
    rows = [f"{sentence.text}\t{sentence.label}\n" for sentence in sentences]
    return ("text\tlabel\n" + "".join(rows)).encode("utf-8")


def write(path, content):
    """A reader sees the old file or the new one, never half of it."""
    handle, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=os.path.basename(path) + ".")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def read(path, any_input):
    with open(path, "rb") as file:
        content = file.read()
    digest = hashlib.sha256(content).hexdigest()
    if digest != INPUT_SHA256 and not any_input:
        raise Refused(f"{path}: its SHA-256 is {digest}, not {INPUT_SHA256}; --any takes it all the same")
    return content


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("input", help="movieReviewSnippets_GroundTruth.txt")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for train.tsv, dev.tsv and test.tsv")
    parser.add_argument("--dev", type=int, default=1000, metavar="N", help="sentences of dev (1000)")
    parser.add_argument("--test", type=int, default=1000, metavar="N", help="sentences of test (1000)")
    parser.add_argument("--any", action="store_true", help="take an input whose SHA-256 is another one")
    chosen = parser.parse_args()
    if chosen.dev < 1 or chosen.test < 1:
        parser.error("--dev and --test are at least 1")
    return chosen


def main():
    chosen = arguments()
    try:
        sentences = parse(read(chosen.input, chosen.any), chosen.input)
        used, left_out = select(sentences)
        splits = split(used, chosen.dev, chosen.test)
        os.makedirs(chosen.out, exist_ok=True)
        for name, part in splits.items():
            write(os.path.join(chosen.out, name + ".tsv"), as_tsv(part))
    except (Refused, OSError) as error:
        print(f"prepare.py: {error}", file=sys.stderr)
        return 2
    print(f"read {len(sentences)} sentences, use {len(used)}")
    print("left out: " + ", ".join(f"{count} {reason}" for reason, count in left_out.items()))
    for name, part in splits.items():
        positive = sum(sentence.label for sentence in part)
        print(f"{name}.tsv: {len(part)} sentences, {positive} positive ({100 * positive / len(part):.1f} %)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
