"""Redis as people run it: a cluster, a failover by sentinels, a restart, a user with no more rights than needed.

Needs $SAMARA_BIN.

    SAMARA_BIN=build/release/bin python3 tests/integration/test_redis.py
"""

import contextlib
import json
import pathlib
import re
import socket
import subprocess
import sys
import time
import unittest
import urllib.error
import urllib.request

import stage

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "faults"))
from material import Material  # noqa: E402

QUICK = ("--repl-diskless-sync-delay", "0")  # no five seconds for further replicas to come
# As docs/operations.md has it.
ACL = "~samara:* resetchannels -@all +@read +@write +@scripting +@connection +time +sort +wait"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return port if port < 50000 else free_port()  # a cluster's own bus listens 10,000 above


class Redis(stage.Stage):
    def setUp(self):
        super().setUp()
        self.children = []
        self.material = Material(self.folder)

    def tearDown(self):
        for child in self.children:
            child.kill()
            child.wait()
        super().tearDown()

    def begin_program(self, name, *words):
        """In the background; its output in name.log."""
        with open(self.path(f"{name}.log"), "ab") as log:
            child = subprocess.Popen([str(word) for word in words], stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                     cwd=self.folder, env=self.environment)
        self.children.append(child)
        return child

    def begin_redis(self, name, *words, port=None):
        """With `port`: where it was before, with the data that it had."""
        port = port or free_port()
        folder = pathlib.Path(self.path(name))
        folder.mkdir(exist_ok=True)
        child = self.begin_program(name, "redis-server", "--port", port, "--bind", "127.0.0.1", "--dir", folder,
                                   "--appendonly", "yes", "--appendfsync", "always", "--save", "", *words)
        stage.wait_until(lambda: self.cli(port, "PING") in ("PONG", "NOAUTH Authentication required."), "Redis answers")
        return child, port

    @staticmethod
    def cli(port, *words):
        done = subprocess.run(["redis-cli", "-p", str(port), *map(str, words)], capture_output=True, text=True,
                              check=False, timeout=stage.LIMIT)
        return done.stdout.strip()

    def begin_service(self, name, program, *words):
        """The address it listens on."""
        self.begin_program(name, stage.BIN / program, "--listen", "127.0.0.1:0", *words)
        log = pathlib.Path(self.path(f"{name}.log"))
        return stage.wait_until(lambda: re.search(r"listening on (http://\S+)\n", log.read_text()),
                                f"{name} listens").group(1)

    def begin_services(self, redis, *words):
        ledger = self.begin_service("ledger", "samara-ledger", "--redis", redis, *words)
        gateway = self.begin_service("gateway", "samara-gateway", "--redis", redis, "--model", self.material.model)
        return ledger, gateway

    @staticmethod
    def ask(url, data=None):
        with urllib.request.urlopen(urllib.request.Request(url, data=data), timeout=30) as reply:
            return reply.read()

    def create(self, ledger, name):
        return json.loads(self.ask(f"{ledger}/v1/runs", self.material.manifest(name)))["run"]

    def begin_worker(self, ledger, run):
        return self.begin_program(f"worker-{run[:8]}", stage.BIN / "samara-worker", "--ledger", ledger, "--run", run,
                                  "--model", self.material.model, "--train", self.material.train, "--dev",
                                  self.material.dev, "--kernel", "portable", "--wait-ms", "1000")

    def head(self, ledger, run):
        with contextlib.suppress(OSError):
            return json.loads(self.ask(f"{ledger}/v1/runs/{run}"))["head"]
        return 0

    def check_run(self, ledger, gateway, run):
        """It is complete, and the gateway and a replay of the log have the same state."""
        described = json.loads(self.ask(f"{ledger}/v1/runs/{run}"))
        self.assertEqual((described["status"], described["head"]), ("complete", described["rounds"]))
        log = pathlib.Path(self.path(f"{run}.samlog"))
        log.write_bytes(self.ask(f"{ledger}/v1/runs/{run}/log"))
        done = self.samara("replay", "--log", log, "--base", self.material.model, "--out", self.path(f"{run}.model"))
        self.assertEqual(done.returncode, 0, done.stderr)
        digest = re.search(r"state digest +(\w+)", done.stdout).group(1)
        stage.wait_until(lambda: self.digest_at(gateway, run) == digest, "the gateway has the state of the log")

    def digest_at(self, gateway, run):
        with contextlib.suppress(OSError):
            return json.loads(self.ask(f"{gateway}/v1/runs/{run}/digest"))["digest"]
        return None

    def finish(self, workers):
        for worker in workers:
            if worker.wait(timeout=stage.LIMIT) != 0:
                logs = [path.read_text() for path in pathlib.Path(self.folder).glob("*.log")]
                self.fail(f"a worker ended with {worker.returncode}: " + "\n".join(logs))

    # ---- a cluster ----

    def begin_cluster(self, count=3):
        ports = [self.begin_redis(f"node{number}", "--cluster-enabled", "yes", "--cluster-node-timeout", "2000")[1]
                 for number in range(count)]
        bounds = [16384 * number // count for number in range(count + 1)]
        for number, port in enumerate(ports):
            self.cli(port, "CLUSTER", "ADDSLOTSRANGE", bounds[number], bounds[number + 1] - 1)
            self.cli(port, "CLUSTER", "MEET", "127.0.0.1", ports[0])
        stage.wait_until(lambda: all("cluster_state:ok" in self.cli(port, "CLUSTER", "INFO") and
                                     f"cluster_known_nodes:{count}" in self.cli(port, "CLUSTER", "INFO")
                                     for port in ports), "the cluster is whole")
        return ports

    def create_on_each(self, ledger, ports):
        """Runs, one for each node."""
        runs, number = {}, 0
        while len(runs) < len(ports):
            run = self.create(ledger, f"cluster {number}")
            number += 1
            slot = int(self.cli(ports[0], "CLUSTER", "KEYSLOT", f"samara:{{{run}}}:log"))
            runs.setdefault(slot * len(ports) // 16384, run)
        return list(runs.values())

    def test_a_cluster_holds_runs_on_all_its_nodes(self):
        ports = self.begin_cluster()
        ledger, gateway = self.begin_services(f"127.0.0.1:{ports[0]},127.0.0.1:{ports[1]}")
        runs = self.create_on_each(ledger, ports)
        self.finish([self.begin_worker(ledger, run) for run in runs])
        for run in runs:
            self.check_run(ledger, gateway, run)
        listed = [entry["run"] for entry in json.loads(self.ask(f"{ledger}/v1/runs"))["runs"]]
        self.assertLessEqual(set(runs), set(listed))

    def test_a_run_moves_to_another_node_while_it_is_computed(self):
        ports = self.begin_cluster()
        ledger, gateway = self.begin_services(f"127.0.0.1:{ports[0]}")
        run = self.create(ledger, "moving")
        worker = self.begin_worker(ledger, run)
        stage.wait_until(lambda: self.head(ledger, run) >= 3, "round 3")
        self.move_run(ports, run)
        self.finish([worker])
        self.check_run(ledger, gateway, run)

    def move_run(self, ports, run):
        """All its keys to the next node, as resharding does it."""
        slot = int(self.cli(ports[0], "CLUSTER", "KEYSLOT", f"samara:{{{run}}}:log"))
        at = slot * len(ports) // 16384
        source, target = ports[at], ports[(at + 1) % len(ports)]
        ids = {port: self.cli(port, "CLUSTER", "MYID") for port in ports}
        self.cli(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", ids[source])
        self.cli(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", ids[target])
        while keys := self.cli(source, "CLUSTER", "GETKEYSINSLOT", slot, 100).split():
            self.cli(source, "MIGRATE", "127.0.0.1", target, "", 0, 5000, "KEYS", *keys)
        for port in (target, source, *ports):
            self.assertEqual(self.cli(port, "CLUSTER", "SETSLOT", slot, "NODE", ids[target]), "OK")

    # ---- sentinels ----

    def begin_pair(self):
        """A primary with two replicas, all of them caught up: its process and port."""
        primary, port = self.begin_redis("primary", *QUICK)
        for number in range(2):
            self.begin_redis(f"replica{number}", *QUICK, "--replicaof", f"127.0.0.1 {port}")
        stage.wait_until(lambda: self.cli(port, "INFO", "replication").count("state=online") == 2,
                         "both replicas have caught up")
        return primary, port

    def primary_of(self, sentinel):
        """Its port, as the sentinel has it."""
        return int(self.cli(sentinel, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main").split()[-1])

    def test_a_failover_loses_nothing_that_was_acknowledged(self):
        primary, port = self.begin_pair()
        sentinel = self.begin_sentinel(port)
        ledger, gateway = self.begin_services(f"sentinel://127.0.0.1:{sentinel}/main", "--redis-replicas", "2")
        run = self.create(ledger, "failover")
        worker = self.begin_worker(ledger, run)
        stage.wait_until(lambda: self.head(ledger, run) >= 3, "round 3")
        primary.kill()
        primary.wait()
        stage.wait_until(lambda: self.primary_of(sentinel) != port, "another is the primary")
        self.begin_redis("primary", *QUICK, "--replicaof", f"127.0.0.1 {self.primary_of(sentinel)}", port=port)
        self.finish([worker])
        self.check_run(ledger, gateway, run)

    def begin_sentinel(self, primary):
        port = free_port()
        settings = pathlib.Path(self.path("sentinel.conf"))
        settings.write_text(f"port {port}\nbind 127.0.0.1\nsentinel monitor main 127.0.0.1 {primary} 1\n"
                            "sentinel down-after-milliseconds main 500\nsentinel failover-timeout main 5000\n")
        self.begin_program("sentinel", "redis-server", settings, "--sentinel")
        stage.wait_until(lambda: "slaves=2" in self.cli(port, "INFO", "sentinel"), "the sentinel knows the replicas")
        return port

    # ---- one that goes away ----

    def answer_of(self, url):
        """(status, Retry-After)"""
        try:
            with urllib.request.urlopen(url, timeout=30) as reply:
                return reply.status, None
        except urllib.error.HTTPError as failure:
            return failure.code, failure.headers["Retry-After"]

    def test_while_redis_is_away_everybody_waits_and_then_goes_on(self):
        redis, port = self.begin_redis("redis")
        ledger, gateway = self.begin_services(f"127.0.0.1:{port}")
        run = self.create(ledger, "away")
        self.ask(f"{ledger}/v1/runs/{run}/pause", b"")
        worker = self.begin_worker(ledger, run)
        log = pathlib.Path(self.path(f"worker-{run[:8]}.log"))
        stage.wait_until(lambda: "joined" in log.read_text(), "the worker has joined")
        stage.wait_until(lambda: self.digest_at(gateway, run), "the gateway has the run")
        redis.kill()
        redis.wait()
        for path in ("/readyz", f"/v1/runs/{run}"):
            self.assertEqual(self.answer_of(ledger + path), (503, "1"))
        self.assertEqual(self.answer_of(f"{ledger}/healthz")[0], 200)
        self.assertEqual(self.answer_of(f"{gateway}/v1/runs/{run}/digest")[0], 200)  # it has a replica of its own
        stage.wait_until(lambda: "waiting for the ledger" in log.read_text(), "the worker says that it waits")
        self.assertIsNone(worker.poll())
        self.begin_redis("redis", port=port)
        stage.wait_until(lambda: self.answer_of(f"{ledger}/readyz")[0] == 200, "the ledger is ready again")
        self.ask(f"{ledger}/v1/runs/{run}/resume", b"")
        self.finish([worker])
        self.check_run(ledger, gateway, run)

    # ---- who may do what ----

    def test_a_user_with_the_documented_rights_is_enough(self):
        users = pathlib.Path(self.path("users.acl"))
        users.write_text(f"user default off\nuser samara on >open-sesame {ACL}\n")
        _, port = self.begin_redis("redis", "--aclfile", users)
        secret = pathlib.Path(self.path("password"))
        secret.write_text("open-sesame\n")
        words = ("--redis-user", "samara", "--redis-password-file", secret)
        ledger = self.begin_service("ledger", "samara-ledger", "--redis", f"127.0.0.1:{port}", *words)
        gateway = self.begin_service("gateway", "samara-gateway", "--redis", f"127.0.0.1:{port}", *words, "--model",
                                     self.material.model)
        run = self.create(ledger, "rights")
        self.finish([self.begin_worker(ledger, run)])
        self.check_run(ledger, gateway, run)
        page = pathlib.Path(stage.__file__).parents[2] / "docs" / "operations.md"
        self.assertIn(ACL, page.read_text(encoding="utf-8"))
        self.assertNotIn("open-sesame", pathlib.Path(self.path("ledger.log")).read_text())

    def test_what_does_not_fit_is_said_in_a_sentence(self):
        for address, part in (("rediss://127.0.0.1:1", "no TLS"), ("sentinel://127.0.0.1:1", "NAME"),
                              ("sentinel://127.0.0.1:1/main", "no sentinel of sentinel://127.0.0.1:1/main")):
            with self.subTest(address=address):
                done = subprocess.run([str(stage.BIN / "samara-ledger"), "--redis", address, "--wait-redis", "0"],
                                      capture_output=True, text=True, check=False, timeout=stage.LIMIT)
                self.assertNotEqual(done.returncode, 0)
                self.assertIn(part, done.stderr)


if __name__ == "__main__":
    unittest.main()
