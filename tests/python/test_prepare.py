"""examples/film-reviews/prepare.py on a small made file.

    python3 -m unittest tests/python/test_prepare.py
"""

import collections
import hashlib
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "examples" / "film-reviews" / "prepare.py"

ODD = [
    (101, 0.5, "Just positive enough"),
    (102, -0.5, "just negative enough"),
    (103, 0.49, "Too near to neutral"),
    (104, 2.0, "A  joy,\tfrom start -- to finish!"),
    (105, 3.0, "a joy from START to finish"),
    (106, 1.0, "You love it or you hate it."),
    (107, -1.0, "You love it, or you hate it"),
    (108, 0.2, "Just positive, enough"),
    (109, 2.0, " ... "),
    (110, 1.5, "Clich\u00e9s, but \u2018fine\u2019"),
]
PLAIN = [(number, 1.0 if number % 3 else -2.0, f"Made sentence number {number}.") for number in range(1, 41)]


def content(sentences, end="\r\n"):
    return end.join(f"{number}\t{rating}\t{text}" for number, rating, text in sentences).encode("utf-8")


class Prepare(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.input = os.path.join(self.folder.name, "snippets.txt")
        self.out = os.path.join(self.folder.name, "made", "here")

    def run_script(self, data, *more, small=("--any", "--dev", "8", "--test", "8")):
        pathlib.Path(self.input).write_bytes(data)
        command = [sys.executable, str(SCRIPT), "--out", self.out, *small, *more, self.input]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def splits(self):
        made = {}
        for name in ("train", "dev", "test"):
            lines = pathlib.Path(self.out, name + ".tsv").read_bytes().decode("utf-8").split("\n")
            self.assertEqual(lines[0], "text\tlabel")
            self.assertEqual(lines[-1], "")
            made[name] = [tuple(line.split("\t")) for line in lines[1:-1]]
        return made

    def refused(self, data, sentence, **options):
        result = self.run_script(data, **options)
        self.assertEqual(result.returncode, 2)
        self.assertIn(sentence, result.stderr)
        self.assertEqual(result.stdout, "")
        self.assertFalse(os.path.exists(self.out))

    def test_each_sentence_stands_in_one_split_with_its_label(self):
        result = self.run_script(content(PLAIN + ODD))
        self.assertEqual(result.returncode, 0, result.stderr)
        made = self.splits()
        self.assertEqual([len(made[name]) for name in ("train", "dev", "test")], [28, 8, 8])
        rows = dict(made["train"] + made["dev"] + made["test"])
        self.assertEqual(len(rows), 44)
        expected = {text: "1" if rating > 0 else "0" for _, rating, text in PLAIN}
        expected["Just positive enough"] = "1"
        expected["just negative enough"] = "0"
        expected["A  joy, from start -- to finish!"] = "1"
        expected["Clich\u00e9s, but \u2018fine\u2019"] = "1"
        self.assertEqual(rows, expected)

    def test_counts_and_balance_are_printed(self):
        result = self.run_script(content(PLAIN + ODD))
        made = self.splits()
        self.assertIn("read 50 sentences, use 44\n", result.stdout)
        self.assertIn("left out: 2 neutral, 1 empty, 1 duplicate, 2 conflicting\n", result.stdout)
        for name, rows in made.items():
            positive = collections.Counter(label for _, label in rows)["1"]
            self.assertIn(f"{name}.tsv: {len(rows)} sentences, {positive} positive", result.stdout)

    def test_the_hash_of_the_id_decides_the_split(self):
        self.run_script(content(PLAIN))
        ordered = sorted(PLAIN, key=lambda s: hashlib.sha256(str(s[0]).encode()).hexdigest())
        made = self.splits()
        self.assertEqual([text for text, _ in made["test"]], [s[2] for s in ordered[:8]])
        self.assertEqual([text for text, _ in made["dev"]], [s[2] for s in ordered[8:16]])
        self.assertEqual([text for text, _ in made["train"]], [s[2] for s in ordered[16:]])

    def test_the_order_and_the_line_ends_of_the_input_change_nothing(self):
        self.run_script(content(PLAIN + ODD))
        first = self.splits()
        result = self.run_script(content((PLAIN + ODD)[::-1], "\n") + b"\n")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(self.splits(), first)
        self.assertEqual(sorted(os.listdir(self.out)), ["dev.tsv", "test.tsv", "train.tsv"])

    def test_another_input_is_refused_without_any(self):
        self.refused(content(PLAIN), "its SHA-256 is", small=())

    def test_what_does_not_fit_is_refused_with_its_line(self):
        cases = {
            b"1\t2.0": "snippets.txt:1: 2 columns",
            b"1\t2.0\tx\r\nx\t2.0\ty": "snippets.txt:2: the id 'x' is not a whole number",
            b"1\t2.0\tx\r\n2\tbad\ty": "snippets.txt:2: the rating 'bad' is not a number",
            b"1\tnan\tx": "snippets.txt:1: the rating 'nan' is not a number",
            b"1\t2.0\tx\n1\t2.0\ty": "snippets.txt:2: id 1 stands in the file twice",
            b"1\t2.0\t\xff": "byte 6 is not UTF-8",
            b"1\t2.0\tx\n": "1 usable sentences are too few",
            b"": "0 usable sentences are too few",
        }
        for data, sentence in cases.items():
            with self.subTest(data=data):
                self.refused(data, sentence)


if __name__ == "__main__":
    unittest.main()
