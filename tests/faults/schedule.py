"""What goes wrong, and when: a list of faults that follows from a seed.

    schedule = Schedule(7)
    schedule.faults[0]          # Fault(at=12, lag=0.013, kind="kill", target="redis", hold=0.4)
    print(schedule)

A fault is due when workers have sent `at` requests, and strikes `lag` seconds later; after `hold` seconds it is made
good. So faults find the run under way however fast the machine is.
"""

import collections
import random

ROUNDS, SLOTS, PROBES, EVERY, CHUNKS = 20, 4, 2, 5, 3
LEASE_MS = 500
REQUESTS = ROUNDS * SLOTS + CHUNKS * (ROUNDS // EVERY + 1)  # that an undisturbed run takes, about
WORKERS, LEDGERS = 3, 2

Fault = collections.namedtuple("Fault", "at lag kind target hold")

LEDGER_NAMES = [f"ledger{number}" for number in range(LEDGERS)]
WORKER_NAMES = [f"worker{number}" for number in range(WORKERS)]
PROCESSES = ["redis", "gateway"] + LEDGER_NAMES + WORKER_NAMES
LINKS = LEDGER_NAMES + ["gateway"]  # to Redis

# (kind, its targets, shortest and longest hold in seconds, how often beside the others)
KINDS = [
    ("kill", ["redis"], 0.05, 0.8, 4),
    ("kill", LEDGER_NAMES, 0.02, 1.0, 4),
    ("kill", WORKER_NAMES, 0.02, 1.0, 4),
    ("kill", ["gateway"], 0.02, 0.5, 1),
    ("kill", ["workers"], 0.5, 1.0, 1),        # the run has none for a while
    ("kill", ["ledgers"], 0.1, 0.6, 1),
    ("leave", WORKER_NAMES, 0.0, 0.5, 1),      # SIGTERM: leases are given back
    ("stop", WORKER_NAMES, 0.7, 1.4, 3),       # SIGSTOP for longer than a lease
    ("stop", LEDGER_NAMES, 0.3, 1.4, 2),
    ("stop", ["redis"], 0.1, 1.2, 2),
    ("stop", ["gateway"], 0.3, 1.0, 1),
    ("cut", LINKS, 0.0, 0.0, 4),
    ("hold up", LINKS, 0.2, 1.2, 2),
    ("forget functions", ["redis"], 0.0, 0.0, 1),
    ("out of memory", ["redis"], 0.1, 0.6, 1),
    ("pause the run", ["run"], 0.1, 0.6, 1),
]
SPECIAL = [
    ("disk", ("disk full", ["redis"], 0.2, 0.6, 3)),
    ("clock", ("clock forth", ["redis"], 0.3, 1.5, 2)),
    ("clock", ("clock back", ["redis"], 0.3, 1.5, 2)),
    ("namespace", ("cut the cable", ["ledger1"], 0.3, 1.5, 4)),
]
LAGS = (0, 0, 1, 2)
SLOW_CABLE = ("slow cable", ["ledger1"], 0.5, 2.0, 3)


class Schedule:
    """`can`: what the machine allows (machine.py); each ability is used in some of the schedules."""

    def __init__(self, seed, can=("disk", "clock", "namespace", "netem")):
        self.seed = seed
        rng = random.Random(seed)
        self.uses = {name for name, share in (("disk", 0.3), ("clock", 0.3), ("namespace", 0.3))
                     if rng.random() < share and name in can}
        self.quorum = {"after_ms": 150, "slots": SLOTS - 1} if rng.random() < 0.25 else None
        extra = random.Random(-seed)
        self.verify_rate = 64 if extra.random() < 0.25 else None
        self.signed = extra.random() < 0.25
        self.lag = extra.choice(LAGS)
        self.workers = rng.randint(2, WORKERS)
        self.mischief = rng.choice([0.0, 0.1, 0.3])
        kinds = KINDS + [kind for name, kind in SPECIAL if name in self.uses]
        if "namespace" in self.uses and "netem" in can:
            kinds = kinds + [SLOW_CABLE]
        present = set(PROCESSES) - set(WORKER_NAMES[self.workers:]) | {"workers", "ledgers", "run"}
        self.faults = sorted(self._fault(rng, kinds, present) for _ in range(rng.randint(4, 12)))

    @staticmethod
    def _fault(rng, kinds, present):
        kind, targets, shortest, longest, _ = rng.choices(kinds, [kind[4] for kind in kinds])[0]
        target = rng.choice([target for target in targets if target in present])
        return Fault(rng.randint(1, REQUESTS), round(rng.uniform(0, 0.03), 4), kind, target,
                     round(rng.uniform(shortest, longest), 3))

    def __str__(self):
        lines = [f"schedule {self.seed}: {self.workers} workers, {self.mischief:.0%} of requests meddled with, "
                 f"{', '.join(sorted(self.uses)) or 'plain'}{', a quorum is enough' if self.quorum else ''}"
                 f"{', slots are checked' if self.verify_rate else ''}{', results are signed' if self.signed else ''}"
                 f"{f', lag {self.lag}' if self.lag else ''}"]
        lines += [f"  after {fault.at} requests + {fault.lag} s: {fault.kind} {fault.target}, {fault.hold} s"
                  for fault in self.faults]
        return "\n".join(lines)
