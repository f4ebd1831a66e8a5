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

# Rooms within rooms: what each may include of the same room, besides itself; "." is what lies at its top.
WITHIN = {
    "seed": {".": [], "directions": ["."]},
    "model": {"files": [], "kernels": [], "tokenizer": ["files"], ".": ["files", "tokenizer"],
              "forward": [".", "files", "kernels", "tokenizer"]},
    "train": {".": ["objectives"], "objectives": ["."], "quality": [".", "objectives"]},
    "cli": {".": [], "shared": ["."], "train": [".", "shared"], "bench": [".", "shared"],
            "commands": [".", "shared", "train", "bench"]},
}
INCLUDE = re.compile(r'\s*#\s*include\s+"([a-z]+)/(?:([a-z]+)/)?')


def misplaced(path, target, inner_target):
    """What is wrong with a file that includes TARGET/INNER_TARGET/..., or None."""
    floor, room, *inner = path.split("/")[:-1]
    inner, inner_target = inner[0] if inner else ".", inner_target or "."
    for_test = path.endswith("_test.c") or "/test_" in path
    if target != room:
        allowed = ROOMS[room] + (FOR_TESTS[floor] if for_test else [])
        return None if target in allowed else "%s/%s may not include %s/" % (floor, room, target)
    allowed = WITHIN.get(room, {}).get(inner)
    if for_test or allowed is None or inner_target in (inner, *allowed):
        return None
    return "%s/%s/%s may not include %s" % (floor, room, inner, target if inner_target == "." else target + "/" + inner_target)


def main():
    listed = subprocess.run(["git", "ls-files", "libs", "services"], capture_output=True, text=True, check=True).stdout
    problems = []
    for path in listed.split():
        if not path.endswith((".c", ".h")) or not os.path.exists(path):
            continue
        for number, line in enumerate(open(path, encoding="utf-8"), 1):
            found = INCLUDE.match(line)
            problem = misplaced(path, *found.groups()) if found and found.group(1) in ROOMS else None
            if problem:
                problems.append("%s:%d: %s" % (path, number, problem))
    print("\n".join(problems) if problems else "layers: every include points down")
    return 1 if problems else 0


sys.exit(main())
