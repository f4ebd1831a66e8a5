"""The processes of one schedule, and what can be done to them.

    with world.World(folder, material, schedule) as w:
        w.strike(fault)             # at once; returns when it has struck
        w.make_good(fault)
        w.wait_for_the_end()

    workers --HttpLink--> ledger0, ledger1 --ByteLink--> Redis <--ByteLink-- gateway

Everything lies in `folder`: logs of the processes, Redis's files. A process that ends without being told to is noted in
`w.deaths`.
"""

import contextlib
import http.client
import json
import os
import pathlib
import random
import re
import signal
import subprocess
import threading
import time
import urllib.request

import links
import machine
import schedule as plan

BIN = pathlib.Path(os.environ.get("SAMARA_BIN", "build/release/bin")).resolve()
LIMIT = 120  # seconds until a run that does not end is called stuck
SETTLING = 5  # seconds that a Redis without a disk may take to end
CLOCK_STEP = 3600


class Process:
    """A program that may be killed and started again; its output is appended to one file."""

    def __init__(self, world, name, words, environment=None):
        self.world, self.name, self.words = world, name, [str(word) for word in words]
        self.environment = environment or {}
        self.log = world.folder / f"{name}.log"
        self.child, self.doomed, self.lock = None, False, threading.RLock()

    def start(self):
        with self.lock, open(self.log, "ab") as log:
            if not self.world.ending:
                self.child = subprocess.Popen(self.words, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                              cwd=self.world.folder, env=os.environ | self.environment)
                self.doomed = False

    def lives(self):
        return self.child is not None and self.child.poll() is None

    def send(self, number):
        if self.lives():
            self.child.send_signal(number)

    def end(self, number=signal.SIGKILL):
        """Ends it and waits for that; how it ended is no news then."""
        with self.lock:
            self.doomed = True
            self.send(number)
            if self.child is not None:
                self.send(signal.SIGCONT)
                self.child.wait()

    def death(self):
        """A sentence, once, if it ended without being told to."""
        with self.lock:
            code = self.child.poll() if self.child else None
            finished = self.name.startswith("worker") and code == 0
            if code is None or finished or self.doomed:
                return None
            self.doomed = True
        last = (self.written().strip().splitlines() or [""])[-1]
        return f"{self.name} ended with {code}: {last}"

    def written(self):
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""

    def listens(self, begin):
        """Waits until it says where it listens, in what it wrote from `begin` on: (host, port)."""
        until = time.monotonic() + LIMIT
        while time.monotonic() < until:
            if found := re.search(r"listening on http://([\d.]+):(\d+)\n", self.written()[begin:]):
                return found.group(1), int(found.group(2))
            if not self.lives():
                return None
            time.sleep(0.01)
        raise TimeoutError(f"{self.name} does not listen")


class World:
    def __init__(self, folder, material, schedule):
        self.folder, self.material, self.schedule = pathlib.Path(folder), material, schedule
        self.observed = links.Observed()
        self.cleanup = contextlib.ExitStack()
        self.rng = random.Random(-1 - schedule.seed)
        self.ending = False
        self.deaths, self.spent_workers = [], []  # workers that were killed or left: others took their place
        self.run = None

    def __enter__(self):
        try:
            self._set_up()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.ending = True
        for process in self.__dict__.get("processes", {}).values():
            process.end()
        self.cleanup.close()

    # ---- setting up ----

    def _set_up(self):
        disk = self.folder / "redis"
        disk.mkdir()
        self.disk = self.cleanup.enter_context(machine.SmallDisk(disk)) if "disk" in self.schedule.uses else None
        self.clock = machine.Clock(self.folder, self.material.clock) if "clock" in self.schedule.uses else None
        self.cable = None
        if "namespace" in self.schedule.uses:
            self.cable = self.cleanup.enter_context(machine.Cable(os.getpid() % 250))
        self.processes = {"redis": self._redis()}
        self._start("redis")
        self._links_to_redis()
        self._services()
        self.run = self._create_run()
        for number in range(self.schedule.workers):
            name = plan.WORKER_NAMES[number]
            self.processes[name] = self._worker(name)
            self.processes[name].start()

    def _redis(self):
        words = ["redis-server", "--port", "0", "--unixsocket", self.folder / "redis.sock", "--dir",
                 self.folder / "redis", "--appendonly", "yes", "--appendfsync", "always", "--save", "", "--daemonize",
                 "no", "--loglevel", "warning"]
        return Process(self, "redis", words, self.clock.environment() if self.clock else None)

    def _links_to_redis(self):
        self.redis_links = {}
        for name in plan.LINKS:
            host = self.cable.outside if self.cable and name == "ledger1" else "127.0.0.1"
            self.redis_links[name] = links.ByteLink(self.folder / "redis.sock", host)
            self.cleanup.callback(self.redis_links[name].close)

    def _services(self):
        self.http_links = {}
        for name in plan.LEDGER_NAMES:
            link = links.HttpLink(random.Random(self.rng.random()), self.schedule.mischief, self.observed)
            self.http_links[name] = link
            self.cleanup.callback(link.close)
            self.processes[name] = self._service("samara-ledger", name, inside=name == "ledger1")
        for name, other in zip(plan.LEDGER_NAMES, reversed(plan.LEDGER_NAMES)):
            self.http_links[name].other = self.http_links[other]
        self.processes["gateway"] = self._service("samara-gateway", "gateway", "--model", self.material.model)
        for name in plan.LEDGER_NAMES + ["gateway"]:
            self._start(name)

    def _service(self, program, name, *words, inside=False):
        redis = self.redis_links[name]
        host, prefix = "127.0.0.1", []
        if inside and self.cable:
            host, prefix = self.cable.inside, self.cable.prefix()
        return Process(self, name, [*prefix, BIN / program, "--listen", f"{host}:0", "--redis",
                                    f"{redis.host}:{redis.port}", "--wait-redis", LIMIT, *words])

    def _worker(self, name):
        ledgers = [f"http://127.0.0.1:{self.http_links[ledger].port}" for ledger in plan.LEDGER_NAMES]
        self.rng.shuffle(ledgers)
        return Process(self, name, [BIN / "samara-worker", "--ledger", ",".join(ledgers), "--run", self.run, "--model",
                                    self.material.model, "--train", self.material.train, "--dev", self.material.dev,
                                    "--kernel", "portable", "--name", name, "--wait-ms", "700",
                                    *(["--key", self.folder / f"{name}.key"] if self.schedule.signed else [])])

    def _create_run(self):
        schedule = self.schedule
        text = self.material.manifest(f"faults {schedule.seed}", schedule.quorum, schedule.verify_rate, schedule.signed,
                                      schedule.lag)
        host, port = self.http_links["ledger0"].upstream
        request = urllib.request.Request(f"http://{host}:{port}/v1/runs", data=text, method="POST")
        with urllib.request.urlopen(request, timeout=LIMIT) as reply:
            return json.load(reply)["run"]

    # ---- starting and ending ----

    def _start(self, name):
        """Starts a process that serves, and waits until it does."""
        process = self.processes[name]
        begin = len(process.written())
        process.start()
        if name == "redis":
            return
        where = process.listens(begin)
        if name in self.http_links:
            self.http_links[name].upstream = where
        else:
            self.gateway = where

    def _begin_again(self, name):
        """After a kill: the same service, or another worker in the place of the lost one."""
        if self.ending:
            return
        process = self.processes[name]
        if name in plan.WORKER_NAMES:
            self.spent_workers.append(process)
            self.processes[name] = self._worker(f"{name}.{len(self.spent_workers)}")
            self.processes[name].start()
        elif name == "redis":
            process.start()
        else:
            threading.Thread(target=self._start, args=(name,), daemon=True).start()  # it may have to wait for Redis

    # ---- faults ----

    def names(self, target):
        """Of the processes that a fault strikes; the run and a link have their own."""
        if target == "workers":
            return plan.WORKER_NAMES[:self.schedule.workers]
        return plan.LEDGER_NAMES if target == "ledgers" else [target]

    def strike(self, fault):
        """False: there was nothing to strike (a worker that is done)."""
        processes = [self.processes[name] for name in self.names(fault.target) if name in self.processes]
        if fault.kind in ("kill", "leave", "stop") and not any(process.lives() for process in processes):
            return False
        for process in processes:
            if fault.kind == "kill":
                process.end()
            elif fault.kind == "leave":
                process.end(signal.SIGTERM)
            elif fault.kind == "stop":
                process.send(signal.SIGSTOP)
        act = {"cut": lambda: self.redis_links[fault.target].cut(),
               "hold up": lambda: self.redis_links[fault.target].hold(),
               "forget functions": lambda: self.redis_cli("SCRIPT", "FLUSH"),
               "out of memory": lambda: self.redis_cli("CONFIG", "SET", "maxmemory", "1"),
               "pause the run": lambda: self._ask("POST", "pause"),
               "disk full": lambda: self._fill_disk(),
               "clock forth": lambda: self.clock.step(CLOCK_STEP),
               "clock back": lambda: self.clock.step(-CLOCK_STEP),
               "cut the cable": lambda: self.cable.cut(),
               "slow cable": lambda: self.cable.slow()}.get(fault.kind)
        return act is None or act() is not False

    def make_good(self, fault):
        for name in self.names(fault.target):
            if fault.kind in ("kill", "leave"):
                if not self.processes[name].lives() and self.processes[name].doomed:
                    self._begin_again(name)
            elif fault.kind == "stop":
                self.processes[name].send(signal.SIGCONT)
        act = {"hold up": lambda: self.redis_links[fault.target].release(),
               "out of memory": lambda: self.redis_cli("CONFIG", "SET", "maxmemory", "0"),
               "pause the run": lambda: self._ask("POST", "resume"),
               "disk full": self._free_disk,
               "cut the cable": lambda: self.cable.mend(),
               "slow cable": lambda: self.cable.mend()}.get(fault.kind)
        if act is not None:
            act()

    def _fill_disk(self):
        self.processes["redis"].doomed = True  # it ends itself when it cannot write what it must keep
        self.disk.fill()

    def _free_disk(self):
        self.disk.free()
        redis = self.processes["redis"]
        until = time.monotonic() + SETTLING
        while redis.lives() and not self._answers() and time.monotonic() < until:
            time.sleep(0.02)  # it may be ending because of a write before
        if not redis.lives():
            redis.start()
        redis.doomed = False

    def _answers(self):
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.redis_cli("PING", limit=0.5)
        return False

    def redis_cli(self, *words, limit=None):
        """False where Redis is not there."""
        done = subprocess.run(["redis-cli", "-s", str(self.folder / "redis.sock"), *words], capture_output=True,
                              check=False, timeout=limit or LIMIT)
        return done.returncode == 0

    def _ask(self, method, what):
        """Sends a request about the run to any ledger until one takes it; False where none does."""
        for _ in range(200):
            for name in plan.LEDGER_NAMES:
                with contextlib.suppress(OSError, http.client.HTTPException):
                    self.http(self.http_links[name].upstream, method, f"/v1/runs/{self.run}/{what}")
                    return True
            time.sleep(0.05)
        return False

    @staticmethod
    def http(where, method, path):
        if where is None:
            raise OSError("it does not listen")
        request = urllib.request.Request(f"http://{where[0]}:{where[1]}{path}", method=method,
                                         data=b"" if method == "POST" else None)
        with urllib.request.urlopen(request, timeout=10) as reply:
            return reply.read()

    # ---- the end ----

    def wait_for_the_end(self):
        """Until every worker that lives has ended by itself. TimeoutError: the run is stuck."""
        until = time.monotonic() + LIMIT
        while True:
            self.look_for_deaths()
            if self.deaths:
                return
            workers = [self.processes[name] for name in plan.WORKER_NAMES[:self.schedule.workers]]
            if all(not worker.lives() and not worker.doomed for worker in workers):
                return
            if time.monotonic() > until:
                raise TimeoutError(f"the run did not end within {LIMIT} s")
            time.sleep(0.02)

    def look_for_deaths(self):
        found = [process.death() for process in list(self.processes.values()) + self.spent_workers]
        self.deaths += [death for death in found if death is not None]
