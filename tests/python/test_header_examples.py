"""What tests/docs/header_examples.py takes for an example, and that it finds one that does not fit.

    python3 -m unittest tests/python/test_header_examples.py
"""

import argparse
import os
import sys
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "docs"))
import header_examples

HEADER = """/* Boxes.
 *
 *     box = [ a ]     a picture; it says nothing
 *     +---+
 *
 *     static int twice(int n)
 *     {
 *         return 2 * n;     // not "n;"
 *     }
 *
 *     if (sam_box_open(&box, "http://x/y") != SAM_OK)
 *         return err->status;   // the end
 *
 *     {"name": "box"}
 *
 * More of it.
 *
 *     int more = twice(3);
 */
#define SAM_BOX
/*     int not_this = 1; */
"""


class HeaderExamples(unittest.TestCase):
    def texts(self, lines):
        return [text for _, text in lines]

    def test_an_example_is_what_is_indented_and_has_a_statement(self):
        lines = header_examples.example(HEADER)
        self.assertEqual((lines[0], lines[-1]), ((6, "static int twice(int n)"), (18, "int more = twice(3);")))
        self.assertNotIn('{"name": "box"}', self.texts(lines))
        self.assertEqual(header_examples.example("#define SAM_BOX\n"), [])
        self.assertEqual(header_examples.example("/* Boxes. */\n"), [])

    def test_functions_stand_before_the_rest(self):
        functions, body = header_examples.split(header_examples.example(HEADER))
        self.assertEqual(self.texts(functions)[0], "static int twice(int n)")
        self.assertEqual(self.texts(functions)[-1], "}")
        self.assertEqual(self.texts(body)[0], 'if (sam_box_open(&box, "http://x/y") != SAM_OK)')

    def test_a_comment_is_not_code_but_a_url_is(self):
        self.assertEqual(header_examples.code('get("http://x/y");   // "z"'), 'get("http://x/y");')

    def test_names_are_those_of_the_header_then_of_its_folder_then_of_all(self):
        known = {"*": [(None, "int a", "a"), (None, "int b", "b"), (None, "int c", "c")],
                 "libs/x/": [(None, "long a", "a"), (None, "long b", "b")], "libs/x/y.h": [(None, "char a", "a")]}
        found = header_examples.needed([(1, "a = b + c;")], "libs/x/y.h", known)
        self.assertEqual([declaration for _, declaration, _ in found], ["char a", "long b", "int c"])

    def test_an_example_that_does_not_fit_is_found(self):
        arguments = argparse.Namespace(compiler=os.environ.get("CC", "cc"), flags=[])
        right, wrong = [(1, "sam_fail(err, SAM_INVALID, text);")], [(1, "sam_fail(err, text);")]
        for lines, compiles in ((right, True), (wrong, False)):
            program = header_examples.program("libs/base/status.h", lines, header_examples.known_names())
            self.assertEqual(header_examples.compiled(program, arguments) == "", compiles)


if __name__ == "__main__":
    unittest.main()
