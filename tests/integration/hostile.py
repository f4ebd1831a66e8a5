"""A worker that computes nothing: it speaks the ledger's protocol (docs/formats/wire.md), and makes its codes up.

    worker = hostile.Worker(ledger_url, run, "portable", random.Random(1))
    worker.play()                    # until the ledger refuses it
    worker.refusal                   # {"status": 403, "detail": "worker 1 is in quarantine ..."}

It keeps pace with those who check it: it holds its slot, and with it the round, until its slots of earlier rounds have
been judged. So what comes of a run does not depend on how quick anybody is.
"""

import json
import pathlib
import sys
import time
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "exact"))
import samara_formats  # noqa: E402

COMPLETE = 2


class Worker:
    def __init__(self, ledger, run, kernel, rng):
        self.base, self.rng = f"{ledger}/v1/runs/{run}", rng
        self.probes = json.loads(self.ask("/manifest"))["probes"]
        self.cursor, self.status, self.refusal = 0, 0, None
        self.slots = []  # rounds of the slots that it has made up
        joined = json.loads(self.ask("/join", json.dumps({"name": "hostile", "kernel": kernel,
                                                          "evaluates": False}).encode()))
        self.number = joined["worker"]

    def ask(self, path, body=None):
        with urllib.request.urlopen(urllib.request.Request(self.base + path, data=body), timeout=60) as reply:
            return reply.read()

    def sync(self, lease):
        """Sends a result for a lease, or None; gives one lease (kind, round, index, valid_ms), or None."""
        results = []
        if lease is not None:
            codes = bytes(self.rng.choice([code for code in range(256) if code != 0x80]) for _ in range(self.probes))
            results.append(samara_formats.Result(*lease[:3], samara_formats.Yield(1, 177, codes)))
        request = samara_formats.encode_request(self.number, self.cursor, results, wait_ms=2000)
        reply = samara_formats.parse_reply(self.ask("/sync", request))
        self.status = reply.status
        self.cursor += len(reply.rounds)
        return reply.leases[0] if reply.leases else None

    def judged(self):
        row = json.loads(self.ask("/workers"))["workers"][self.number - 1]
        return row["status"] == "quarantined" or row["agreed"] + row["differed"]

    def wait_for_judges(self, number):
        due = sum(earlier < number for earlier in self.slots)
        until = time.monotonic() + 120
        while self.judged() is not True and self.judged() < due:
            if time.monotonic() > until:
                raise AssertionError(f"nobody checks worker {self.number}")
            time.sleep(0.01)

    def play(self):
        lease = None
        try:
            while self.status != COMPLETE:
                if lease is not None and lease[0] == samara_formats.SLOT:
                    self.wait_for_judges(lease[1])
                    self.slots.append(lease[1])
                lease = self.sync(lease)
        except urllib.error.HTTPError as refusal:
            self.refusal = json.load(refusal)
