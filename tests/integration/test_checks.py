"""What a run may ask of its workers: that others check their codes, that they sign them, that they add noise."""

import json
import os
import random
import re
import subprocess
import unittest
import urllib.request

import hostile
import stage


class Checks(stage.Services):
    def make_run(self, **fields):
        manifest = json.loads(self.manifest()) | fields
        return json.loads(self.ask("/v1/runs", json.dumps(manifest).encode()))["run"]

    def ask(self, path, body=None):
        with urllib.request.urlopen(urllib.request.Request(self.ledger + path, data=body),
                                    timeout=stage.LIMIT) as reply:
            return reply.read()

    def test_one_worker_of_three_sends_wrong_bytes_and_is_quarantined(self):
        self.start_ledger()
        run = self.make_run(rounds="60", slots=4, verify_rate=64, kernel="portable",
                            guard={"kind": "median", "cap": 512, "clip": 1024})
        bad = hostile.Worker(self.ledger, run, "portable", random.Random(5))
        honest = [self.spawn(*self.worker_words(run), log=f"worker{i}.log") for i in range(2)]
        bad.play()
        self.assertIsNotNone(bad.refusal, "the hostile worker was never found out")
        self.assertEqual(bad.refusal["code"], "FORBIDDEN")
        self.assertIn(f"worker {bad.number} is in quarantine since round", bad.refusal["detail"])
        for process in honest:
            self.assertEqual(process.wait(timeout=stage.LIMIT), 0)

        state = json.loads(self.ask(f"/v1/runs/{run}"))
        self.assertEqual((state["status"], state["head"], state["quarantined"]), ("complete", 60, [bad.number]))
        for row in json.loads(self.ask(f"/v1/runs/{run}/workers"))["workers"]:
            if row["worker"] == bad.number:
                self.assertEqual(row["status"], "quarantined")
                self.assertGreaterEqual(row["differed"], 2)
            else:
                self.assertGreater(row["agreed"], 0)
                self.assertEqual(row["differed"], 0)
        digests = {self.said(f"worker{i}.log", "has the digest ")[-1] for i in range(2)}
        self.assertEqual(len(digests), 1)
        self.assert_nothing_after_quarantine(run, bad)

    def assert_nothing_after_quarantine(self, run, bad):
        """Its records are those it sent, and end where the quarantine begins."""
        since = int(re.search(r"since round (\d+)", bad.refusal["detail"]).group(1))
        told = self.samara("log", "--json", f"{self.ledger}/v1/runs/{run}")
        rounds = [json.loads(line) for line in told.stdout.splitlines()[1:]]
        self.assertEqual(len(rounds), 60, told.stderr)
        theirs = [line["round"] for line in rounds for slot in line["records"] if slot["worker"] == bad.number]
        self.assertTrue(theirs)
        self.assertLessEqual(max(theirs), since)

    def test_a_signed_run_is_verified_with_the_keys_of_its_workers(self):
        self.start_ledger()
        run = self.make_run(rounds="6", signed=True)
        done = subprocess.run(self.worker_words(run), capture_output=True, text=True, timeout=stage.LIMIT,
                              stdin=subprocess.DEVNULL, env=self.environment, cwd=self.folder, check=False)
        self.assert_one_sentence(done, "the run wants signed records", "--key")
        for process in [self.spawn(*self.worker_words(run, "--key", f"{i}.key"), log=f"worker{i}.log")
                        for i in range(2)]:
            self.assertEqual(process.wait(timeout=stage.LIMIT), 0)
        self.assertEqual(os.stat(self.path("0.key")).st_mode & 0o777, 0o600)

        for name in ("log", "signatures"):
            with open(self.path(name), "wb") as file:
                file.write(self.ask(f"/v1/runs/{run}/{name}"))
        words = ["verify", "log", "--base", self.shared / "tiny.gguf", "--signatures", "signatures"]
        told = self.samara(*words)
        self.assertEqual(told.returncode, 0, told.stderr)
        self.assertRegex(told.stdout, r"signatures +12 good, 0 bad, 0 missing")
        with open(self.path("signatures"), "r+b") as file:
            file.seek(-1, os.SEEK_END)
            last = file.read(1)[0]
            file.seek(-1, os.SEEK_END)
            file.write(bytes([last ^ 1]))
        told = self.samara(*words)
        self.assert_one_sentence(told, "1 records are not signed")
        self.assertRegex(told.stdout, r"round 5, slot 1, worker \d: the signature is not this worker's")

    def test_a_private_run_says_what_it_tells_of_an_example(self):
        self.start_ledger()
        private = {"clip": 100, "sigma": 2000}
        shape = {"batch": 8, "probes": 1, "estimator": "two-point", "balance": True}
        # 80 examples, balanced, in minibatches of 8: an example comes again after ten slots
        refused = self.make_run(rounds="5", privacy=private | {"period": 11}, **shape)
        done = subprocess.run(self.worker_words(refused), capture_output=True, text=True, timeout=stage.LIMIT,
                              stdin=subprocess.DEVNULL, env=self.environment, cwd=self.folder, check=False)
        self.assert_one_sentence(done, "privacy.period", "after 10")
        run = self.make_run(rounds="6", privacy=private | {"period": 10}, **shape)
        told = self.samara("status", f"{self.ledger}/v1/runs/{run}")
        self.assertRegex(told.stdout, r"privacy +epsilon 0\.000 at delta 1e-05")
        self.assertEqual(self.spawn(*self.worker_words(run), log="worker.log").wait(timeout=stage.LIMIT), 0)
        state = json.loads(self.ask(f"/v1/runs/{run}"))
        self.assertAlmostEqual(state["privacy"]["epsilon"], 0.545813209818, places=9)  # 12 slots: two uses
        self.assertRegex(self.ask("/metrics").decode(), r'samara_run_epsilon\{run="%s",name="[^"]*"\} 0\.5458' % run)


if __name__ == "__main__":
    unittest.main()
