"""Checks that includes point down the layers of docs/architecture.md, and that a library includes what it may."""

import os
import re
import subprocess
import sys

# What each library may include, besides itself and the system. The order is the house's, from the ground up.
ALLOWED = {
    "base": [],
    "seed": [],  # the exact zone stands on libc alone
    "run": ["base", "seed"],
    "model": ["base", "seed"],
    "train": ["base", "seed", "run", "model"],
    "store": ["base", "seed", "run"],
    "net": ["base"],
}


def main():
    listed = subprocess.run(["git", "ls-files", "libs"], capture_output=True, text=True, check=True).stdout
    problems = []
    for path in listed.split():
        if not path.endswith((".c", ".h")) or not os.path.exists(path):
            continue
        library, test = path.split("/")[1], path.endswith("_test.c")
        for number, line in enumerate(open(path, encoding="utf-8"), 1):
            found = re.match(r'\s*#\s*include\s+"([a-z]+)/', line)
            if not found or found.group(1) not in ALLOWED or found.group(1) == library:
                continue
            if found.group(1) not in ALLOWED[library] and not (test and found.group(1) == "base"):
                problems.append("%s:%d: libs/%s may not include %s/" % (path, number, library, found.group(1)))
    print("\n".join(problems) if problems else "layers: every include points down")
    return 1 if problems else 0


sys.exit(main())
