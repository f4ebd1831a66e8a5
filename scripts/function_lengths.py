"""Measures how long functions are, in lines between their braces: scripts/function_lengths.py [--longest N]

Of production code alone. Fails where the median is above 12 lines or the 99th percentile above 40.
"""

import argparse
import subprocess
import sys

MEDIAN_MOST, P99_MOST = 12, 40


def functions(path):
    """(lines, name) of each function: its braces stand at the left margin, as clang-format puts them."""
    head = opened = None
    for number, line in enumerate(open(path, encoding="utf-8"), 1):
        if line.startswith("{") and head is not None:
            opened = number
        elif line.startswith("}") and opened is not None:
            yield number - opened - 1, head
            head = opened = None
        elif opened is None and line[:1].isalpha() and "(" in line and not line.rstrip().endswith(";"):
            head = line.split("(")[0].split()[-1].lstrip("*")


def percentile(lengths, share):
    return lengths[min(len(lengths) - 1, int(share * len(lengths)))]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--longest", type=int, default=5, metavar="N", help="list the N longest functions")
    shown = parser.parse_args().longest
    listed = subprocess.run(["git", "ls-files", "libs/*.[ch]", "services/*.[ch]"], capture_output=True, text=True, check=True).stdout
    all_of_them = sorted((lines, "%s: %s" % (path, name)) for path in listed.split() if not path.endswith("_test.c") and "/test_" not in path
                         for lines, name in functions(path))
    lengths = [lines for lines, _ in all_of_them]
    median, p90, p99 = (percentile(lengths, share) for share in (0.5, 0.9, 0.99))
    print("functions: %d, median %d lines, p90 %d, p99 %d, longest %d" % (len(lengths), median, p90, p99, lengths[-1]))
    for lines, name in reversed(all_of_them[len(all_of_them) - shown:]):
        print("  %3d  %s" % (lines, name))
    if median <= MEDIAN_MOST and p99 <= P99_MOST:
        return 0
    print("functions: the median is to be at most %d lines, the 99th percentile at most %d" % (MEDIAN_MOST, P99_MOST))
    return 1


sys.exit(main())
