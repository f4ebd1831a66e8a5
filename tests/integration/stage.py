"""What every integration test stands on: a folder with a tiny model and data, real processes, a look for leftovers.

    class Train(stage.Stage):
        def test_...(self):
            done = self.samara("train", *self.material, "--rounds", "20", "--out", self.path("out"))
            self.assertEqual(done.returncode, 0, done.stderr)

The programs are those in the folder $SAMARA_BIN. After every test it is checked that no process is left that was started
in, or with a word of, the test's folder.
"""

import contextlib
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
import urllib.request

import tiny_model

BIN = pathlib.Path(os.environ.get("SAMARA_BIN", "build/bin")).resolve()
LIMIT = 120  # seconds for anything that is waited for
GOOD = ["wonderful", "a joy", "so warm", "bright and clever", "moving", "full of life"]
BAD = ["dull", "a mess", "so cold", "loud and empty", "tiresome", "without a heart"]
TASK = {"name": "tiny", "template": "{text} It was", "options": [" bad", " great"], "label": "label",
        "labels": {"0": 0, "1": 1}, "metric": "accuracy"}


def write_data(path, count, seed):
    rng = random.Random(seed)
    lines = ["text\tlabel"]
    for number in range(count):
        label = number % 2
        lines.append(f"Film {number} is {rng.choice(GOOD if label else BAD)}.\t{label}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def processes_of(folder):
    """(pid, words) of every process that runs in `folder` or names it."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
            inside = os.readlink(entry / "cwd").startswith(str(folder))
            if words != [""] and (inside or any(str(folder) in word for word in words)):
                found.append((int(entry.name), words))
    return found


def wait_until(holds, what):
    until = time.monotonic() + LIMIT
    while time.monotonic() < until:
        value = holds()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"not within {LIMIT} s: {what}")


class Running:
    """A `samara train --json` in the background; its lines are read from a file."""

    def __init__(self, words, environment, output):
        self.output = pathlib.Path(output)
        with open(self.output, "wb") as out, open(str(output) + ".err", "wb") as err:
            self.process = subprocess.Popen(words, stdout=out, stderr=err, stdin=subprocess.DEVNULL, env=environment)

    def lines(self, kind):
        found = []
        for line in self.output.read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(ValueError):  # the last line may not be whole yet
                value = json.loads(line)
                if value["type"] == kind:
                    found.append(value)
        return found

    def start(self):
        return wait_until(lambda: self.lines("start") or self.ended(), "the training starts")[0]

    def ended(self):
        if self.process.poll() is None:
            return None
        raise AssertionError(f"samara train ended early: {self.errors()}\n{self.output.read_text()}")

    def errors(self):
        return pathlib.Path(str(self.output) + ".err").read_text(encoding="utf-8")

    def head(self):
        start = self.start()
        with contextlib.suppress(OSError):
            with urllib.request.urlopen(f"http://{start['ledger']}/v1/runs/{start['run']}", timeout=10) as reply:
                return json.load(reply)["head"]
        return 0

    def wait_for_round(self, number):
        wait_until(lambda: self.head() >= number or self.ended(), f"round {number}")

    def finish(self):
        code = self.process.wait(timeout=LIMIT)
        return code, (self.lines("summary") or [None])[-1]


class Stage(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.shared = pathlib.Path(tempfile.mkdtemp(prefix="samara-integration-"))
        tiny_model.write(cls.shared / "tiny.gguf", seed=1)
        for name, count, seed in (("train", 80, 1), ("dev", 40, 2), ("test", 40, 3)):
            write_data(cls.shared / f"{name}.tsv", count, seed)
        (cls.shared / "task.json").write_text(json.dumps(TASK), encoding="utf-8")
        cls.environment = {name: value for name, value in os.environ.items() if not name.startswith("SAMARA_")}
        cls.environment["XDG_CACHE_HOME"] = str(cls.shared / "cache")

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.shared, ignore_errors=True)

    def setUp(self):
        self.folder = self.shared / self.id().rsplit(".", 1)[-1]
        self.folder.mkdir()

    def tearDown(self):
        if processes_of(self.folder):
            time.sleep(2)  # a killed process is there a moment longer
        left = processes_of(self.folder)
        for pid, _ in left:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        self.assertEqual(left, [], "processes are left running")

    def path(self, name):
        return str(self.folder / name)

    def material(self, **instead):
        files = {"model": "tiny.gguf", "task": "task.json", "train": "train.tsv", "dev": "dev.tsv", "test": "test.tsv"}
        words = []
        for name, file in files.items():
            words += [f"--{name}", str(instead.get(name, self.shared / file))]
        return words + ["--kernel", "portable", "--threads", "1"]

    def samara(self, *words, environment=None):
        return subprocess.run([str(BIN / "samara"), *map(str, words)], capture_output=True, text=True, timeout=LIMIT,
                              stdin=subprocess.DEVNULL, env=environment or self.environment, cwd=self.folder,
                              check=False)

    def train(self, *words):
        """Runs a whole training, and gives its summary."""
        done = self.samara("train", *self.material(), "--json", *words)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout.splitlines()[-1])

    def begin(self, *words, name="train"):
        command = [str(BIN / "samara"), "train", *self.material(), "--json", *map(str, words)]
        return Running(command, self.environment, self.folder / f"{name}.jsonl")

    def pid_of(self, program, *marks):
        """Of the one process of the test that runs `program` with all `marks` among its words."""
        def find():
            return [pid for pid, words in processes_of(self.folder)
                    if pathlib.Path(words[0]).name == program and all(mark in words for mark in marks)]
        return wait_until(find, f"{program} runs")[0]

    def assert_one_sentence(self, done, *parts):
        """It failed, and said why in one line on stderr."""
        self.assertNotEqual(done.returncode, 0, done.stdout)
        lines = done.stderr.strip().splitlines()
        self.assertEqual(len(lines), 1, done.stderr)
        for part in parts:
            self.assertIn(part, lines[0])


class Services(Stage):
    """A ledger by hand, rather than by `samara train`: what is spawned ends with the test."""

    def setUp(self):
        super().setUp()
        self.started = []

    def tearDown(self):
        for process in reversed(self.started):
            process.terminate()
            process.wait()
        super().tearDown()

    def spawn(self, *words, log):
        with open(self.path(log), "wb") as out:
            process = subprocess.Popen(list(map(str, words)), stdout=out, stderr=subprocess.STDOUT, cwd=self.folder,
                                       stdin=subprocess.DEVNULL, env=self.environment)
        self.started.append(process)
        return process

    def said(self, log, mark):
        """What follows `mark` in the lines of a log that have it."""
        def find():
            with open(self.path(log), encoding="utf-8", errors="replace") as file:
                return [line.split(mark)[1].strip() for line in file if mark in line and line.endswith("\n")]
        return wait_until(find, f"{mark} in {log}")

    def manifest(self):
        """Of a short training with the same model and data."""
        self.train("--rounds", "4", "--slots", "2", "--workers", "1", "--out", self.path("plain"))
        told = self.samara("log", "--json", self.path("plain/run.samlog"))
        return told.stdout.splitlines()[0].encode()

    def start_ledger(self, *words):
        """With a Redis of its own."""
        if shutil.which("redis-server") is None:
            self.skipTest("no redis-server here")
        self.spawn("redis-server", "--port", "0", "--unixsocket", self.path("r.sock"), "--dir", self.folder,
                   "--appendonly", "yes", "--appendfsync", "always", "--save", "", log="redis.log")
        self.spawn(BIN / "samara-ledger", "--listen", "127.0.0.1:0", "--redis", "unix:r.sock", "--wait-redis", "30",
                   *words, log="ledger.log")
        self.ledger = self.said("ledger.log", "listening on ")[0]

    def worker_words(self, run, *words):
        files = self.material()
        files = files[:files.index("--task")] + files[files.index("--train"):files.index("--test")]
        return [str(BIN / "samara-worker"), "--ledger", self.ledger, "--run", run, *files, *words]
