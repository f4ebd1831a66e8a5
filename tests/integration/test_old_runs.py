"""Runs that were made once are read, replayed, served and gone on with, to the digest (tests/runs). Needs $SAMARA_BIN."""

import json
import pathlib
import unittest
import urllib.request

import stage

RUNS = pathlib.Path(__file__).resolve().parent.parent / "runs"
DIGESTS = json.loads((RUNS / "digests.json").read_text(encoding="ascii"))


class Files(stage.Stage):
    def test_every_run_leads_to_its_digests(self):
        for name, digests in DIGESTS.items():
            for number, digest in digests.items():
                done = self.samara("replay", "--log", RUNS / f"{name}.samlog", "--base", self.shared / "tiny.gguf",
                                   "--out", self.path("model"), "--round", number)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertIn(digest, done.stdout, f"{name} before round {number}")

    def test_every_run_is_verified(self):
        for name, digests in DIGESTS.items():
            done = self.samara("verify", RUNS / f"{name}.samlog", "--base", self.shared / "tiny.gguf", "--json")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(json.loads(done.stdout)["state_digest"], digests[max(digests, key=int)])

    def test_signatures_hold(self):
        done = self.samara("verify", RUNS / "signed.samlog", "--signatures", RUNS / "signed.samsig", "--json")
        self.assertEqual(done.returncode, 0, done.stderr + done.stdout)

    def test_a_run_of_format_1_is_refused_with_a_sentence(self):
        path = pathlib.Path(self.path("old.samlog"))
        path.write_bytes(b"SAMLOG1\n" + (RUNS / "sketch.samlog").read_bytes()[8:])
        self.assert_one_sentence(self.samara("log", path), "SAMLOG2")


class Going(stage.Services):
    def ask(self, url):
        with urllib.request.urlopen(url, timeout=30) as reply:
            return reply.read()

    def test_runs_are_served_and_gone_on_with(self):
        self.start_ledger()
        self.spawn(stage.BIN / "samara-gateway", "--listen", "127.0.0.1:0", "--redis", "unix:r.sock", "--model",
                   self.shared / "tiny.gguf", log="gateway.log")
        gateway = self.said("gateway.log", "listening on ")[0]
        for name in ("sketch", "rademacher", "lag", "forked"):
            log = RUNS / f"{name}.samlog"
            done = self.samara("import-run", log, "--ledger", self.ledger, "--json")
            self.assertEqual(done.returncode, 0, done.stderr)
            told, head = json.loads(done.stdout), max(DIGESTS[name], key=int)
            run = f"{self.ledger}/v1/runs/{told['run']}"
            stage.wait_until(lambda: self.head_of(gateway, told["run"]) >= int(head), "the gateway follows")
            self.assertIn(DIGESTS[name][head].encode(),
                          self.ask(f"{gateway}/v1/runs/{told['run']}/digest?round={head}"))
            self.spawn(*self.worker_words(told["run"], "--kernel", "portable", "--threads", "1"),
                       log=f"worker-{name}.log")
            stage.wait_until(lambda: json.loads(self.ask(run))["status"] == "complete", f"{name} is gone on with")
            self.assertEqual(self.ask(f"{run}/log")[:log.stat().st_size], log.read_bytes())

    def head_of(self, gateway, run):
        try:
            return json.loads(self.ask(f"{gateway}/v1/runs/{run}"))["head"]
        except OSError:
            return -1


if __name__ == "__main__":
    unittest.main()
