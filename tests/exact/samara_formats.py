"""The log and the wire a second time: docs/formats/log.md and wire.md in plain Python, for whoever tests across processes.

    log = Log(open("run.samlog", "rb").read())          # its chain is checked
    log.rounds[3].records[0].codes                      # of the first record of round 3
    request = parse_request(body)                       # None: these bytes are not a sync request
    body = encode_request(3, 41, [Result(SLOT, 41, 5, Yield(1, 177, b"\\x31"))])
    reply = parse_reply(answer)

Nothing but the standard library.
"""

import hashlib
import json
import struct
from typing import NamedTuple

from samara_exact import Record

SLOT, EVALUATION, CHECK = 1, 2, 3
LEAVING, SIGNED, AHEAD = 1, 2, 4
SIGNATURE_BYTES = 64
NO_LOSS = -1


class Yield(NamedTuple):
    """What a slot or check yielded: loss in units of 2^-8 nat, or NO_LOSS."""

    weight: int
    loss: int
    codes: bytes


class Result(NamedTuple):
    kind: int
    round: int
    index: int
    payload: tuple  # a Yield; of an evaluation (examples, correct, loss_micro)
    elapsed_ms: int = 5


class Request(NamedTuple):
    worker: int
    cursor: int
    wants: int
    flags: int
    results: list


class Reply(NamedTuple):
    status: int
    head: int
    refused: int
    rounds: list  # encoded ones, from the cursor on
    leases: list  # (kind, round, index, valid_ms)


class LogRecord(NamedTuple):
    """A record as the log has it."""

    round: int
    place: int
    author: int
    weight: int
    loss: int
    codes: bytes

    def exact(self):
        """As samara_exact wants it."""
        return Record(self.round, self.place, self.codes, self.author)


class Round(NamedTuple):
    number: int
    committed_ms: int
    records: list
    evaluations: list  # (round evaluated, examples, correct, loss_micro)
    encoded: bytes

    def at(self, place):
        """The record of a place; None: nobody filled it."""
        return next((record for record in self.records if (record.round, record.place) == (self.number, place)), None)


# --- numbers --------------------------------------------------------------------------------------------------------


def varint(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes(out) + bytes([number])


def zigzag(number):
    return varint(2 * number if number >= 0 else -2 * number - 1)


class Reader:
    """Fields of a message, in order; struct.error where it is too short."""

    def __init__(self, content):
        self.content, self.at = content, 0

    def take(self, count):
        if self.at + count > len(self.content):
            raise struct.error("the end is missing")
        self.at += count
        return self.content[self.at - count:self.at]

    def u8(self):
        return self.take(1)[0]

    def u32(self):
        return struct.unpack("<I", self.take(4))[0]

    def varint(self):
        value = shift = 0
        while True:
            byte = self.u8()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7

    def zigzag(self):
        value = self.varint()
        return value >> 1 ^ -(value & 1)

    def work(self, before):
        """(kind, round, index) of a result or lease; `before`: that of the one before."""
        kind = self.u8()
        if kind == 0:
            return before[0], before[1], before[2] + 1 + self.zigzag()
        return kind, self.varint(), self.varint()


# --- the wire -------------------------------------------------------------------------------------------------------


def encode_result(result, before):
    """`before`: the result before it in the request, or None."""
    of_record = result.kind != EVALUATION
    shape = (lambda r: (r.kind, r.round, r.payload.weight, len(r.payload.codes)) if r.kind != EVALUATION
             else (r.kind, r.round))
    same = before is not None and shape(before) == shape(result)
    out = b"\0" + zigzag(result.index - before.index - 1) if same else (
        bytes([result.kind]) + varint(result.round) + varint(result.index))
    out += varint(result.elapsed_ms)
    if not of_record:
        return out + b"".join(map(varint, result.payload))
    return out + (b"" if same else varint(result.payload.weight) + varint(len(result.payload.codes)))


def encode_request(worker, cursor, results=(), wants=1, wait_ms=100, flags=0):
    """Not signed."""
    out = b"SYQ3" + b"".join(map(varint, (worker, cursor, wants, wait_ms))) + bytes([flags]) + varint(len(results))
    before, loss = None, 0
    for result in results:
        out += encode_result(result, before)
        if result.kind != EVALUATION:
            out += zigzag(result.payload.loss - loss) + result.payload.codes
            loss = result.payload.loss
        before = result
    return out


def parse_request(body):
    """None where these bytes are not a sync request."""
    reader = Reader(body)
    if reader.take(4) != b"SYQ3":
        return None
    worker, cursor, wants, _wait_ms = (reader.varint() for _ in range(4))
    flags = reader.u8()
    results, before, shape, loss = [], None, (0, 0), 0
    for _ in range(reader.varint()):
        same = body[reader.at] == 0
        before = reader.work(before)
        elapsed_ms = reader.varint()
        if before[0] == EVALUATION:
            payload = (reader.varint(), reader.varint(), reader.varint())
        else:
            shape = shape if same else (reader.varint(), reader.varint())
            loss += reader.zigzag()
            payload = Yield(shape[0], loss, reader.take(shape[1]))
        if flags & SIGNED:
            reader.take(SIGNATURE_BYTES)
        results.append(Result(*before, payload, elapsed_ms))
    if flags & SIGNED:
        reader.take(SIGNATURE_BYTES)
    return Request(worker, cursor, wants, flags, results) if reader.at == len(body) else None


def parse_reply(body):
    """None where these bytes are not a sync reply."""
    reader = Reader(body)
    if reader.take(4) != b"SYR3":
        return None
    status, head, refused = reader.u8(), reader.varint(), reader.varint()
    rounds = [reader.take(reader.varint()) for _ in range(reader.varint())]
    leases, before, valid, earlier = [], None, 0, 0
    for _ in range(reader.varint()):
        before = reader.work(before)
        valid, earlier = valid + (valid - earlier) + reader.zigzag(), valid
        leases.append((*before, valid))
    return Reply(status, head, refused, rounds, leases) if reader.at == len(body) else None


# --- the log --------------------------------------------------------------------------------------------------------


def parse_records(reader, number):
    count, heads, before = reader.varint(), [], None
    while len(heads) < count:
        more, late, step, weight, codes = (reader.varint(), reader.varint(), reader.varint(), reader.varint(),
                                           reader.varint())
        for _ in range(more + 1):
            place = step + (before[1] + 1 if before and before[0] == number - late else 0)
            before = (number - late, place)
            heads.append((*before, weight, codes))
    authors, losses = [], []
    for values in (authors, losses):
        value = 0
        for _ in range(count):
            value += reader.zigzag()
            values.append(value)
    return [LogRecord(origin, place, author, weight, loss, reader.take(codes))
            for (origin, place, weight, codes), author, loss in zip(heads, authors, losses)]


def encode_heads(number, records):
    out, at = b"", 0
    heads, before = [], None
    for record in records:
        following = before.place + 1 if before and before.round == record.round else 0
        heads.append((number - record.round, record.place - following, record.weight, len(record.codes)))
        before = record
    while at < len(heads):
        same = next((i for i in range(at, len(heads)) if heads[i] != heads[at]), len(heads)) - at
        late, step, weight, codes = heads[at]
        out += varint(same - 1) + varint(late) + varint(step) + varint(weight) + varint(codes)
        at += same
    return out


def encode_round(previous, number, committed_ms, records, evaluations=()):
    """With its chain, after the chain `previous`."""
    out = varint(number) + varint(committed_ms) + varint(len(records)) + encode_heads(number, records)
    for values in ([r.author for r in records], [r.loss for r in records]):
        out += b"".join(zigzag(value - last) for value, last in zip(values, [0, *values]))
    out += b"".join(bytes(r.codes) for r in records)
    out += varint(len(evaluations)) + b"".join(varint(value) for one in evaluations for value in one)
    return out + digest(previous + out)


class Log:
    """A .samlog, its chain checked from the run id on; ValueError where it does not hold."""

    def __init__(self, content):
        reader = Reader(content)
        if reader.take(8) != b"SAMLOG2\n":
            raise ValueError("this is not a .samlog")
        text = reader.take(reader.u32())
        self.manifest = json.loads(text)
        self.head, self.run, self.rounds = content[:reader.at], digest(text), []
        chain = self.run
        while reader.at < len(content):
            encoded = reader.take(reader.u32())
            chain = digest(chain + encoded[:-32])
            if chain != encoded[-32:]:
                raise ValueError(f"the chain breaks at round {len(self.rounds)}")
            self.rounds.append(self._round(encoded))

    def _round(self, encoded):
        reader = Reader(encoded)
        number, committed_ms = reader.varint(), reader.varint()
        if number != len(self.rounds):
            raise ValueError(f"round {number} stands where round {len(self.rounds)} belongs")
        records = parse_records(reader, number)
        evaluations = [tuple(reader.varint() for _ in range(4)) for _ in range(reader.varint())]
        if reader.at != len(encoded) - 32:
            raise ValueError(f"round {number} has bytes too many")
        return Round(number, committed_ms, records, evaluations, encoded)


def digest(content):
    return hashlib.blake2b(content, digest_size=32).digest()
