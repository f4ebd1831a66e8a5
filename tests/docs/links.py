"""Checks that what the pages point to is there: links to files and headings, and paths in code spans.

    python3 tests/docs/links.py [page...]

A path is a code span that begins with a folder at the root of the tree (`libs/run/mode.h`); one in capitals, with a `*` or in
braces stands for others, and is not looked up.
"""

import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FOLDERS = ("libs/", "services/", "tests/", "docs/", "scripts/", "examples/", "bench/", "cmake/")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
SPAN = re.compile(r"`([^`\n]+)`")


def pages():
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"], cwd=ROOT,
                            capture_output=True, text=True, check=True).stdout.split()
    return [path for path in listed if os.path.exists(os.path.join(ROOT, path))]


def text_of(path):
    """A page without its code blocks, in which brackets and backticks mean something else."""
    text = open(os.path.join(ROOT, path), encoding="utf-8").read()
    return re.sub(r"^```.*?^```", "", text, flags=re.S | re.M)


def anchors(path):
    """As GitHub names headings."""
    found = set()
    for heading in re.findall(r"^#+ (.*)$", text_of(path), re.M):
        plain = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        while plain in found:
            plain += "-1"
        found.add(plain)
    return found


def problem_of_link(page, target):
    if re.match(r"[a-z]+:", target):
        return None
    path, _, heading = target.partition("#")
    path = os.path.normpath(os.path.join(os.path.dirname(page), path)) if path else page
    if not os.path.exists(os.path.join(ROOT, path)):
        return "there is no %s" % path
    if heading and path.endswith(".md") and heading not in anchors(path):
        return "%s has no heading #%s" % (path, heading)
    return None


def is_path(span):
    return span.startswith(FOLDERS) and re.fullmatch(r"[\w./-]+", span) and not re.search(r"[A-Z]{3}", span.replace("README", ""))


def problems_of(page):
    text = text_of(page)
    for target in LINK.findall(text):
        problem = problem_of_link(page, target)
        if problem:
            yield "%s: (%s): %s" % (page, target, problem)
    for span in SPAN.findall(text):
        if is_path(span) and not os.path.exists(os.path.join(ROOT, span)):
            yield "%s: `%s`: there is no such file" % (page, span)


def main():
    all_of_them = sys.argv[1:] or pages()
    problems = [problem for page in all_of_them for problem in problems_of(page)]
    print("\n".join(problems) if problems else "links: all of %d pages hold" % len(all_of_them))
    return 1 if problems else 0


sys.exit(main())
