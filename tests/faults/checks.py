"""What must hold when a schedule is over: sections 1 to 3 of the design's promises, and that nobody crashed.

    findings = checks.check(world, material)      # sentences; [] where all is well

The log is judged by Python alone (tests/exact); then every replica is held against it.
"""

import json
import re
import subprocess
import sys
import time

import schedule as plan
import world as worlds
from material import EXACT

sys.path.insert(0, str(EXACT))
import samara_exact  # noqa: E402  (the second implementation of the exact zone)
import samara_formats  # noqa: E402  (and of the formats)


def check(world, material):
    findings = list(world.observed.broken)
    try:
        content = ask(world, "ledger0", f"/v1/runs/{world.run}/log")
        log = samara_formats.Log(content)
    except (OSError, ValueError) as failure:
        return findings + [f"the log cannot be had: {failure}"]
    findings += check_log(log, world)
    digest = replay(log)
    whole = all(len(r.records) == plan.SLOTS for r in log.rounds)
    calm = material.digests[world.schedule.lag]
    if whole and digest != calm:
        findings.append(f"the run led to {digest}, an undisturbed one to {calm}")
    findings += check_promises(log, world.observed)
    findings += check_counts(log, world)
    findings += check_replicas(world, material, content, digest)
    return findings


def ask(world, name, path):
    """Of a service that may just be starting again."""
    for _ in range(400):
        where = world.gateway if name == "gateway" else world.http_links[name].upstream
        try:
            return world.http(where, "GET", path)
        except OSError as failure:
            reason = failure
        time.sleep(0.05)
    raise OSError(f"{name} does not answer {path}: {reason}")


def check_log(log, world):
    if len(log.rounds) != plan.ROUNDS:
        return [f"the log has {len(log.rounds)} rounds of {plan.ROUNDS}"]
    least = world.schedule.quorum["slots"] if world.schedule.quorum else plan.SLOTS
    findings = [f"round {r.number} has less than {least} slots" for r in log.rounds
                if len(r.records) < least]
    findings += [f"round {number} was told otherwise than it stands in the log"
                 for number, encoded in world.observed.rounds.items() if log.rounds[number].encoded != encoded]
    evaluated = [at for r in log.rounds for at, *_ in r.evaluations]
    if len(evaluated) != len(set(evaluated)):
        findings.append(f"an evaluation is in the log twice: {evaluated}")
    return findings


def replay(log):
    """The state's digest, by the second implementation."""
    run = samara_exact.Run(log.manifest)
    for r in log.rounds:
        run.put(r.number, [record.exact() for record in r.records])
    return run.digest()


def check_promises(log, observed):
    findings = [] if observed.promised else ["no result was acknowledged, and yet the run is over"]
    for (kind, number, index, worker), payload in observed.promised.items():
        if kind != samara_formats.SLOT:
            continue
        record = log.rounds[number].at(index)
        if record is None or record != (number, index, worker, *payload):
            findings.append(f"round {number}, slot {index} of worker {worker} was acknowledged as {payload}; the log "
                            f"has {record}")
    return findings


def check_counts(log, world):
    """Each piece of work was counted once, and evaluations are the sums of what was acknowledged."""
    run = json.loads(ask(world, "ledger0", f"/v1/runs/{world.run}"))
    workers = json.loads(ask(world, "ledger0", f"/v1/runs/{world.run}/workers"))["workers"]
    findings = []
    expected = sum(len(r.records) for r in log.rounds)
    counted = sum(worker["slots"] for worker in workers)
    if run["status"] != "complete" or run["records"] != expected or counted != expected:
        findings.append(f"the run is {run['status']} with {run['records']} records, its workers with {counted}, "
                        f"not {expected}")
    if run["unleased"] or run["leased"]:
        findings.append(f"{run['unleased']} + {run['leased']} pieces of work are left over")
    if run["quarantined"]:
        findings.append(f"workers {run['quarantined']} are in quarantine, and did nothing wrong")
    at = [evaluation["round"] for evaluation in run["evaluations"]]
    if sorted(at) != list(range(0, plan.ROUNDS + 1, plan.EVERY)):
        findings.append(f"the evaluations are of the rounds {at}")
    return findings + check_sums(world.observed, run["evaluations"])


def check_sums(observed, evaluations):
    findings = []
    for evaluation in evaluations:
        chunks = [payload for (kind, number, _, _), payload in observed.promised.items()
                  if kind == samara_formats.EVALUATION and number == evaluation["round"]]
        sums = [sum(column) for column in zip(*chunks)]
        said = [evaluation["examples"], evaluation["correct"], evaluation["loss_micro"]]
        if len(chunks) == plan.CHUNKS and sums != said:
            findings.append(f"the evaluation of round {evaluation['round']} is {said}, its chunks add up to {sums}")
    return findings


def check_replicas(world, material, content, digest):
    said = {"gateway": json.loads(ask(world, "gateway", f"/v1/runs/{world.run}/digest"))["digest"]}
    if ask(world, "gateway", f"/v1/runs/{world.run}/log") != content:
        said["gateway's log"] = "other bytes than the ledger's"
    for process in world.processes.values():
        if process.name.startswith("worker"):
            found = re.findall(r"after (\d+) rounds has the digest (\w+)", process.written())
            said[process.name] = found[-1][1] if found and int(found[-1][0]) == plan.ROUNDS else "not said"
    path = world.folder / "run.samlog"
    path.write_bytes(content)
    done = subprocess.run([worlds.BIN / "samara", "replay", "--log", path, "--base", material.model,
                           "--out", world.folder / "replayed"],
                          capture_output=True, text=True, check=False, timeout=worlds.LIMIT)
    found = re.search(r"state digest +(\w+)", done.stdout)
    said["samara replay"] = found.group(1) if found else done.stderr.strip()
    return [f"{name} has the state {value}, the log leads to {digest}" for name, value in said.items()
            if value != digest]
