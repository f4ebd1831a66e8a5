"""The history of a run as a tool: fork, revert, diff, average, bisect, verify; logs that move between ledgers, and come
back from replicas. What the state must be is computed a second time, in Python (tests/exact). Needs $SAMARA_BIN."""

import hashlib
import json
import pathlib
import shutil
import struct
import sys
import unittest
import urllib.request

import stage

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS / "exact"))
import samara_exact  # noqa: E402  (the second implementation of the exact zone)
import samara_formats  # noqa: E402  (and of the formats)

ROUNDS, SLOTS = 48, 4


class Shortened(samara_exact.Run):
    """A run some of whose records move nothing: without(round, worker) says which."""

    def __init__(self, manifest, without):
        super().__init__(manifest)
        self.without = without

    def taken_out(self, r, record):
        return self.without(r, record.author)


def states_of(content, without=lambda number, worker: False):
    """The states before rounds 0, 1, ...: `without` says which records are left out."""
    log = samara_formats.Log(content)
    run = Shortened(log.manifest, without)
    states = [list(run.state.integers)]
    for r in log.rounds:
        run.put(r.number, [record.exact() for record in r.records])
        states.append(list(run.state.integers))
    return states


def digest_of(state):
    return hashlib.blake2b(struct.pack(f"<{len(state)}q", *state), digest_size=32).hexdigest()


def rewrite(content, change):
    """The same log with other codes, chained anew: change(round, place, worker, codes) gives the codes."""
    log = samara_formats.Log(content)
    chain, out = log.run, log.head
    for r in log.rounds:
        records = [record._replace(codes=bytes(change(r.number, record.place, record.author, record.codes)))
                   for record in r.records]
        encoded = samara_formats.encode_round(chain, r.number, r.committed_ms, records, r.evaluations)
        chain = encoded[-32:]
        out += struct.pack("<I", len(encoded)) + encoded
    return out


class History(stage.Stage):
    """On files: a training of two workers, once for all tests."""

    summary = None

    def setUp(self):
        super().setUp()
        self.base, self.log = self.shared / "tiny.gguf", self.shared / "out" / "run.samlog"
        if History.summary is None:
            History.summary = self.train("--rounds", ROUNDS, "--slots", SLOTS, "--batch", "4", "--eval-every", "16",
                                         "--workers", "2", "--out", self.shared / "out")

    def told(self, *words):
        done = self.samara(*words, "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def content(self, path=None):
        return pathlib.Path(path or self.log).read_bytes()

    def a_worker(self):
        return max(record.author for r in samara_formats.Log(self.content()).rounds for record in r.records)

    def test_a_fork_shares_the_past_and_has_a_name_of_its_own(self):
        made = self.told("fork", self.log, "--at", 20, "--name", "branch", "--out", self.path("f.samlog"), "--base",
                         self.base)
        fork, log = samara_formats.Log(self.content(self.path("f.samlog"))), samara_formats.Log(self.content())
        self.assertEqual([r.encoded[:-32] for r in fork.rounds], [r.encoded[:-32] for r in log.rounds[:20]])
        self.assertEqual(fork.manifest["parent"]["run"], self.summary["run"])
        self.assertNotEqual(made["run"], self.summary["run"])
        self.assertEqual((made["name"], made["rounds"], made["planned"]), ("branch", 20, ROUNDS))
        self.assertEqual(made["state_digest"], digest_of(states_of(self.content())[20]))
        told = self.told("diff", self.log, self.path("f.samlog"), "--base", self.base, "--a-round", 20)
        self.assertEqual((told["shared"], told["differing"]), (20, 0))
        self.assertEqual({field["field"] for field in told["manifest"]}, {"name", "parent"})
        self.assert_one_sentence(self.samara("fork", self.log, "--at", "49", "--out", "x"), "48 rounds")
        self.assert_one_sentence(self.samara("fork", self.log, "--at", "5"), "--out")

    def test_states_of_different_numbers_of_epochs_are_compared(self):
        log = self.path("epochs/run.samlog")
        self.train("--rounds", 12, "--epoch-rounds", 3, "--out", self.path("epochs"))
        told = self.told("diff", log, log, "--base", self.base, "--a-round", 2)
        self.assertEqual(told["integers"] % 4, 0)
        self.assertGreater(told["differing"], told["integers"] // 4)

    def test_a_revert_is_the_run_without_those_records(self):
        worker = self.a_worker()
        whole = self.content()
        cases = [(("--worker", worker), lambda r, w: w == worker), (("--rounds", "10..13"), lambda r, w: 10 <= r < 13),
                 (("--worker", worker, "--rounds", "5..30"), lambda r, w: w == worker and 5 <= r < 30)]
        for words, without in cases:
            with self.subTest(words=words):
                made = self.told("revert", self.log, *words, "--out", self.path("r.samlog"), "--base", self.base)
                self.assertEqual(made["state_digest"], digest_of(states_of(whole, without)[-1]))
                self.assertNotEqual(made["state_digest"], self.summary["state_digest"])
                again = self.told("verify", self.path("r.samlog"), "--base", self.base, "--digest",
                                  made["state_digest"])
                self.assertEqual(again["rounds"], ROUNDS)
        twice = self.told("revert", self.path("r.samlog"), "--rounds", "40..48", "--out", self.path("s.samlog"),
                          "--base", self.base)
        self.assertEqual(twice["state_digest"], digest_of(states_of(
            whole, lambda r, w: r >= 40 or (w == worker and 5 <= r < 30))[-1]))
        for words, part in ((("--worker", "9"), "no record of worker 9"), (("--rounds", "7"), "A..B"),
                            (("--rounds", "40..50"), "not among"), ((), "--worker W")):
            self.assert_one_sentence(self.samara("revert", self.log, *words, "--out", self.path("x")), part)

    def test_an_average_is_the_exact_mean_of_the_states(self):
        states = states_of(self.content())
        for first, last in ((0, ROUNDS), (17, 17), (30, 41)):
            made = self.told("average", self.log, "--base", self.base, "--from", first, "--to", last)
            count = last - first + 1
            mean = [(2 * sum(column) + count) // (2 * count) for column in zip(*states[first:last + 1])]
            self.assertEqual(made["state_digest"], digest_of(mean), (first, last))
        made = self.told("average", self.log, "--base", self.base, "--from", 30, "--out", self.path("model"))
        self.assertEqual((made["to"], made["states"]), (ROUNDS, 19))
        self.assertTrue((pathlib.Path(self.path("model")) / "model.safetensors").exists())
        self.assert_one_sentence(self.samara("average", self.log, "--base", self.base, "--from", "9", "--to", "8"))

    def loss(self, log, number):
        done = self.samara("evaluate", "--model", self.base, "--task", self.shared / "task.json", "--data",
                           self.shared / "dev.tsv", "--log", log, "--round", number, "--kernel", "portable", "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)["loss"]

    def test_bisect_finds_the_round_with_which_the_loss_grew(self):
        """From round 24 on, workers that send the opposite undo what was learnt."""
        bad = self.path("bad.samlog")
        pathlib.Path(bad).write_bytes(rewrite(self.content(), lambda r, s, w, codes: [
            code ^ 0x80 if r >= 24 and code & 0x7f else code for code in codes]))
        words = ("bisect", bad, "--base", self.base, "--data", self.shared / "dev.tsv", "--metric", "loss", "--kernel",
                 "portable", "--good", 24)
        found = self.told(*words)
        self.assertIn(found["round"], range(24, ROUNDS))
        limit = (self.loss(bad, 24) + self.loss(bad, ROUNDS)) / 2
        self.assertLessEqual(self.loss(bad, found["round"]), limit)
        self.assertGreater(self.loss(bad, found["round"] + 1), limit)
        self.assertEqual(len(found["records"]), SLOTS)
        self.assertLessEqual(len(found["evaluations"]), 8)
        self.assert_one_sentence(self.samara(*words, "--limit", "100"), "had not fallen")
        self.assert_one_sentence(self.samara(*words, "--bad", "24"), "--good and --bad")

    def test_verify_names_the_workers_whose_codes_do_not_stand_up(self):
        words = ("--base", self.base, "--train", self.shared / "train.tsv", "--kernel", "portable", "--threads", "1",
                 "--codes", "1")
        good = self.told("verify", self.log, *words, "--digest", self.summary["state_digest"])
        self.assertEqual(good["slots"], ROUNDS * SLOTS)
        self.assertTrue(all(worker["stands"] and worker["same"] == worker["codes"] for worker in good["workers"]))
        some = self.told("verify", self.log, *words[:-1], "0.25", "--seed", "7")
        self.assertTrue(0 < some["slots"] < ROUNDS * SLOTS, some["slots"])
        self.assertEqual(some["seed"], "7")

        bad = self.a_worker()
        path = pathlib.Path(self.path("liar.samlog"))
        path.write_bytes(rewrite(self.content(), lambda r, s, w, codes: [
            (code ^ 0x80 if code & 0x7f else 9) if w == bad and r == ROUNDS - 1 else code for code in codes]))
        done = self.samara("verify", path, *words, "--json")
        self.assert_one_sentence(done, f"worker {bad} ")
        told = json.loads(done.stdout)
        self.assertEqual([worker["worker"] for worker in told["workers"] if not worker["stands"]], [bad])
        self.assertTrue(all(one["round"] == ROUNDS - 1 and one["worker"] == bad for one in told["differences"]))
        self.assertIn("DOES NOT STAND UP", self.samara("verify", path, *words).stdout)
        self.assert_one_sentence(self.samara("verify", self.log, *words[:2], "--train", self.shared / "dev.tsv"),
                                 "not the run's training data")

    def test_verify_takes_the_codes_of_a_fork_from_its_own_rounds_alone(self):
        self.told("revert", self.log, "--worker", self.a_worker(), "--out", self.path("r.samlog"))
        told = self.told("verify", self.path("r.samlog"), "--base", self.base, "--train", self.shared / "train.tsv",
                         "--codes", "1")
        self.assertEqual((told["slots"], told["from_round"]), (0, ROUNDS))

    def test_verify_sees_a_broken_chain_without_a_base(self):
        self.assertEqual(self.told("verify", self.log)["run"], self.summary["run"])
        content = bytearray(self.content())
        content[-40] ^= 1
        pathlib.Path(self.path("bad.samlog")).write_bytes(content)
        self.assert_one_sentence(self.samara("verify", self.path("bad.samlog")), f"round {ROUNDS - 1}")
        self.assert_one_sentence(self.samara("verify", self.log, "--digest", "0" * 64), "--base")

    def test_log_shows_one_workers_records_and_some_rounds(self):
        worker = self.a_worker()
        lines = self.samara("log", self.log, "--json", "--worker", worker).stdout.splitlines()[1:]
        records = [record for line in lines for record in json.loads(line)["records"]]
        theirs = sum(record.author == worker for r in samara_formats.Log(self.content()).rounds for record in r.records)
        self.assertEqual([record["worker"] for record in records], [worker] * theirs)
        lines = self.samara("log", "--oneline", self.log, "--rounds", "5..8").stdout.splitlines()
        self.assertEqual([line.split()[0] for line in lines], ["5", "6", "7"])
        self.told("revert", self.log, "--rounds", "5..6", "--out", self.path("r.samlog"))
        shown = self.samara("log", self.path("r.samlog"), "--rounds", "4..7").stdout
        self.assertIn("without rounds 5..6", shown)
        self.assertEqual([line.count("(") for line in shown.splitlines()[-3:]], [0, SLOTS, 0])

    def test_each_command_has_its_help_and_needs_its_words(self):
        for command in ("fork", "revert", "diff", "average", "bisect", "verify", "log", "export-run", "import-run",
                        "restore"):
            with self.subTest(command=command):
                done = self.samara(command, "--help")
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertIn("--json", done.stdout)
                self.assert_one_sentence(self.samara(command), f"samara {command} --help")


class Moves(stage.Services):
    """With services: a ledger and its Redis, gateway, workers; each has a name, and a log of that name."""

    def setUp(self):
        super().setUp()
        self.named = {}
        if shutil.which("redis-server") is None:
            self.skipTest("no redis-server here")

    def start(self, name, *words):
        self.named[name] = self.spawn(*words, log=f"{name}.log")

    def text(self, name):
        return pathlib.Path(self.path(f"{name}.log")).read_text(encoding="utf-8", errors="replace")

    def kill(self, name):
        process = self.named.pop(name)
        self.started.remove(process)
        process.kill()
        process.wait()

    def assert_ends_well(self, name):
        self.assertEqual(self.named.pop(name).wait(timeout=stage.LIMIT), 0, self.text(name))

    def redis(self, name):
        (self.folder / name).mkdir(exist_ok=True)
        self.start(name, "redis-server", "--port", "0", "--dir", self.folder / name, "--unixsocket",
                   f"../{name}.sock", "--appendonly", "yes", "--appendfsync", "always", "--save", "")

    def ledger(self, name, redis):
        self.redis(redis)
        self.start(name, stage.BIN / "samara-ledger", "--listen", "127.0.0.1:0", "--redis", f"unix:{redis}.sock",
                   "--wait-redis", "30")
        return self.said(f"{name}.log", "listening on ")[0]

    def gateway(self, name, redis):
        self.start(name, stage.BIN / "samara-gateway", "--listen", "127.0.0.1:0", "--redis", f"unix:{redis}.sock",
                   "--model", self.shared / "tiny.gguf")
        return self.said(f"{name}.log", "listening on ")[0]

    def worker(self, name, ledger, run, *words):
        self.start(name, stage.BIN / "samara-worker", "--ledger", ledger, "--run", run, "--model",
                   self.shared / "tiny.gguf", "--train", self.shared / "train.tsv", "--dev", self.shared / "dev.tsv",
                   "--kernel", "portable", "--name", name, "--wait-ms", "500", *words)

    def ask(self, url, body=None):
        with urllib.request.urlopen(urllib.request.Request(url, data=body), timeout=stage.LIMIT) as reply:
            return reply.read()

    def head(self, ledger, run):
        return json.loads(self.ask(f"{ledger}/v1/runs/{run}"))["head"]

    def make_run(self, ledger, rounds):
        """A run at the ledger, and the digest of the state that it must come to."""
        summary = self.train("--rounds", rounds, "--slots", "2", "--workers", "1", "--eval-every", "8", "--out",
                             self.path("plain"))
        manifest = samara_formats.Log(pathlib.Path(self.path("plain/run.samlog")).read_bytes())
        text = json.dumps(manifest.manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        run = json.loads(self.ask(f"{ledger}/v1/runs", text))["run"]
        self.assertEqual(run, summary["run"])
        return run, summary["state_digest"]

    def finish(self, ledger, run, rounds):
        stage.wait_until(lambda: json.loads(self.ask(f"{ledger}/v1/runs/{run}"))["status"] == "complete" or
                         self.ended_badly(), f"the run ends; {self.head(ledger, run)} of {rounds}")

    def ended_badly(self):
        for name, process in self.named.items():
            if process.poll() not in (None, 0):
                raise AssertionError(f"{name} ended: {self.text(name)}")

    @staticmethod
    def is_ready(service):
        try:
            return urllib.request.urlopen(service + "/readyz", timeout=5).status == 200
        except OSError:  # also what is answered with 503
            return False

    def done(self, *words):
        done = self.samara(*words)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def digest(self, log):
        told = json.loads(self.done("verify", log, "--base", self.shared / "tiny.gguf", "--json"))
        return told["state_digest"]

    def test_a_run_moves_to_another_ledger_as_a_file_and_goes_on_there(self):
        first, second = self.ledger("ledger", "redis"), self.ledger("other", "away")
        run, digest = self.make_run(first, 40)
        gateway = self.gateway("gateway", "redis")
        self.worker("worker", first, run)
        stage.wait_until(lambda: self.head(first, run) >= 12 or self.ended_badly(), "12 rounds")
        self.named["worker"].terminate()
        self.assert_ends_well("worker")
        head = self.head(first, run)

        self.done("export-run", f"{first}/v1/runs/{run}", "--out", self.path("a.samlog"))
        stage.wait_until(lambda: self.head(gateway, run) == head, "the gateway follows")
        told = json.loads(self.done("export-run", gateway, "--out", self.path("b.samlog"), "--json"))
        self.assertEqual((told["run"], told["rounds"]), (run, head))
        content = pathlib.Path(self.path("a.samlog")).read_bytes()
        self.assertEqual(pathlib.Path(self.path("b.samlog")).read_bytes(), content)
        self.done("verify", gateway, "--base", self.shared / "tiny.gguf", "--against", gateway)

        for had in (0, head):
            told = json.loads(self.done("import-run", self.path("a.samlog"), "--ledger", second, "--json"))
            self.assertEqual((told["ledger_had"], told["ledger_has"]), (had, head))
        self.assertEqual(self.ask(f"{second}/v1/runs/{run}/log"), content)
        self.worker("worker", second, run)
        self.finish(second, run, 40)
        self.assertEqual(self.digest(second), digest)

    def test_a_fork_at_a_ledger_goes_on_like_any_run(self):
        ledger = self.ledger("ledger", "redis")
        run, digest = self.make_run(ledger, 24)
        self.worker("worker", ledger, run)
        self.finish(ledger, run, 24)
        told = json.loads(self.done("fork", f"{ledger}/v1/runs/{run}", "--at", "15", "--name", "branch", "--json"))
        self.assertEqual((told["ledger"], told["ledger_has"]), (ledger, 15))
        self.worker("brancher", ledger, told["run"])
        self.finish(ledger, told["run"], 24)
        self.assertEqual(self.digest(f"{ledger}/v1/runs/{told['run']}"), digest)  # with the same data and seed
        self.assert_one_sentence(self.samara("log", ledger), "2 runs")

    def test_a_run_comes_back_when_redis_lost_its_disk_and_its_workers_go_on(self):
        ledger = self.ledger("ledger", "redis")
        run, digest = self.make_run(ledger, 60)
        gateway = self.gateway("gateway", "redis")
        for name in ("one", "two"):
            self.worker(name, ledger, run, "--log", self.path(f"{name}.samlog"))
        stage.wait_until(lambda: self.head(ledger, run) >= 15 or self.ended_badly(), "15 rounds")
        self.kill("redis")
        shutil.rmtree(self.folder / "redis")
        self.redis("redis")
        stage.wait_until(lambda: self.is_ready(ledger), "the ledger to find Redis again")
        stage.wait_until(lambda: "waiting until the log is brought back" in self.text("one"), "the worker waits")
        self.assertEqual(json.loads(self.ask(f"{ledger}/v1/runs")), {"runs": []})
        known = [len(samara_formats.Log(self.whole(f"{name}.samlog")).rounds) for name in ("one", "two")]

        sources = ",".join([gateway, self.path("one.samlog"), self.path("two.samlog")])
        told = json.loads(self.done("restore", "--from", sources, "--ledger", ledger, "--json"))
        self.assertEqual((told["run"], told["ledger_had"]), (run, 0))
        self.assertGreaterEqual(told["ledger_has"], max(known))
        self.finish(ledger, run, 60)
        self.assertEqual(self.digest(ledger), digest)
        workers = json.loads(self.ask(f"{ledger}/v1/runs/{run}/workers"))["workers"]
        self.assertTrue(all(worker["worker"] > 2 for worker in workers), workers)  # numbers are not given twice
        for name in ("one", "two"):
            self.assert_ends_well(name)
            self.assertEqual(self.digest(self.path(f"{name}.samlog")), digest)

    def whole(self, name):
        """A log that is being written, without what is not whole at its end."""
        content = pathlib.Path(self.path(name)).read_bytes()
        at = 12 + struct.unpack_from("<I", content, 8)[0]
        while at + 4 <= len(content) and at + 4 + struct.unpack_from("<I", content, at)[0] <= len(content):
            at += 4 + struct.unpack_from("<I", content, at)[0]
        return content[:at]

    def test_a_workers_log_alone_brings_a_run_back_and_a_new_start_goes_on_from_it(self):
        ledger = self.ledger("ledger", "redis")
        run, digest = self.make_run(ledger, 40)
        self.worker("one", ledger, run, "--log", self.path("one.samlog"))
        stage.wait_until(lambda: self.head(ledger, run) >= 10 or self.ended_badly(), "10 rounds")
        self.kill("one")
        self.kill("redis")
        shutil.rmtree(self.folder / "redis")
        self.redis("redis")
        stage.wait_until(lambda: self.is_ready(ledger), "the ledger to find Redis again")
        with open(self.path("one.samlog"), "ab") as file:
            file.write(b"\x50\x00\x00\x00half")  # as if it had been killed while it wrote
        self.done("restore", "--from", self.path("one.samlog"), "--ledger", ledger)
        self.worker("again", ledger, run, "--log", self.path("one.samlog"))
        self.finish(ledger, run, 40)
        self.assert_ends_well("again")
        self.assertIn("goes on after the", self.text("again"))
        self.assertEqual(self.digest(ledger), digest)
        self.assertEqual(self.ask(f"{ledger}/v1/runs/{run}/log"), pathlib.Path(self.path("one.samlog")).read_bytes())

    def test_logs_that_went_apart_are_not_mixed(self):
        ledger = self.ledger("ledger", "redis")
        run, _ = self.make_run(ledger, 12)
        log = pathlib.Path(self.path("plain/run.samlog"))
        other = pathlib.Path(self.path("other.samlog"))
        other.write_bytes(rewrite(log.read_bytes(), lambda r, s, w, codes: [9] * len(codes) if r == 7 else codes))
        done = self.samara("restore", "--from", f"{log},{other}", "--ledger", ledger)
        self.assert_one_sentence(done, "from round 7 on", run[:12])
        self.done("import-run", log, "--ledger", ledger)
        self.assert_one_sentence(self.samara("import-run", other, "--ledger", ledger), "went apart")
        done = self.samara("restore", "--from", self.path("nothing.samlog"), "--ledger", ledger)
        self.assert_one_sentence(done, "nothing.samlog")


if __name__ == "__main__":
    unittest.main()
