"""What the fault suite reads off the wire and the log: docs/formats/wire.md and log.md in a few lines of Python.

    request = messages.sync_request(body)            # None: these bytes are no sync request
    reply = messages.sync_reply(answer)
    log = messages.Log(open("run.samlog", "rb").read())
    log.rounds[3].slots[1]                           # (worker, codes)
"""

import collections
import hashlib
import json
import struct

SLOT, EVALUATION, CHECK = 1, 2, 3
LEAVING, SIGNED = 1, 2
SIGNATURE_BYTES = 64
NO_VALUE = 0x80

Result = collections.namedtuple("Result", "kind round index payload")  # payload: codes, or (examples, correct, loss)
Request = collections.namedtuple("Request", "worker cursor wants leaving results")
Reply = collections.namedtuple("Reply", "status head refused rounds leases")  # rounds: encoded ones, from the cursor on
Round = collections.namedtuple("Round", "number committed_ms slots evaluations encoded")


class Reader:
    """Fields of a message, in order; struct.error where it is too short."""

    def __init__(self, content):
        self.content, self.at = content, 0

    def fields(self, form):
        values = struct.unpack_from("<" + form, self.content, self.at)
        self.at += struct.calcsize("<" + form)
        return values

    def take(self, count):
        if self.at + count > len(self.content):
            raise struct.error("the end is missing")
        self.at += count
        return self.content[self.at - count:self.at]

    def varint(self):
        value, shift = 0, 0
        while True:
            byte, = self.fields("B")
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def difference(self, expected):
        """A varint of the zigzag of x - expected."""
        value = self.varint()
        return expected + (value >> 1 ^ -(value & 1))

    def work(self, before):
        """(kind, round, index) of a result or lease; `before`: that of the one before."""
        kind, = self.fields("B")
        if kind == 0:
            kind, number, index = before
            return kind, number, self.difference(index + 1)
        return kind, self.varint(), self.varint()


def sync_request(body):
    """None where these bytes are no such request."""
    reader = Reader(body)
    if reader.take(4) != b"SYQ2":
        return None
    worker, cursor, wants, _wait_ms = (reader.varint() for _ in range(4))
    flags, = reader.fields("B")
    results, before, codes = [], None, 0
    for _ in range(reader.varint()):
        same = reader.content[reader.at] == 0
        before = reader.work(before)
        _elapsed_ms = reader.varint()
        if before[0] != EVALUATION:
            codes = codes if same else reader.varint()
            payload = reader.take(codes)
        else:
            payload = (reader.varint(), reader.varint(), reader.varint())
        if flags & SIGNED:
            reader.take(SIGNATURE_BYTES)
        results.append(Result(*before, payload))
    return Request(worker, cursor, wants, flags & LEAVING, results) if reader.at == len(body) else None


def sync_reply(body):
    """None where these bytes are no such reply."""
    reader = Reader(body)
    if reader.take(4) != b"SYR2":
        return None
    status, = reader.fields("B")
    head, refused = reader.varint(), reader.varint()
    rounds = [reader.take(reader.varint()) for _ in range(reader.varint())]
    leases, before, valid, earlier = [], None, 0, 0
    for _ in range(reader.varint()):
        before = reader.work(before)
        valid, earlier = reader.difference(valid + (valid - earlier)), valid
        leases.append((*before, valid))
    return Reply(status, head, refused, rounds, leases) if reader.at == len(body) else None


class Log:
    """A .samlog, its chain checked from the run id on; ValueError where it does not hold."""

    def __init__(self, content):
        reader = Reader(content)
        if reader.take(8) != b"SAMLOG1\n":
            raise ValueError("no .samlog")
        text = reader.take(reader.fields("I")[0])
        self.manifest = json.loads(text)
        self.rounds = []
        chain = digest(text)
        while reader.at < len(content):
            encoded = reader.take(reader.fields("I")[0])
            chain = digest(chain + encoded[:-32])
            if chain != encoded[-32:]:
                raise ValueError(f"the chain breaks at round {len(self.rounds)}")
            self.rounds.append(self._round(encoded))

    def _round(self, encoded):
        reader = Reader(encoded)
        number, committed_ms = reader.varint(), reader.varint()
        if number != len(self.rounds):
            raise ValueError(f"round {number} stands where round {len(self.rounds)} belongs")
        slots = []
        for _ in range(self.manifest["slots"]):
            worker = reader.varint()
            slots.append((worker, reader.take(self.manifest["probes"]) if worker else
                          bytes([NO_VALUE]) * self.manifest["probes"]))
        evaluations = [tuple(reader.varint() for _ in range(4)) for _ in range(reader.varint())]
        if reader.at != len(encoded) - 32:
            raise ValueError(f"round {number} has bytes too many")
        return Round(number, committed_ms, slots, evaluations, encoded)


def digest(content):
    return hashlib.blake2b(content, digest_size=32).digest()
