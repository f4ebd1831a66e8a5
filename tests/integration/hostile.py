"""A worker that computes nothing: it speaks the ledger's protocol (docs/formats/wire.md), and makes its codes up.

    worker = hostile.Worker(ledger_url, run, "portable", random.Random(1))
    worker.play()                    # until the ledger refuses it
    worker.refusal                   # {"status": 403, "detail": "worker 1 is in quarantine ..."}

It keeps pace with those who check it: it holds its slot, and with it the round, until its slots of earlier rounds have
been judged. So what comes of a run does not depend on how quick anybody is.
"""

import json
import time
import urllib.error
import urllib.request

SLOT, CHECK = 1, 3
COMPLETE = 2


def varint(number):
    out = bytearray()
    while number >= 128:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes(out) + bytes([number])


class Reader:
    def __init__(self, content):
        self.content, self.at = content, 0

    def take(self, count):
        self.at += count
        return self.content[self.at - count:self.at]

    def varint(self):
        value, shift = 0, 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value


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

    def sync(self, result):
        """Sends one result, or None; gives one lease (kind, round, index), or None."""
        request = b"SYQ2" + b"".join(map(varint, (self.number, self.cursor, 1, 2000))) + b"\0"
        if result is None:
            request += varint(0)
        else:
            kind, number, index = result
            codes = bytes(self.rng.choice([code for code in range(256) if code != 0x80]) for _ in range(self.probes))
            request += varint(1) + bytes([kind]) + varint(number) + varint(index) + varint(3)
            request += varint(self.probes) + codes
        reader = Reader(self.ask("/sync", request))
        if reader.take(4) != b"SYR2":
            raise ValueError("no sync reply")
        self.status = reader.take(1)[0]
        reader.varint(), reader.varint()  # head, refused
        for _ in range(reader.varint()):
            reader.take(reader.varint())
            self.cursor += 1
        return (reader.take(1)[0], reader.varint(), reader.varint()) if reader.varint() else None

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
                if lease is not None and lease[0] == SLOT:
                    self.wait_for_judges(lease[1])
                    self.slots.append(lease[1])
                lease = self.sync(lease)
        except urllib.error.HTTPError as refusal:
            self.refusal = json.load(refusal)
