"""Adds up the cases of ctest logs (cmocka, unittest, and plain programs) into one line: N passed, N failed, N skipped."""

import re
import sys


def cases(block):
    """Passed, failed and skipped cases of one test program's part of the log."""
    result = re.search(r"^Test (Passed|Failed)\.|^Test time|\*\*\*(Failed|Skipped|Timeout)", block, re.M)
    ran = re.findall(r"^\[==========\] (\d+) test\(s\) run", block, re.M)
    if ran:
        failed = sum(map(int, re.findall(r"^\[  FAILED  \] (\d+) test\(s\)", block, re.M)))
        skipped = sum(map(int, re.findall(r"^\[  SKIPPED \] (\d+) test\(s\)", block, re.M)))
        passed = sum(map(int, re.findall(r"^\[  PASSED  \] (\d+) test\(s\)", block, re.M)))
        if "Test Failed." in block and failed == 0:
            failed = 1
        return passed, failed, skipped
    ran = re.search(r"^Ran (\d+) tests? in", block, re.M)
    if ran:
        number = lambda word: sum(map(int, re.findall(word + r"=(\d+)", block)))
        failed, skipped = number("failures") + number("errors"), number("skipped")
        return int(ran.group(1)) - failed - skipped, failed, skipped
    if "Test Passed." in block:
        return 1, 0, 0
    if "Skipped" in block or (result and result.group(0).endswith("Skipped")):
        return 0, 0, 1
    return 0, 1, 0


def main():
    totals = [0, 0, 0]
    for path in sys.argv[1:]:
        text = open(path, errors="replace").read()
        blocks = re.split(r"^\d+/\d+ Testing: ", text, flags=re.M)[1:]
        for block in blocks:
            totals = [a + b for a, b in zip(totals, cases(block))]
    print("%d passed, %d failed, %d skipped" % tuple(totals))
    return 1 if totals[1] or not totals[0] else 0


sys.exit(main())
