"""bench/peers/learn_compare.py, with programs in the place of samara and of PyTorch that tell made-up curves.

    python3 -m unittest tests/python/test_learn_compare.py
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

PEERS = pathlib.Path(__file__).resolve().parents[2] / "bench" / "peers"
sys.path.insert(0, str(PEERS))
import learn_compare  # noqa: E402
import record  # noqa: E402

# Each session commits 20 rounds, one every 2 s; the loss falls by 0.01 a round from 1.0.
SAMARA = """#!{python}
import json, os, pathlib, sys, time
word = dict(zip(sys.argv[2:], sys.argv[3:]))
if sys.argv[1] == "train":
    folder = pathlib.Path(word["--out"])
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "run.samlog"
    lines = log.read_text().splitlines() if log.exists() else ["{{}}"]
    cache = pathlib.Path(os.environ["XDG_CACHE_HOME"])
    if {keeps_cache} and cache.is_absolute():
        (cache / "samara" / "activations").mkdir(parents=True, exist_ok=True)
        (cache / "samara" / "activations" / "train").touch()
    began = time.time()
    print(json.dumps({{"type": "start", "workers": 2, "kernel": "made-up"}}), flush=True)
    lines += [json.dumps({{"committed_ms": 1000 * (began + 2 * (r + 1))}}) for r in range(20)]
    log.write_text("\\n".join(lines))
    print(json.dumps({{"type": "summary", "seconds": 40.0 * ((len(lines) - 1) // 20)}}))
elif sys.argv[1] == "log":
    print(pathlib.Path(sys.argv[-1]).read_text())
else:
    assert word["--data"].endswith("dev.tsv")
    print(json.dumps({{"loss": 1.0 - 0.01 * int(word["--round"]), "accuracy": 0.5, "auc": 0.75}}))
"""

# Reaches 0.8 after 300 s with the rate 0.1, and with any other never; starts at START.
PYTHON = """#!{python}
import json, sys
word = dict(zip(sys.argv[2:], sys.argv[3:]))
for step in range(1000):
    seconds = 30.0 * step
    loss = {start} - 0.02 * step if float(word["--lr"]) == 0.1 else {start}
    print(json.dumps({{"step": step, "seconds": seconds, "loss": loss, "accuracy": 0.5, "auc": 0.75}}))
    if loss <= float(word["--until-loss"]) + 1e-9 or seconds >= float(word["--max-seconds"]):
        break
"""


def point(seconds, loss):
    return learn_compare.Point(0, seconds, loss, 0.5, 0.5)


class Pieces(unittest.TestCase):
    def test_a_loss_is_reached_by_the_first_evaluation_that_is_as_low(self):
        curve = [point(0, 1.0), point(10, 0.5), point(20, 0.4), point(30, 0.6)]
        self.assertEqual(learn_compare.until(curve, 0.5), (10, True))
        self.assertEqual(learn_compare.until(curve, 0.45), (20, True))
        self.assertEqual(learn_compare.until(curve, 0.3), (30, False))

    def test_weights_that_have_blown_up_reach_nothing(self):
        self.assertEqual(learn_compare.until([point(0, 1.0), point(9, None)], 2.0), (0, True))
        self.assertEqual(learn_compare.until([point(0, 1.0), point(9, None)], 0.5), (9, False))

    def test_a_median_is_known_only_where_all_up_to_the_middle_was_reached(self):
        span = learn_compare.Span
        for spans, expected in [
            ([span(30, True), span(10, True), span(20, True)], (20, True)),
            ([span(10, True), span(20, True), span(25, False)], (20, True)),
            ([span(5, False), span(20, True), span(25, True)], (20, False)),
            ([span(10, True), span(20, False), span(25, False)], (20, False)),
            ([span(10, True), span(30, False)], (20, False)),
            ([span(10, False)], (10, False)),
        ]:
            with self.subTest(spans=spans):
                self.assertEqual(learn_compare.median_of(spans), expected)

    def test_a_ratio_with_a_loss_that_was_not_reached_is_a_bound_or_nothing(self):
        span = learn_compare.Span
        self.assertEqual(learn_compare.ratio(span(100, True), span(10, True)), "10.0")
        self.assertEqual(learn_compare.ratio(span(120, False), span(10, True)), ">= 12.0")
        self.assertIsNone(learn_compare.ratio(span(120, True), span(10, False)))

    def test_rows_go_below_the_last_row_of_their_table(self):
        with tempfile.NamedTemporaryFile("w+", suffix=".md") as file:
            file.write("# Title\n\n| a |\n|---|\n| 1 |\n\nafter\n")
            file.flush()
            record.add_rows(file.name, ["## A"], ["| a |", "|---|"], ["| 2 |", "| 3 |"])
            record.add_rows(file.name, ["## B"], ["| b |", "|---|"], ["| 4 |"])
            text = pathlib.Path(file.name).read_text()
        self.assertEqual(text, "# Title\n\n| a |\n|---|\n| 1 |\n| 2 |\n| 3 |\n\nafter\n\n## B\n\n| b |\n|---|\n| 4 |\n")


class Comparison(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def program(self, name, text, **values):
        path = self.folder / name
        path.write_text(text.format(python=sys.executable, **values))
        path.chmod(0o755)
        return str(path)

    def compare(self, *words, start=1.0, keeps_cache=True):
        programs = [self.program("samara", SAMARA, keeps_cache=keeps_cache), self.program("python", PYTHON, start=start)]
        command = [sys.executable, str(PEERS / "learn_compare.py"), *programs, "model", "data", "--task", "task.json"]
        command += ["--out", "out", "--losses", "0.9,0.705", *words]
        return subprocess.run(command, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)

    def summary(self, *words):
        done = self.compare(*words)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout.splitlines()[-1])

    def test_seconds_go_on_over_sessions_and_a_limit_is_a_bound(self):
        """Ours: 0.9 after 10 rounds, 0.7 after 30, in the second session. Theirs: 0.9 at 150 s, 0.7 at 450 s."""
        found = self.summary("--rates", "0.1", "--limit", "5", "--seeds", "1,2")
        self.assertAlmostEqual(found["ours_s_090"], 20, delta=1)
        self.assertAlmostEqual(found["ours_s_070"], 60, delta=1)
        self.assertAlmostEqual(found["mezo_s_090"], 150, delta=1)
        self.assertTrue(found["mezo_s_070"].startswith(">= "), found)
        self.assertTrue(found["ratio_070"].startswith(">= "), found)
        self.assertEqual(found["seeds"], [1, 2])

    def test_the_best_rate_counts(self):
        found = self.summary("--rates", "0.2,0.1", "--seeds", "1")
        self.assertAlmostEqual(found["mezo_s_070"], 450, delta=1)

    def test_the_log_gets_a_row_for_each_seed(self):
        log = self.folder / "results.md"
        log.write_text("# Results\n")
        self.summary("--rates", "0.1", "--seeds", "1,2", "--log", str(log))
        lines = log.read_text().splitlines()
        self.assertEqual(len([line for line in lines if line.startswith("## Time to")]), 1)
        self.assertEqual(len([line for line in lines if "made-up" in line]), 2)

    def test_sides_that_start_from_different_losses_are_not_compared(self):
        done = self.compare("--rates", "0.1", "--seeds", "1", start=1.1)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("not the same task", done.stderr)
        self.assertEqual(done.stdout, "")

    def test_seconds_of_a_run_that_did_not_use_the_empty_cache_are_refused(self):
        done = self.compare("--rates", "0.1", "--seeds", "1", keeps_cache=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("its seconds mean nothing", done.stderr)
        self.assertEqual(done.stdout, "")


if __name__ == "__main__":
    unittest.main()
