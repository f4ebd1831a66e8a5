"""From a base and a log to the tuned model again. Needs $SAMARA_BIN."""

import json
import pathlib
import re
import struct
import unittest

import stage

ROUNDS = 60


def rounds_of(log):
    """Where each round of a .samlog ends (docs/formats/log.md)."""
    at = 8 + 4 + struct.unpack_from("<I", log, 8)[0]
    ends = [at]
    while at < len(log):
        at += 4 + struct.unpack_from("<I", log, at)[0]
        ends.append(at)
    return ends


class Replay(stage.Stage):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.out = cls.shared / "out"
        cls.base = cls.shared / "tiny.gguf"
        cls.log = cls.out / "run.samlog"
        cls.summary = None

    def setUp(self):
        super().setUp()
        if Replay.summary is None:
            Replay.summary = self.train("--rounds", ROUNDS, "--batch", "4", "--eval-every", "20", "--out", self.out)

    def replay(self, log, out, *words):
        done = self.samara("replay", "--log", log, "--base", self.base, "--out", self.path(out), *words)
        self.assertEqual(done.returncode, 0, done.stderr)
        return re.search(r"state digest +([0-9a-f]{64})", done.stdout).group(1)

    def weights(self, folder):
        return (pathlib.Path(folder) / "model.safetensors").read_bytes()

    def test_a_replay_gives_the_same_state_and_the_same_files(self):
        self.assertEqual(self.replay(self.log, "again", "--gguf"), self.summary["state_digest"])
        for name in ("model.safetensors", "config.json", "tokenizer.json"):
            again, first = pathlib.Path(self.path("again")) / name, self.out / "model" / name
            self.assertEqual(again.read_bytes(), first.read_bytes(), name)
        again = pathlib.Path(self.path("again")) / "model.gguf"
        self.assertEqual(again.read_bytes(), (self.out / "model.gguf").read_bytes())

    def test_a_round_is_the_state_that_a_log_cut_off_there_leads_to(self):
        log = self.log.read_bytes()
        ends = rounds_of(log)
        self.assertEqual(len(ends), ROUNDS + 1)
        for number in (0, 1, 17, ROUNDS):
            cut = pathlib.Path(self.path(f"cut{number}.samlog"))
            cut.write_bytes(log[:ends[number]])
            self.assertEqual(self.replay(self.log, f"round{number}", "--round", number),
                             self.replay(cut, f"cut{number}"))
            self.assertEqual(self.weights(self.path(f"round{number}")), self.weights(self.path(f"cut{number}")))
        self.assertNotEqual(self.weights(self.path("round1")), self.weights(self.path("round17")))

    def test_verify_compares_the_digest(self):
        words = ("verify", self.log, "--base", self.base, "--digest")
        self.assertEqual(self.samara(*words, self.summary["state_digest"]).returncode, 0)
        self.assert_one_sentence(self.samara(*words, "0" * 64), "does not have the digest")

    def test_one_changed_byte_breaks_the_chain(self):
        log = bytearray(self.log.read_bytes())
        log[rounds_of(log)[30] - 40] ^= 1
        pathlib.Path(self.path("bad.samlog")).write_bytes(log)
        done = self.samara("replay", "--log", self.path("bad.samlog"), "--base", self.base, "--out", self.path("x"))
        self.assert_one_sentence(done)
        self.assertFalse(pathlib.Path(self.path("x")).exists())

    def test_another_base_is_refused(self):
        stage.tiny_model.write(self.path("other.gguf"), seed=2)
        done = self.samara("replay", "--log", self.log, "--base", self.path("other.gguf"), "--out", self.path("x"))
        self.assert_one_sentence(done, "base")

    def test_a_round_beyond_the_end_is_refused(self):
        done = self.samara("replay", "--log", self.log, "--base", self.base, "--out", self.path("x"), "--round", "61")
        self.assert_one_sentence(done, "60 rounds")

    def test_export_writes_the_kind_that_is_asked_for(self):
        for kind in ("safetensors-bf16", "safetensors-f16", "gguf-f16"):
            out = self.path(kind)
            done = self.samara("export", "--log", self.log, "--base", self.base, "--out", out, "--kind", kind)
            self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(pathlib.Path(self.path("gguf-f16")).read_bytes(), (self.out / "model.gguf").read_bytes())
        self.assertLess(len(self.weights(self.path("safetensors-bf16"))), len(self.weights(self.out / "model")))

    def test_evaluate_agrees_with_the_summary(self):
        words = ("evaluate", "--model", self.base, "--task", self.shared / "task.json", "--data",
                 self.shared / "test.tsv", "--kernel", "portable", "--json")
        before, after = self.samara(*words), self.samara(*words, "--log", self.log)
        self.assertEqual(json.loads(before.stdout)["accuracy"], self.summary["zero_shot_accuracy"], before.stderr)
        self.assertEqual(json.loads(after.stdout)["accuracy"], self.summary["final_accuracy"], after.stderr)
        self.assertAlmostEqual(json.loads(after.stdout)["loss"], self.summary["final_loss"], places=9)

    def test_the_metric_of_the_task_is_shown_besides_accuracy(self):
        found = {}
        for metric in ("f1", "macro-f1"):
            task = pathlib.Path(self.path(metric + ".json"))
            task.write_text(json.dumps({**stage.TASK, "metric": metric}), encoding="utf-8")
            words = ("--task", task, "--out", self.path(metric))
            done = self.samara("evaluate", "--model", self.base, "--task", task, "--data", self.shared / "test.tsv",
                               "--kernel", "portable", "--json")
            score, name = json.loads(done.stdout), metric.replace("-", "_")
            self.assertEqual(self.train("--rounds", 1, *words)["zero_shot_" + name], score[name])
            found[metric] = score[name]
        wrong, all_examples = round((1 - score["accuracy"]) * score["examples"]), score["examples"]
        of_one = wrong / (1 - found["f1"])  # times that option 1 was answered or right: F1 = 1 - wrong / of_one
        of_zero = 2 * all_examples - of_one
        self.assertAlmostEqual(found["macro-f1"], (found["f1"] + 1 - wrong / of_zero) / 2, places=12)
        self.assertNotAlmostEqual(found["macro-f1"], score["accuracy"], places=3)

    def test_log_shows_each_round(self):
        oneline = self.samara("log", "--oneline", self.log)
        self.assertEqual(len(oneline.stdout.splitlines()), ROUNDS, oneline.stderr)
        lines = self.samara("log", "--json", self.log).stdout.splitlines()
        self.assertEqual(json.loads(lines[0])["format"], "samara-run/2")
        self.assertEqual([json.loads(line)["round"] for line in lines[1:]], list(range(ROUNDS)))
        self.assertIn("dev before round 20", self.samara("log", self.log).stdout)


if __name__ == "__main__":
    unittest.main()
