"""Runs schedules of faults against real processes, and says what was found. Needs $SAMARA_BIN.

    SAMARA_BIN=build/release/bin python3 tests/faults/run.py --schedules 200 --seed 1 --jobs 2

Each schedule is told in a line; the last line has the totals. A schedule that finds something leaves its folder, with the
logs of all processes. What passed is remembered in --out: the same command, interrupted and given again, goes on with
the rest, as long as the programs are the same.
"""

import argparse
import collections
import contextlib
import concurrent.futures
import hashlib
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import time

import checks
import machine
import schedule as plan
import world as worlds
from material import Material

Outcome = collections.namedtuple("Outcome", "seed findings struck mischief promises seconds folder")


def play(schedule, material, folder):
    """One schedule from beginning to end."""
    begun = time.monotonic()
    struck = collections.Counter()
    with worlds.World(folder, material, schedule) as world:
        targets = collections.defaultdict(threading.Lock)
        over = threading.Event()
        hands = [threading.Thread(target=carry_out, args=(world, fault, targets, over, struck))
                 for fault in schedule.faults]
        for hand in hands:
            hand.start()
        try:
            world.wait_for_the_end()
            stuck = []
        except TimeoutError as failure:
            stuck = [str(failure)]
        over.set()
        for hand in hands:
            hand.join()
        world.look_for_deaths()
        findings = stuck + world.deaths or checks.check(world, material)
        return Outcome(schedule.seed, findings, struck, collections.Counter(world.observed.mischief),
                       len(world.observed.promised), time.monotonic() - begun, str(folder))


def carry_out(world, fault, targets, over, struck):
    """Waits until the fault is due, lets it strike, and makes it good. One fault at a time for each target."""
    while world.observed.requests < fault.at:
        if over.wait(0.005):
            return
    if over.wait(fault.lag):
        return
    with contextlib.ExitStack() as stack:
        for name in sorted(world.names(fault.target)):
            stack.enter_context(targets[name])
        if world.strike(fault):
            struck[f"{fault.kind} {fault.target.rstrip('0123456789')}"] += 1
            time.sleep(fault.hold)
            world.make_good(fault)


def undisturbed(material, base, lag):
    """The digest that the same run reaches when nothing goes wrong."""
    calm = plan.Schedule(0, can=())
    calm.faults, calm.mischief, calm.workers, calm.lag = [], 0.0, 1, lag
    calm.quorum, calm.verify_rate, calm.signed = None, None, False
    folder = pathlib.Path(tempfile.mkdtemp(prefix="calm-", dir=base))
    with worlds.World(folder, material, calm) as world:
        world.wait_for_the_end()
        log = checks.samara_formats.Log(checks.ask(world, "ledger0", f"/v1/runs/{world.run}/log"))
        material.digests[lag] = checks.replay(log)
        findings = checks.check(world, material)
    if findings:
        raise SystemExit("without any fault: " + "; ".join(findings))
    shutil.rmtree(folder)


def one(seed, base, digests, until):
    """In a process of its own: the schedule of a seed; None where it is too late to begin."""
    if until is not None and time.monotonic() > until:
        return None
    material = Material(base)
    material.digests = digests
    if machine.can()["clock"] is True:
        material.clock = machine.build_clock(base)
    can = [name for name, able in machine.can().items() if able is True]
    schedule = plan.Schedule(seed, can)
    folder = pathlib.Path(tempfile.mkdtemp(prefix=f"s{seed}-", dir=base))
    (folder / "schedule.txt").write_text(f"{schedule}\n", encoding="utf-8")
    try:
        outcome = play(schedule, material, folder)
    except Exception as failure:  # the suite itself, or the machine: a finding like any other
        outcome = Outcome(seed, [f"{type(failure).__name__}: {failure}"], collections.Counter(), collections.Counter(),
                          0, 0.0, str(folder))
    if not outcome.findings:
        shutil.rmtree(folder, ignore_errors=True)
    return outcome


# ---- what passed before ----


class Memory:
    """Outcomes of earlier calls with the same programs and the same suite."""

    def __init__(self, folder):
        self.file = folder / "passed.jsonl"
        parts = sorted(worlds.BIN.glob("samara*")) + sorted(pathlib.Path(__file__).parent.glob("*.py"))
        self.version = hashlib.blake2b(b"".join(path.read_bytes() for path in parts), digest_size=8).hexdigest()
        self.outcomes = {}
        if self.file.exists():
            for line in self.file.read_text(encoding="utf-8").splitlines():
                entry = json.loads(line)
                if entry.pop("version") == self.version:
                    self.outcomes[entry["seed"]] = Outcome(**entry)

    def add(self, outcome):
        self.outcomes[outcome.seed] = outcome
        with open(self.file, "a", encoding="utf-8") as file:
            file.write(json.dumps(outcome._asdict() | {"version": self.version}) + "\n")


# ---- telling ----


def tell(outcome, done, total):
    word = "ok" if not outcome.findings else "FAILED"
    faults = ", ".join(f"{count} {what}" if count > 1 else what for what, count in sorted(outcome.struck.items()))
    print(f"[{done}/{total}] seed {outcome.seed}: {word}, {outcome.promises} acknowledged, {outcome.seconds:.1f} s: "
          f"{faults or 'no fault struck'}", flush=True)
    for finding in outcome.findings[:10]:
        print(f"    {finding}", flush=True)
    if outcome.findings:
        print(f"    logs: {outcome.folder}", flush=True)


def totals(outcomes):
    struck, mischief = collections.Counter(), collections.Counter()
    for outcome in outcomes:
        struck.update(outcome.struck)
        mischief.update(outcome.mischief)
    failed = [outcome.seed for outcome in outcomes if outcome.findings]
    for title, counter in (("faults", struck), ("requests", mischief)):
        print(f"{title}: " + (", ".join(f"{what} {count}" for what, count in counter.most_common()) or "none"))
    print(f"test-faults: {len(outcomes)} schedules, {len(outcomes) - len(failed)} passed, {len(failed)} failed"
          f"{' (seeds ' + ', '.join(map(str, failed)) + ')' if failed else ''}; {sum(struck.values())} faults struck, "
          f"{sum(mischief.values())} requests meddled with, {sum(outcome.promises for outcome in outcomes)} results "
          f"acknowledged{'' if failed else ', none lost, none applied twice'}")
    return not failed


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--schedules", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1, help="of the first schedule; the others follow")
    parser.add_argument("--jobs", type=int, default=2, help="schedules at a time")
    parser.add_argument("--out", type=pathlib.Path, default=None, help="remember there what passed")
    parser.add_argument("--seconds", type=float, default=None,
                        help="begin no schedule after so many; the exit code is 2 where some are left")
    parser.add_argument("--show", action="store_true", help="print the schedules, and end")
    asked = parser.parse_args()
    seeds = range(asked.seed, asked.seed + asked.schedules)
    if asked.show:
        print("\n".join(str(plan.Schedule(seed)) for seed in seeds))
        return 0
    if subprocess.run(["redis-server", "--version"], capture_output=True, check=False).returncode != 0:
        print("SKIP: redis-server is not installed")
        return 77
    return run_all(asked, seeds)


def run_all(asked, seeds):
    until = None if asked.seconds is None else time.monotonic() + asked.seconds
    for ability, able in machine.can().items():
        if able is not True:
            print(f"without {ability}: {able}")
    base = pathlib.Path(tempfile.mkdtemp(prefix="samara-faults-"))
    out = asked.out or base
    out.mkdir(parents=True, exist_ok=True)
    memory = Memory(out)
    material = Material(base)
    for lag in set(plan.LAGS):
        undisturbed(material, base, lag)
    left = [seed for seed in seeds if seed not in memory.outcomes]
    outcomes = [memory.outcomes[seed] for seed in seeds if seed in memory.outcomes]
    if outcomes:
        print(f"{len(outcomes)} of {len(seeds)} schedules passed in an earlier call")
    with concurrent.futures.ProcessPoolExecutor(asked.jobs) as pool:
        futures = [pool.submit(one, seed, base, material.digests, until) for seed in left]
        for future in concurrent.futures.as_completed(futures):
            if (outcome := future.result()) is None:
                continue
            outcomes.append(outcome)
            tell(outcome, len(outcomes), len(seeds))
            if not outcome.findings:
                memory.add(outcome)
    good = totals(outcomes)
    if good:
        shutil.rmtree(base, ignore_errors=True)
    if good and len(outcomes) < len(seeds):
        print(f"{len(seeds) - len(outcomes)} schedules are left: the same command goes on with them")
        return 2
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
