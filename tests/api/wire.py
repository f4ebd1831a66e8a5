"""The sync messages of docs/formats/wire.md, as far as one worker with one lease at a time needs them.

    body = wire.request(worker=3, cursor=41, results=[wire.slot(41, 5, b"\\x31")])
    reply = wire.reply(post(url, body))          # reply["rounds"], reply["leases"]
"""

SLOT, EVALUATION, CHECK = 1, 2, 3


def varint(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def slot(number, index, codes, elapsed_ms=5, kind=SLOT):
    return bytes([kind]) + b"".join(map(varint, (number, index, elapsed_ms, len(codes)))) + codes


def evaluation(number, index, examples, correct, loss_micro, elapsed_ms=5):
    return bytes([EVALUATION]) + b"".join(map(varint, (number, index, elapsed_ms, examples, correct, loss_micro)))


def request(worker, cursor, wants=1, wait_ms=100, leaving=False, results=()):
    """`results`: one, or several of different kind or round, so that each is written out."""
    return (b"SYQ2" + b"".join(map(varint, (worker, cursor, wants, wait_ms))) + bytes([leaving]) +
            varint(len(results)) + b"".join(results))


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        self.at += count
        return self.data[self.at - count:self.at]

    def varint(self):
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7


def reply(data):
    """The first lease alone: the others are told by their difference from it."""
    read = Reader(data)
    magic, status = read.take(4), read.take(1)[0]
    if magic != b"SYR2":
        raise ValueError(f"a reply begins with {magic!r}")
    head, refused = read.varint(), read.varint()
    rounds = [read.take(read.varint()) for _ in range(read.varint())]
    leases = [(read.take(1)[0], read.varint(), read.varint())] if read.varint() > 0 else []
    return {"status": status, "head": head, "refused": refused, "rounds": rounds, "leases": leases}
