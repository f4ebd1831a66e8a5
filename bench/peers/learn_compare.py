#!/usr/bin/env python3
"""Seconds until the demo's dev loss has fallen: ours, then MeZO in PyTorch, on the same machine, data and cores.

    learn_compare.py SAMARA PYTHON MODEL.gguf DATA --task task.json --out DIR [--seeds 1,2,3] [--log docs/results.md]

DATA holds train.tsv and dev.tsv; PYTHON is an interpreter that has torch and transformers (learn.py runs in it); this
program needs none of them. For each seed ours trains until dev has fallen to the lowest of --losses, then MeZO has
--limit times those seconds for the same, with each of --rates; the best rate counts. A loss that was not reached is
shown as ">= " and the seconds that were given to it.

Both clocks stand still while dev is evaluated and before training begins. Ours is the real `samara train` with its
default settings and workers, and its clock runs from the start of the workers: opening the model, and filling the cache
of activations, which is empty at first, are in it. It trains without evaluations, in sessions of --session-minutes that
resume each other; between them dev is evaluated with the state of every --every-th round (`samara evaluate --log`), and
the time of a round is that of its commit. Theirs begins with the model in memory. Curves and logs stay in --out.
"""
import argparse
import datetime
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import time
from typing import NamedTuple

import record

HERE = os.path.dirname(os.path.abspath(__file__))
CURVE_POINTS = 8  # of a curve in the log
LOG_TEXT = [
    "The demo's task. Seconds of training, without evaluations of dev: ours with its default settings, one worker of one",
    "thread for each core, from the start of the workers with an empty cache; MeZO as published (float32, all weights,",
    "minibatches of 16, eps 1e-3) in PyTorch on the same cores, from the model in memory.",
]


class Point(NamedTuple):
    """Of a curve; loss, accuracy and AUC are of dev. `step` is ours in rounds, theirs in minibatches."""

    step: int
    seconds: float
    loss: float  # None: the weights have blown up
    accuracy: float
    auc: float


class Span(NamedTuple):
    """Seconds until something, or, where it was not reached, those in which it was not."""

    seconds: float
    reached: bool

    def text(self):
        return f"{self.seconds:.0f}" if self.reached else f">= {self.seconds:.0f}"

    def json(self):
        return round(self.seconds, 1) if self.reached else f">= {self.seconds:.1f}"


def until(curve, loss):
    """The first evaluation that is as low; nothing is interpolated."""
    for point in curve:
        if point.loss is not None and point.loss <= loss:
            return Span(point.seconds, True)
    return Span(curve[-1].seconds, False)


def median_of(spans):
    """At least the median of the lower bounds; just that where everything up to the middle was reached."""
    ordered = sorted(spans, key=lambda span: (span.seconds, not span.reached))
    known = all(span.reached for span in ordered[: len(ordered) // 2 + 1])
    return Span(statistics.median(span.seconds for span in ordered), known)


def ratio(theirs, ours):
    """">= " where theirs was not reached, None where ours was not."""
    if not ours.reached or ours.seconds == 0:
        return None
    return f"{'' if theirs.reached else '>= '}{theirs.seconds / ours.seconds:.1f}"


def say(text):
    print(text, file=sys.stderr, flush=True)


def keep(path, curve):
    with open(path, "w") as file:
        for point in curve:
            file.write(json.dumps(point._asdict()) + "\n")


# ---- ours ----


class Ours:
    """One run of `samara train`, in sessions, and its curve."""

    def __init__(self, asked, seed):
        self.asked, self.seed = asked, seed
        self.out = os.path.join(asked.out, f"ours-{seed}")
        self.log = os.path.join(self.out, "run.samlog")
        self.cache = os.path.join(asked.out, f"cache-{seed}")
        self.dev = os.path.join(asked.data, "dev.tsv")
        for folder in (self.out, self.cache):
            shutil.rmtree(folder, ignore_errors=True)
        self.environment = {**os.environ, "XDG_CACHE_HOME": self.cache}
        self.activations = os.path.join(self.cache, "samara", "activations")
        self.seconds = 0.0  # of the sessions so far
        self.commits = []  # seconds at which each round was committed
        self.workers = 0
        self.kernel = ""

    def session(self):
        command = [self.asked.samara, "train", "--name", f"learn-{self.seed}", "--model", self.asked.model]
        command += ["--task", self.asked.task, "--train", os.path.join(self.asked.data, "train.tsv"), "--dev", self.dev]
        command += ["--seed", str(self.seed), "--rounds", "20000", "--minutes", str(self.asked.session_minutes)]
        command += ["--eval-every", "0", "--out", self.out, "--json"]
        process = subprocess.Popen(command, env=self.environment, stdout=subprocess.PIPE, text=True)
        before, began = self.seconds, None
        for line in process.stdout:
            said = json.loads(line)
            if said["type"] == "start":
                began, self.workers, self.kernel = time.time(), said["workers"], said["kernel"]
            elif said["type"] == "summary":
                self.seconds = said["seconds"]
        if process.wait() != 0:
            sys.exit(f"learn_compare.py: samara train ended with {process.returncode}")
        if not os.path.isdir(self.activations) or not os.listdir(self.activations):
            sys.exit(f"learn_compare.py: nothing was put into {self.activations}: ours had another, perhaps a filled, "
                     "cache, so its seconds mean nothing")
        for committed_ms in self.committed()[len(self.commits) :]:
            self.commits.append(before + committed_ms / 1000 - began)

    def committed(self):
        command = [self.asked.samara, "log", "--json", self.log]
        lines = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
        return [json.loads(line)["committed_ms"] for line in lines[1:]]  # the first is the manifest

    def point(self, rounds):
        command = [self.asked.samara, "evaluate", "--model", self.asked.model, "--task", self.asked.task]
        command += ["--data", self.dev, "--log", self.log, "--round", str(rounds), "--json"]
        found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
        seconds = self.commits[rounds - 1] if rounds > 0 else 0.0
        return Point(rounds, seconds, found["loss"], found["accuracy"], found.get("auc"))

    def learn(self, loss):
        curve, rounds = [], 0
        while self.seconds < self.asked.our_max_minutes * 60:
            self.session()
            while rounds <= len(self.commits):
                curve.append(self.point(rounds))
                say(f"seed {self.seed}, ours: {describe(curve[-1], 'round')}")
                if curve[-1].loss <= loss:
                    return curve
                rounds += self.asked.every
        return curve


# ---- theirs ----


def theirs(asked, seed, rate, loss, limit):
    command = [asked.python, os.path.join(HERE, "learn.py"), asked.model, "--task", asked.task]
    command += ["--train", os.path.join(asked.data, "train.tsv"), "--dev", os.path.join(asked.data, "dev.tsv")]
    command += ["--seed", str(seed), "--lr", str(rate), "--until-loss", str(loss), "--max-seconds", str(limit)]
    command += ["--every", str(asked.their_every)] + (["--balanced"] if asked.balanced else [])
    quiet = {**os.environ, "TQDM_DISABLE": "1"}  # no bars while the model is loaded
    process = subprocess.Popen(command, env=quiet, stdout=subprocess.PIPE, text=True)
    curve = []
    for line in process.stdout:
        curve.append(Point(**json.loads(line)))
        say(f"seed {seed}, MeZO at {rate:g}: {describe(curve[-1], 'step')}")
    if process.wait() != 0:
        sys.exit(f"learn_compare.py: learn.py ended with {process.returncode}")
    if curve[-1].loss is None:  # what has blown up stays so until the limit
        curve[-1] = curve[-1]._replace(seconds=max(limit, curve[-1].seconds))
    return curve


def best_of(curves, loss):
    """The rate whose curve is down first; of those that are not, the one that came lowest."""
    def key(rate):
        span = until(curves[rate], loss)
        return (not span.reached, span.seconds if span.reached else lowest(curves[rate]))

    return min(curves, key=key)


def lowest(curve):
    return min(math.inf if point.loss is None else point.loss for point in curve)


# ---- what is shown ----


def describe(point, step):
    loss = "not a number" if point.loss is None else f"{point.loss:.4f}"
    auc = "-" if point.auc is None else f"{point.auc:.3f}"
    return f"{point.seconds:7.1f} s, {step} {point.step}: dev loss {loss}, accuracy {100 * point.accuracy:.1f} %, AUC {auc}"


def thinned(curve):
    """As one cell of a table: seconds, loss, accuracy and AUC of a few points, the first and the last among them."""
    last = len(curve) - 1
    chosen = sorted({round(i * last / (CURVE_POINTS - 1)) for i in range(CURVE_POINTS)})
    points = [curve[i] for i in chosen if curve[i].loss is not None]
    return ", ".join(f"{p.seconds:.0f} s: {p.loss:.3f} / {100 * p.accuracy:.1f} / {p.auc or math.nan:.3f}" for p in points)


class Result(NamedTuple):
    seed: int
    ours: list  # curve
    mezo: dict  # loss: Span, with the best rate for it
    rate: float  # the best for the lowest loss
    mezo_curve: list  # at that rate

    def ours_until(self, loss):
        return until(self.ours, loss)


def head_of(losses):
    cells = ["date", "CPU", "seed"]
    for loss in losses:
        cells += [f"ours to {loss:.2f}, s", f"MeZO to {loss:.2f}, s", "ratio"]
    cells += ["rate of MeZO", "ours: s: dev loss / accuracy / AUC", "MeZO: s: dev loss / accuracy / AUC"]
    return ["| " + " | ".join(cells) + " |", "|" + "---|" * len(cells)]


def row_of(asked, machine, result):
    cells = [datetime.date.today().isoformat(), machine, str(result.seed)]
    for loss in asked.losses:
        mine, other = result.ours_until(loss), result.mezo[loss]
        cells += [mine.text(), other.text(), ratio(other, mine) or "-"]
    cells += [f"{result.rate:g}", thinned(result.ours), thinned(result.mezo_curve)]
    return "| " + " | ".join(cells) + " |"


def summary_of(asked, results):
    found = {"seeds": [result.seed for result in results]}
    for loss in asked.losses:
        name = f"{round(100 * loss):03d}"
        mine = median_of([result.ours_until(loss) for result in results])
        other = median_of([result.mezo[loss] for result in results])
        found.update({f"ours_s_{name}": mine.json(), f"mezo_s_{name}": other.json(), f"ratio_{name}": None})
        quotient = ratio(other, mine)
        if quotient is not None:
            found[f"ratio_{name}"] = float(quotient) if other.reached else quotient
    return found


# ---- the comparison ----


def compare(asked, seed):
    mine = Ours(asked, seed)
    curve = mine.learn(min(asked.losses))
    keep(os.path.join(asked.out, f"ours-{seed}.jsonl"), curve)
    limit = asked.limit * until(curve, min(asked.losses)).seconds
    curves = {}
    for rate in asked.rates:
        curves[rate] = theirs(asked, seed, rate, min(asked.losses), limit)
        keep(os.path.join(asked.out, f"mezo-{rate:g}-{seed}.jsonl"), curves[rate])
        if abs(curves[rate][0].loss - curve[0].loss) > asked.agreement:
            sys.exit(f"learn_compare.py: before training, dev loss is {curve[0].loss:.4f} here and "
                     f"{curves[rate][0].loss:.4f} there: not the same task, so nothing is compared")
    spans = {loss: until(curves[best_of(curves, loss)], loss) for loss in asked.losses}
    best = best_of(curves, min(asked.losses))
    return Result(seed, curve, spans, best, curves[best]), f"x{mine.workers}, {mine.kernel}"


def numbers(kind):
    return lambda text: [kind(one) for one in text.split(",")]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("samara")
    parser.add_argument("python")
    parser.add_argument("model")
    parser.add_argument("data")
    parser.add_argument("--task", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--seeds", type=numbers(int), default=[1, 2, 3], help="with commas (1,2,3)")
    parser.add_argument("--losses", type=numbers(float), default=[0.50, 0.45], help="of dev (0.50,0.45)")
    parser.add_argument("--rates", type=numbers(float), default=[3e-5], help="of MeZO; the best counts (3e-5)")
    parser.add_argument("--limit", type=float, default=12, help="of MeZO, in times of ours (12)")
    parser.add_argument("--balanced", action="store_true", help="equal labels for MeZO too")
    parser.add_argument("--every", type=int, default=5, help="rounds of ours between evaluations (5)")
    parser.add_argument("--their-every", type=int, default=10, help="steps of MeZO between evaluations (10)")
    parser.add_argument("--session-minutes", type=float, default=4, help="of ours between looks at dev (4)")
    parser.add_argument("--our-max-minutes", type=float, default=60)
    parser.add_argument("--agreement", type=float, default=0.02, help="of both sides' loss before training (0.02)")
    parser.add_argument("--log", help="add the table to this file")
    return parser.parse_args()


def main():
    asked = arguments()
    asked.out = os.path.abspath(asked.out)  # a relative XDG_CACHE_HOME would be ignored
    os.makedirs(asked.out, exist_ok=True)
    head, rows, results = head_of(asked.losses), [], []
    for seed in asked.seeds:
        result, how = compare(asked, seed)
        results.append(result)
        rows.append(row_of(asked, f"{record.cpu_name()} {how}", result))
        say("\n".join(head + rows[-1:]))
    print("\n".join(head + rows))
    if asked.log:
        losses = " and ".join(f"{loss:.2f}" for loss in asked.losses)
        heading = [f"## Time to a dev loss of {losses} (`make bench-learn`)", "", *LOG_TEXT]
        record.add_rows(asked.log, heading, head, rows)
    print(json.dumps(summary_of(asked, results)))


if __name__ == "__main__":
    main()
