#!/usr/bin/env python3
"""Makes the runs of this folder, and digests.json; needs $SAMARA_BIN. See README.md: once, and never again."""

import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "integration"), str(HERE.parent / "exact")]
import samara_exact  # noqa: E402
import samara_formats  # noqa: E402
import stage  # noqa: E402

ROUNDS, KEPT = 40, 24
RUNS = {
    "sketch": [],
    "wide": ["--slots", "5", "--probes", "3", "--estimator", "one-sided", "--batch", "6"],
    "completion": ["--objective", "completion"],
    "lag": ["--lag", "2", "--epoch-rounds", "7"],
    "rademacher": ["--directions", "rademacher"],
    "gaussian": ["--directions", "gaussian", "--lag", "1", "--epoch-rounds", "9"],
    "signed": ["--signed", "--slots", "3"],
}


def cut(content, rounds):
    """The log's first rounds."""
    log = samara_formats.Log(content)
    return log.head + b"".join(len(r.encoded).to_bytes(4, "little") + r.encoded for r in log.rounds[:rounds])


class Maker(stage.Stage):
    def runTest(self):
        for name, words in RUNS.items():
            self.train("--rounds", str(ROUNDS), "--workers", "2", "--eval-every", "8", "--seed", "5", "--out",
                       self.path(name), *words)
            (HERE / f"{name}.samlog").write_bytes(cut(pathlib.Path(self.path(f"{name}/run.samlog")).read_bytes(), KEPT))
        (HERE / "signed.samsig").write_bytes(pathlib.Path(self.path("signed/run.samsig")).read_bytes())
        self.done("fork", HERE / "sketch.samlog", "--at", "15", "--name", "forked", "--out", HERE / "forked.samlog")
        self.done("revert", HERE / "wide.samlog", "--worker", "1", "--rounds", "3..9", "--out",
                  HERE / "reverted.samlog")
        digests = {path.stem: self.digests(path) for path in sorted(HERE.glob("*.samlog"))}
        (HERE / "digests.json").write_text(json.dumps(digests, indent=1) + "\n", encoding="ascii")

    def digests(self, path):
        """At a few rounds, by the program, and where that is quick enough by the second implementation too."""
        log = samara_formats.Log(path.read_bytes())
        found = {}
        for number in sorted({0, 1, 7, 13, len(log.rounds)}):
            done = self.samara("replay", "--log", path, "--base", self.shared / "tiny.gguf", "--out", self.path("model"),
                               "--round", number)
            found[str(number)] = next(line.split()[-1] for line in done.stdout.splitlines() if "digest" in line)
        if log.manifest["directions"]["family"] == "sketch":
            run = samara_exact.Run(log.manifest)
            for r in log.rounds:
                run.put(r.number, [record.exact() for record in r.records])
            self.assertEqual(run.digest(), found[str(len(log.rounds))], path.name)
        return found

    def done(self, *words):
        done = self.samara(*words)
        self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    if list(HERE.glob("*.samlog")):
        sys.exit("these runs were made, and are kept as they are: README.md")
    import unittest
    unittest.TextTestRunner(verbosity=2).run(unittest.TestSuite([Maker()]))
