"""samara train as a whole: workers, deaths, interruptions. Needs $SAMARA_BIN.

    SAMARA_BIN=build/bin python3 tests/integration/test_train.py
"""

import json
import os
import pathlib
import re
import signal
import subprocess
import unittest

import stage

ROUNDS = ("--rounds", "60", "--slots", "4", "--batch", "4", "--eval-every", "20")


class Train(stage.Stage):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.undisturbed = None

    def reference(self):
        """The summary of a run that nobody disturbed, made once."""
        if Train.undisturbed is None:
            Train.undisturbed = self.train(*ROUNDS, "--workers", "2", "--out", self.shared / "reference")
        return Train.undisturbed

    def assert_same_run(self, summary):
        for field in ("run", "state_digest", "records", "rounds"):
            self.assertEqual(summary[field], self.reference()[field], field)

    def test_any_number_of_workers_makes_the_same_run(self):
        for workers in (1, 2, 4):
            with self.subTest(workers=workers):
                summary = self.train(*ROUNDS, "--workers", workers, "--out", self.path(f"out{workers}"))
                self.assert_same_run(summary)
                self.assertEqual(summary["rounds"], 60)
                self.assertEqual(summary["records"], 240)
                self.assertEqual(summary["workers"], workers)
                self.assertEqual(summary["workers_lost"], 0)
                self.assertEqual(len(summary["worker_bytes_sent"]), workers)

    def test_the_results_lie_in_the_folder(self):
        summary = self.train(*ROUNDS, "--out", self.path("out"))
        out = pathlib.Path(self.path("out"))
        self.assertEqual(json.loads((out / "summary.json").read_text()) | {"type": "summary"}, summary)
        self.assertEqual((out / "run.samlog").stat().st_size, summary["log_bytes"])
        for name in ("model/model.safetensors", "model/config.json", "model/tokenizer.json", "model.gguf"):
            self.assertGreater((out / name).stat().st_size, 0, name)
        for name in ("zero_shot_accuracy", "zero_shot_calibrated_accuracy", "final_accuracy", "seconds"):
            self.assertIsInstance(summary[name], float, name)
        self.assertLess(summary["final_loss"], summary["zero_shot_loss"])

    def test_every_line_of_json_is_an_object_with_a_type(self):
        done = self.samara("train", *self.material(), "--json", *ROUNDS, "--out", self.path("out"))
        kinds = [json.loads(line)["type"] for line in done.stdout.splitlines()]
        self.assertEqual(kinds[-1], "summary")
        self.assertLessEqual({"score", "start", "progress", "evaluation", "summary"}, set(kinds))

    def test_plain_lines_end_with_where_the_results_are(self):
        done = self.samara("train", *self.material(), *ROUNDS, "--out", self.path("out"))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("\033", done.stdout)
        self.assertEqual(re.findall(r"(?m)^round (\d+) +dev accuracy", done.stdout)[:3], ["0", "20", "40"])
        for part in ("before, threshold from dev", "state digest", self.path("out"), "samara replay"):
            self.assertIn(part, done.stdout)

    def test_a_killed_worker_is_reported_and_changes_nothing(self):
        running = self.begin(*ROUNDS, "--workers", "3", "--out", self.path("out"))
        running.wait_for_round(10)
        os.kill(self.pid_of("samara-worker", "worker-2"), signal.SIGKILL)
        code, summary = running.finish()
        self.assertEqual(code, 0, running.errors())
        self.assertEqual(summary["workers_lost"], 1)
        self.assertIn("worker-2 was killed (signal 9)", running.lines("event")[0]["text"])
        self.assert_same_run(summary)

    def test_the_last_worker_killed_is_started_again(self):
        running = self.begin(*ROUNDS, "--workers", "1", "--out", self.path("out"))
        running.wait_for_round(10)
        os.kill(self.pid_of("samara-worker", "worker-1"), signal.SIGKILL)
        code, summary = running.finish()
        self.assertEqual(code, 0, running.errors())
        self.assertEqual(summary["workers_lost"], 1)
        self.assert_same_run(summary)

    def test_a_worker_started_by_hand_helps(self):
        running = self.begin(*ROUNDS, "--workers", "1", "--out", self.path("out"))
        running.wait_for_round(10)
        with subprocess.Popen([self.path("out/add-worker.sh"), "helper"], stderr=subprocess.DEVNULL,
                              env=self.environment) as helper:
            code, summary = running.finish()
            self.assertEqual(code, 0, running.errors())
            self.assertEqual(helper.wait(timeout=stage.LIMIT), 0)
        self.assertGreater(summary["worker_counts"]["helper"]["slots"], 0)
        self.assert_same_run(summary)

    def test_a_worker_started_by_hand_ends_with_the_training(self):
        for how in (signal.SIGINT, signal.SIGKILL):
            with self.subTest(how=how):
                out = self.path(how.name)
                running = self.begin("--rounds", "100000", "--workers", "1", "--out", out, name=how.name)
                running.start()
                with subprocess.Popen([out + "/add-worker.sh"], stderr=subprocess.DEVNULL,
                                      env=self.environment) as helper:
                    running.wait_for_round(10)
                    running.process.send_signal(how)
                    running.process.wait(timeout=stage.LIMIT)
                    helper.wait(timeout=stage.LIMIT)

    def test_a_killed_redis_or_ledger_is_started_again(self):
        for program in ("redis-server", "samara-ledger"):
            with self.subTest(program=program):
                out = self.path(program)
                running = self.begin(*ROUNDS, "--workers", "2", "--out", out, name=program)
                running.wait_for_round(10)
                os.kill(self.process_in(program, out), signal.SIGKILL)
                code, summary = running.finish()
                self.assertEqual(code, 0, running.errors())
                self.assert_same_run(summary)

    def process_in(self, program, out):
        return [pid for pid, words in stage.processes_of(out) if program in words[0]][0]

    def test_ctrl_c_stops_cleanly_and_the_same_command_resumes(self):
        words = (*ROUNDS, "--workers", "2", "--out", self.path("out"))
        running = self.begin(*words, name="first")
        running.wait_for_round(10)
        running.process.send_signal(signal.SIGINT)
        code, summary = running.finish()
        self.assertEqual(code, 130)
        self.assertIsNone(summary)
        self.assertIn("the same command again goes on", running.lines("event")[-1]["text"])
        self.assertEqual(stage.processes_of(self.path("out")), [])
        stopped = self.samara("verify", self.path("out/run.samlog"), "--base", self.shared / "tiny.gguf")
        self.assertEqual(stopped.returncode, 0, stopped.stderr)
        running = self.begin(*words, name="second")
        self.assertTrue(running.start()["resumed"])
        code, summary = running.finish()
        self.assertEqual(code, 0, running.errors())
        self.assert_same_run(summary)

    def test_a_killed_training_leaves_nothing_running_and_resumes(self):
        words = (*ROUNDS, "--workers", "2", "--out", self.path("out"))
        running = self.begin(*words, name="first")
        running.wait_for_round(10)
        running.process.kill()
        running.process.wait()
        stage.wait_until(lambda: not stage.processes_of(self.path("out")), "all processes end with samara")
        self.assert_same_run(self.train(*words))

    def test_a_time_limit_ends_a_session_and_counts_anew(self):
        words = ("--rounds", "100000", "--slots", "2", "--batch", "2", "--minutes", "0.05", "--out", self.path("out"))
        first, second = self.train(*words), self.train(*words)
        self.assertGreater(first["rounds"], 0)
        self.assertGreater(second["rounds"], first["rounds"])
        self.assertGreater(second["seconds"], first["seconds"])

    def test_a_signed_run_leaves_its_signatures(self):
        out = pathlib.Path(self.path("out"))
        running = self.begin(*ROUNDS, "--signed", "--workers", "1", "--out", out)
        running.wait_for_round(5)
        with subprocess.Popen([out / "add-worker.sh", "helper"], stderr=subprocess.DEVNULL,
                              env=self.environment) as helper:
            code, summary = running.finish()
            helper.wait(timeout=stage.LIMIT)
        self.assertEqual(code, 0, running.errors())
        self.assertEqual(sorted(key.name for key in (out / "keys").iterdir()), ["helper.key", "worker-1.key"])
        told = self.samara("verify", out / "run.samlog", "--base", self.shared / "tiny.gguf",
                           "--signatures", out / "run.samsig")
        self.assertEqual(told.returncode, 0, told.stderr)
        self.assertRegex(told.stdout, r"signatures +240 good, 0 bad, 0 missing")
        self.assertEqual(summary["state_digest"], self.reference()["state_digest"])

    def test_a_private_run_keeps_within_its_budget(self):
        private = self.train(*ROUNDS, "--privacy", "20", "--out", self.path("out"))
        self.assertLess(19, private["privacy"]["epsilon"])
        self.assertLessEqual(private["privacy"]["epsilon"], 20)
        self.assertNotEqual(private["state_digest"], self.reference()["state_digest"])
        self.assertNotIn("privacy", self.reference())

    def test_privacy_that_cannot_be_is_refused(self):
        for words, parts in ((("--privacy", "20", "--verify-rate", "0.1"), ("--verify-rate", "--privacy")),
                             (("--privacy", "20", "--privacy-clip", "1e9"), ("--privacy-clip",)),
                             (("--privacy", "0.001", "--rounds", "1000000000000"), ("--privacy", "--rounds")),
                             (("--privacy", "20", "--batch", "60000"), ("--privacy", "examples"))):
            with self.subTest(words=words):
                self.assert_one_sentence(self.samara("train", *self.material(), "--out", self.path("out"), *words),
                                         *parts)

    def test_slots_are_checked_by_a_second_worker(self):
        summary = self.train(*ROUNDS, "--verify-rate", "0.25", "--workers", "2", "--out", self.path("out"))
        self.assertEqual(summary["state_digest"], self.reference()["state_digest"])

    def test_other_settings_are_refused_in_the_same_folder_unless_fresh(self):
        self.train(*ROUNDS, "--out", self.path("out"))
        other = ("train", *self.material(), *ROUNDS, "--seed", "2", "--out", self.path("out"))
        self.assert_one_sentence(self.samara(*other), "seed", "--fresh")
        self.assertEqual(self.samara(*other, "--fresh").returncode, 0)

    def test_one_folder_serves_one_training_at_a_time(self):
        running = self.begin("--rounds", "100000", "--out", self.path("out"))
        running.wait_for_round(1)
        second = self.samara("train", *self.material(), "--out", self.path("out"))
        self.assert_one_sentence(second, "another samara train")
        running.process.send_signal(signal.SIGTERM)
        self.assertEqual(running.finish()[0], 130)


if __name__ == "__main__":
    unittest.main()
