"""Checks that includes point down the layers of docs/architecture.md, and that each room includes what it may."""

import os
import re
import subprocess
import sys

# What each room may include, besides itself and the system. The order is the house's, from the ground up.
LIBRARIES = {
    "base": [],
    "seed": [],  # the exact zone stands on libc alone
    "run": ["base", "seed"],
    "model": ["base", "seed"],
    "train": ["base", "seed", "run", "model"],
    "store": ["base", "seed", "run"],
    "net": ["base"],
    "client": ["base", "run", "seed", "net"],
}

SERVICES = {
    "serving": ["base", "store", "net"],
    "ledger": ["serving", "base", "seed", "run", "store", "net"],
    "gateway": ["serving", "base", "seed", "run", "model", "train", "store", "net"],
    "worker": ["base", "seed", "run", "model", "train", "net", "client"],
    "cli": [*LIBRARIES],
}
ROOMS = {**LIBRARIES, **SERVICES}
FOR_TESTS = {"libs": ["base"], "services": [*LIBRARIES]}


def main():
    listed = subprocess.run(["git", "ls-files", "libs", "services"], capture_output=True, text=True, check=True).stdout
    problems = []
    for path in listed.split():
        if not path.endswith((".c", ".h")) or not os.path.exists(path):
            continue
        floor, room, name = path.split("/")[:3]
        allowed = [room, *ROOMS[room]]
        if name.endswith("_test.c") or name.startswith("test_"):
            allowed += FOR_TESTS[floor]
        for number, line in enumerate(open(path, encoding="utf-8"), 1):
            found = re.match(r'\s*#\s*include\s+"([a-z]+)/', line)
            if found and found.group(1) in ROOMS and found.group(1) not in allowed:
                problems.append("%s:%d: %s/%s may not include %s/" % (path, number, floor, room, found.group(1)))
    print("\n".join(problems) if problems else "layers: every include points down")
    return 1 if problems else 0


sys.exit(main())
