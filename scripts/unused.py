"""Lists functions that a header declares without need: nothing calls them, or only their own file does.

A fuzz target counts as a caller; a test does not, except that what only tests and its own file call may be declared.
"""

import collections
import re
import subprocess
import sys

NAME = r"(?:sam|cli|ledger|gateway|worker)_[a-z0-9_]+"
DECLARATION = re.compile(r"^(?!static|typedef|#|extern)[a-z][^;{}()]*?\b(%s)\([^;{}]*;" % NAME, re.M)
# What tests alone call, on purpose.
FOR_TESTS = {
    "sam_memory_fail_at": "makes an allocation fail",
    "sam_sign_kernels_all": "each set of instructions is held against the others",
    "sam_http_server_waiting": "a test waits until a request waits",
    "sam_http_caller": "what the server made of a token",
    "sam_directions_weights": "the published definition, the plain way",
    "sam_directions_probe": "the published definition, the plain way",
    "sam_replica_parameters": "how large the plain definition's arrays are",
    "sam_f16_to_f32": "every half is held against it",
    "sam_gguf_write_f32": "small models that tests write",
    "sam_tokenizer_size": "held against published vocabularies",
    "sam_tokenizer_eos": "held against published vocabularies",
    "sam_table_open": "tables of files that tests write",
}


def code_of(path):
    """The text of a source without comments and strings."""
    text = open(path, encoding="utf-8").read()
    return re.sub(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"", " ", text, flags=re.S)


def is_test(path):
    return (path.startswith("tests/") and not path.startswith("tests/fuzz/")) or path.endswith("_test.c") or "/test_" in path


def main():
    listed = subprocess.run(["git", "ls-files", "*.c", "*.h"], capture_output=True, text=True, check=True).stdout.split()
    sources = {path: code_of(path) for path in listed}
    uses = {path: collections.Counter(re.findall(NAME, code)) for path, code in sources.items()}
    homes = {}  # where a function is defined
    for path, code in sources.items():
        if path.endswith(".c"):
            for name in re.findall(r"^[a-z][^;={}()]*\b(%s)\(" % NAME, code, re.M):
                homes.setdefault(name, path)
    problems = []
    for header in (path for path in listed if path.endswith(".h") and not is_test(path)):
        for name in DECLARATION.findall(sources[header]):
            home = homes.get(name)
            own = uses[home][name] - 1 if home else 0
            others = sum(uses[p][name] for p in listed if p not in (home, header) and not is_test(p)) + uses[header][name] - 1
            tested = any(uses[p][name] for p in listed if is_test(p))
            if others == 0 and own == 0 and name not in FOR_TESTS:
                problems.append("%s: nothing calls %s%s" % (header, name, ", but its tests" if tested else ""))
            elif others == 0 and not tested:
                problems.append("%s: only %s calls %s; make it static" % (header, home, name))
    print("\n".join(problems) if problems else "unused: every function of a header has a caller")
    return 1 if problems else 0


sys.exit(main())
