#!/usr/bin/env python3
"""Our step and the peers', in turns on the same machine: a table, then one JSON object.

    compare.py SAMARA PYTHON MODEL.gguf [--rounds 7] [--log docs/perf-log.md]

PYTHON is an interpreter that has torch and transformers (mezo.py runs in it); this program needs none of them. In each
round every contender runs once, so that a neighbour who comes or goes disturbs all of them alike. With --log the
table's row is added to that file.
"""
import argparse
import datetime
import json
import os
import statistics
import subprocess
import sys

import record

HERE = os.path.dirname(os.path.abspath(__file__))
PEERS = ["mezo", "best", "forward"]
LOG_HEADING = [
    "## One two-point step, ours and the peers' (`make bench`)",
    "",
    "512 tokens in 16 sentences of 10 to 54 tokens. MeZO as published pads them to the longest; the best PyTorch step and the "
    "plain forwards do not.",
]
LOG_HEAD = [
    "| date | CPU | kernel | ours, ms | MeZO as published | best PyTorch | two plain forwards | MeZO / ours "
    "| best / ours | load before |",
    "|---|---|---|---|---|---|---|---|---|---|",
]


def ours(samara, model):
    """One round: the median of three steps, of a process of its own."""
    command = [samara, "bench", "step", "--model", model, "--repeats", "3", "--json"]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


class Peers:
    def __init__(self, python, model):
        command = [python, os.path.join(HERE, "mezo.py"), model]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.torch = self.answer().split()[1]

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"compare.py: mezo.py ended with {self.process.wait()}")
        return line

    def run(self, name):
        self.process.stdin.write(name + "\n")
        self.process.stdin.flush()
        return float(self.answer())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("samara")
    parser.add_argument("python")
    parser.add_argument("model")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--log")
    asked = parser.parse_args()
    load = os.getloadavg()[0]
    peers = Peers(asked.python, asked.model)
    times = {name: [] for name in ["ours", *PEERS]}
    for number in range(asked.rounds):
        step = ours(asked.samara, asked.model)
        times["ours"].append(step["ms_median"])
        for name in PEERS:
            times[name].append(peers.run(name))
        print(f"round {number + 1}: " + ", ".join(f"{n} {t[-1]:.0f} ms" for n, t in times.items()), file=sys.stderr)
    peers.close()

    middle = {name: statistics.median(values) for name, values in times.items()}
    print(f"{record.cpu_name()}, {step['threads']} threads, kernel {step['kernel']}, PyTorch {peers.torch}")
    print(f"{'':10} {'min':>9} {'median':>9} {'max':>9}   ms")
    for name, values in times.items():
        print(f"{name:10} {min(values):9.0f} {middle[name]:9.0f} {max(values):9.0f}")
    ratio_mezo, ratio_best = middle["mezo"] / middle["ours"], middle["best"] / middle["ours"]
    if asked.log:
        cells = [datetime.date.today().isoformat(), f"{record.cpu_name()} x{step['threads']}", step["kernel"]]
        cells += [f"{middle[n]:.0f}" for n in times] + [f"{ratio_mezo:.1f}", f"{ratio_best:.1f}", f"{load:.1f}"]
        record.add_rows(asked.log, LOG_HEADING, LOG_HEAD, ["| " + " | ".join(cells) + " |"])
    print(json.dumps({"ours_ms": round(middle["ours"], 1), "mezo_ms": round(middle["mezo"], 1),
                      "best_torch_ms": round(middle["best"], 1), "forward_floor_ms": round(middle["forward"], 1),
                      "ratio_mezo": round(ratio_mezo, 2), "ratio_best": round(ratio_best, 2)}))


if __name__ == "__main__":
    main()
