"""Compiles the example that stands in the first comment of each header, so that examples fit the functions they show.

    python3 tests/docs/header_examples.py [--compiler cc] [header...] [-- flags]

An example is what the comment indents by five columns, where a line of that block ends in a semicolon (other such blocks
are pictures and data). All blocks of one header are compiled together, as the body of a function, after an include of
that header alone; functions of the example stand before it. Names that an example takes for granted (err, model,
manifest, ...) are declared in header_names.txt.
"""

import argparse
import concurrent.futures
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
NAMES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "header_names.txt")
WARNINGS = ["-std=c17", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-Wno-unused-variable", "-Wno-unused-parameter",
            "-Wno-unused-but-set-variable", "-Wno-unused-but-set-parameter", "-Wno-unused-function",
            "-Wno-missing-field-initializers"]
# Headers whose examples do not compile yet. To be empty.
NOT_YET = []


def headers():
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "libs", "services"],
                            cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    return [path for path in listed if path.endswith(".h") and os.path.exists(os.path.join(ROOT, path))]


def example(text):
    """The lines of the code blocks of the first comment, as (number, line); empty: there is none."""
    comment = re.match(r"\s*/\*(.*?)\*/", text, re.S)
    blocks, last = [], None
    for number, line in enumerate(comment.group(0).split("\n") if comment else [], 1):
        found = re.match(r" \*     (.*)", line)
        if found and last == number - 1:
            blocks[-1].append((number, found.group(1)))
        elif found:
            blocks.append([(number, found.group(1))])
        last = number if found else last
    return [line for block in blocks if any(code(text).endswith(";") for _, text in block) for line in block]


def code(line):
    return re.sub(r'^((?:[^"/]|"(?:[^"\\]|\\.)*"|/(?!/))*)//.*', r"\1", line).rstrip()


def split(lines):
    """Functions, which go before the rest, and the rest. A function is a signature, { and } in the first column."""
    functions, body = [], []
    for number, line in lines:
        body.append((number, line))
        if line == "}" and any(text == "{" for _, text in body):
            begin = max(i for i, (_, text) in enumerate(body) if text == "{") - 1
            while body[begin][1].startswith(" "):
                begin -= 1
            functions, body = functions + body[begin:], body[:begin]
    return functions, body


def known_names():
    """{header, folder or "*": [(include or None, declaration, name)]}; a name alone is what the include declares."""
    with open(NAMES, encoding="utf-8") as file:
        lines = [line.split("#")[0].rstrip() for line in file]
    known, section = {}, "*"
    for line in filter(None, lines):
        if not line.startswith(" "):
            section = line
            continue
        include, declaration = re.match(r"\s+(?:(\S+\.h)\s+)?(.*)", line).groups()
        name = re.search(r"(\w+)(?:\)?\([^()]*\)|(?:\[[^]]*\])*)$", declaration).group(1)
        known.setdefault(section, []).append((include, declaration, name))
    return known


def needed(lines, path, known):
    """What the example takes for granted: of its own header first, then of its folder, then of all."""
    words = set(re.findall(r"\w+", " ".join(code(line) for _, line in lines)))
    found = {}
    for section in (path, os.path.dirname(path) + "/", "*"):
        for entry in known.get(section, []):
            if entry[2] in words:
                found.setdefault(entry[2], entry)
    return list(found.values())


def program(path, lines, known):
    """The example as a source file. Line numbers in messages are those of the header."""
    def placed(part):
        return ["%s\n%s" % ('#line %d "%s"' % (number, path), line) for number, line in part]

    functions, body = split(lines)
    names = needed(lines, path, known)
    includes = ["base/status.h"] + sorted({include for include, _, _ in names if include})
    source = ['#include "%s"' % path.split("/", 1)[1]]
    source += ["#include <%s>" % name for name in ("stdio.h", "stdlib.h", "string.h", "stdbool.h", "stdint.h")]
    source += ["#include " + ('"%s"' if "/" in include else "<%s>") % include for include in includes]
    source += ["%s;" % text for _, text, name in names if "(" in text]
    parameters = ", ".join(text for _, text, name in names if "(" not in text and text != name)
    returns = "void" if any(code(line).strip() == "return;" for _, line in body) else "sam_status"
    head = "%s example(%s)" % (returns, parameters or "void")
    source += placed(functions) + [head + ";", head, "{", "{"] + placed(body) + ["}"]
    return "\n".join(source + ["" if returns == "void" else "return SAM_OK;", "}", ""])


def compiled(text, arguments):
    """What the compiler says of a program; "": nothing."""
    folders = ["-I" + os.path.join(ROOT, folder) for folder in ("libs", "services", "tests")]
    command = [arguments.compiler, "-fsyntax-only", "-x", "c", *WARNINGS, *folders, *arguments.flags, "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True)
    return done.stderr or "the compiler failed" if done.returncode else ""


def problems(path, arguments, known):
    """What the compiler says of the example of a header; None: there is no example."""
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        lines = example(file.read())
    return compiled(program(path, lines, known), arguments) if lines else None


def check(arguments, paths):
    """Prints what is wrong; how many headers fail that are not among those that are known to."""
    known, failed = known_names(), 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        found = dict(zip(paths, pool.map(lambda path: problems(path, arguments, known), paths)))
    for path, said in found.items():
        if said:
            print("%s: the example in its first comment does not compile%s\n%s" %
                  (path, " (not yet)" if path in NOT_YET else "", said))
            failed += path not in NOT_YET
        elif path in NOT_YET:
            print("%s: its example compiles: take it out of NOT_YET" % path)
    print("header examples: %d, of which %d do not compile; %d not yet checked" %
          (sum(said is not None for said in found.values()), failed, len(NOT_YET)))
    return failed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--compiler", default=os.environ.get("CC", "cc"))
    parser.add_argument("headers", nargs="*")
    end = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    arguments = parser.parse_args(sys.argv[1:end])
    arguments.flags = sys.argv[end + 1:]
    return 1 if check(arguments, arguments.headers or headers()) else 0


if __name__ == "__main__":
    sys.exit(main())
