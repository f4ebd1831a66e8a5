"""The exact zone a second time: docs/formats/exact-zone.md in Python integers, written from that page alone.

It exists to disagree with libs/seed when one of the two is wrong, so it prefers the plainest reading of the page over
speed: rounding is done on fractions, the nearest code is found by trying all, a direction is formed sign by sign.
Nothing but the standard library; no float takes part in a result (a scalar to encode enters as a float and becomes a
fraction at once).

    run = Run(manifest)                                    # the parsed JSON of docs/formats/manifest.md
    for number, records in enumerate(rounds):              # records: (round, place, codes), or with the author, Record
        moves = run.put(number, records)
    print(run.digest(), [hex(b) for b in run.weights(base_bits)])

Section numbers in the comments are those of the page.
"""

import hashlib
import struct
from fractions import Fraction
from itertools import zip_longest
from math import isqrt
from typing import NamedTuple, Sequence

MASK32 = (1 << 32) - 1
MASK64 = (1 << 64) - 1

SIGNS, WALK, PROBE_SEEDS, SHUFFLE = 1, 2, 3, 4

NO_VALUE = 0x80

QUANTILES_UPPER = [
    0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 5, 6, 6, 6,
    6, 7, 7, 7, 8, 8, 8, 9, 9, 9, 10, 10, 10, 11, 11, 11, 12, 12, 12, 13,
    13, 13, 14, 14, 14, 15, 15, 15, 16, 16, 17, 17, 17, 18, 18, 18, 19, 19, 19, 20,
    20, 21, 21, 21, 22, 22, 23, 23, 23, 24, 24, 25, 25, 25, 26, 26, 27, 27, 28, 28,
    29, 29, 30, 30, 31, 31, 32, 32, 33, 33, 34, 34, 35, 35, 36, 37, 37, 38, 38, 39,
    40, 40, 41, 42, 43, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 56, 57, 59,
    61, 63, 65, 67, 71, 75, 81, 92]
QUANTILES = [-QUANTILES_UPPER[127 - v] for v in range(128)] + QUANTILES_UPPER

COSINE = [
    65536, 65497, 65378, 65181, 64906, 64554, 64125, 63621, 63042, 62390,
    61667, 60874, 60014, 59088, 58098, 57047, 55938, 54774, 53556, 52288,
    50973, 49614, 48215, 46778, 45308, 43807, 42280, 40730, 39161, 37576,
    35980, 34376, 32768, 31160, 29556, 27960, 26375, 24806, 23256, 21729,
    20228, 18758, 17321, 15922, 14563, 13248, 11980, 10762, 9598, 8489,
    7438, 6448, 5522, 4662, 3869, 3146, 2494, 1915, 1411, 982,
    630, 355, 158, 39, 0]


# --- 1. random words ------------------------------------------------------------------------------------------------


def philox(key, x0, x1, x2, x3):
    k0, k1 = key & MASK32, key >> 32
    for _ in range(10):
        p0, p1 = 0xD2511F53 * x0, 0xCD9E8D57 * x2
        x0, x1, x2, x3 = (p1 >> 32) ^ x1 ^ k0, p1 & MASK32, (p0 >> 32) ^ x3 ^ k1, p0 & MASK32
        k0, k1 = (k0 + 0x9E3779B9) & MASK32, (k1 + 0xBB67AE85) & MASK32
    return x0, x1, x2, x3


def stream(key, index, name, epoch):
    """Word group `index` (64 bits) of a named stream."""
    return philox(key, index & MASK32, index >> 32, name, epoch)


def sign_of(key, name, epoch, i):
    """+1 or -1: bit i mod 128 of block i // 128; a set bit is a minus."""
    word = stream(key, i // 128, name, epoch)[i % 128 // 32]
    return -1 if word >> (i % 32) & 1 else 1


def walk(seed, modulus, epoch=0):
    w0, w1, w2, w3 = stream(seed, 0, WALK, epoch)
    return ((w0 | w1 << 32) | 1) % modulus, (w2 | w3 << 32) % modulus


def probe_seed(seed, n, epoch=0):
    w0, w1, _, _ = stream(seed, n, PROBE_SEEDS, epoch)
    return w0 | w1 << 32


# --- 2. numbering ---------------------------------------------------------------------------------------------------


class Numbering:
    """Where a record belongs says which directions and which minibatch it is about."""

    def __init__(self, manifest):
        if manifest.get("mode", "sync") != "sync":
            raise ValueError("only the mode sync is written down")
        self.slots, self.probes = manifest["slots"], manifest["probes"]
        self.epoch_rounds = int(manifest["directions"].get("epoch_rounds", 0))

    def epoch(self, r):
        return r // self.epoch_rounds if self.epoch_rounds else 0

    def minibatch(self, r, place):
        return r * self.slots + place

    def direction(self, r, place, probe):
        """The number within the epoch of r."""
        return self.minibatch(r, place) * self.probes + probe


# --- 3. the code ----------------------------------------------------------------------------------------------------


def size_of(code):
    exponent, mantissa = code >> 3 & 15, code & 7
    return mantissa if exponent == 0 else (8 + mantissa) << (exponent - 1)


def decode(code):
    """w(code), or None for "no value"."""
    if code == NO_VALUE:
        return None
    return -size_of(code) if code & 0x80 else size_of(code)


def encode(x):
    """The code of scalar / quantum, a float."""
    if x != x or x in (float("inf"), float("-inf")):
        return NO_VALUE
    wanted = abs(Fraction(x))
    nearest = min(range(128), key=lambda code: (abs(size_of(code) - wanted), code & 1))
    return nearest | 0x80 if x < 0 and nearest else nearest


# --- 4. what a record moves -----------------------------------------------------------------------------------------


class Scale(NamedTuple):
    """What a run carries from round to round."""

    mean_square: int = 0
    rounds_seen: int = 0


def rms_of(rule, scale):
    """With 8 fraction bits, or None as long as there is none. `rule`: the manifest's scale."""
    if rule["kind"] == "fixed":
        return rule["rms"]
    return max(1, isqrt(scale.mean_square)) if scale.rounds_seen else None


def sizes_of(codes, clip, rms):
    """Of each code, None where it has no value."""
    sizes = [None if code == NO_VALUE else size_of(code) for code in codes]
    if rms is None:
        return sizes
    limit = max(1, clip * rms // 65536)
    return [None if size is None else min(size, limit) for size in sizes]


def amount_of(code, size, rate, s, rms):
    """Before its record is weighted."""
    if size is None or rms is None:
        return 0
    divisor = 65536 * rms
    amount = min((rate * s * size * 256 + divisor // 2) // divisor, 1 << 62)
    return -amount if code & 0x80 else amount


def schedule(kind, r, warmup, horizon, floor):
    """The share s of origin r, 0..65536."""
    if r < warmup:
        return max(floor, 65536 * (r + 1) // (warmup + 1))
    t, length = r - warmup, max(1, horizon - warmup)
    if kind == "constant":
        s = 65536
    elif kind == "linear":
        s = 65536 * (length - t) // length if t < length else 0
    elif kind == "inverse":
        s = 65536 * length // (length + t)
    else:
        x = min(t, length) * 65536 // length
        i, f = divmod(x, 1024)
        s = COSINE[64] if x == 65536 else COSINE[i] + (COSINE[i + 1] - COSINE[i]) * f // 1024
    return max(floor, s)


def values_of(sizes):
    return [size for size in sizes if size is not None]


def guard_weights(guard, sizes):
    """Of the records of one round, from their codes' sizes, sizes[record][code]. `guard`: the manifest's."""
    if guard["kind"] == "trimmed":
        return trimmed_weights(guard, sizes)
    if guard["kind"] == "median":
        return median_weights(guard, sizes)
    return [65536] * len(sizes)


def trimmed_weights(guard, sizes):
    sums = [sum(values_of(record)) for record in sizes]
    largest_first = sorted(range(len(sizes)), key=lambda i: (sums[i], i), reverse=True)
    trimmed = largest_first[:len(sizes) * guard["trim"] // 256]
    return [0 if i in trimmed else 65536 for i in range(len(sizes))]


def median_weights(guard, sizes):
    means = [sum(values_of(record)) // len(values_of(record)) if values_of(record) else None for record in sizes]
    ascending = sorted(mean for mean in means if mean is not None)
    if not ascending:
        return [65536] * len(sizes)
    limit = max(1, ascending[(len(ascending) - 1) // 2] * guard["cap"] // 256)
    return [65536 if mean is None or mean <= limit else 65536 * limit // mean for mean in means]


def weighted(x, weight):
    size = (abs(x) * weight + 32768) // 65536
    return -size if x < 0 else size


def learn(rule, scale, sizes, weights):
    """The scale after a round. `rule`: the manifest's scale; sizes[record][code], not yet weighted."""
    values = [weighted(size, weight) for record, weight in zip(sizes, weights) if weight > 0
              for size in values_of(record)]
    if not values:
        return scale
    count, (mean_square, seen) = len(values), scale
    now = (65536 * sum(value * value for value in values) + count // 2) // count
    young = {"fixed": 0, "running": 1 << rule.get("shift", 0), "first": rule.get("window", 0)}[rule["kind"]]
    if seen < young:
        mean_square = (mean_square * seen + now) // (seen + 1)
    elif rule["kind"] == "running":
        mean_square += (now - mean_square) // (1 << rule["shift"])
    return Scale(mean_square, seen + 1)


# --- 2 and 5. directions, state, weights ----------------------------------------------------------------------------


def signed(value, bits):
    """A Python integer wrapped to two's complement."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def fraction_of_float32(bits):
    exponent, mantissa = bits >> 23 & 255, bits & 0x7FFFFF
    if exponent == 255:
        raise ValueError("only finite weights are weights")
    size = Fraction(mantissa | (0x800000 if exponent else 0)) * Fraction(2) ** (max(exponent, 1) - 150)
    return -size if bits >> 31 else size


def float32_of_fraction(value, negative_zero=False):
    """Bits of the float32 nearest to an exact value, ties to even."""
    if value == 0:
        return 0x80000000 if negative_zero else 0
    size = abs(value)
    exponent = size.numerator.bit_length() - size.denominator.bit_length()
    if Fraction(2) ** exponent > size:
        exponent -= 1
    exponent = max(exponent, -126)
    steps = round(size / Fraction(2) ** (exponent - 23))  # a Fraction rounds half to even
    bits = min(((exponent + 126) << 23) + steps, 0x7F800000)
    return bits | (0x80000000 if value < 0 else 0)


def product32(bits, factor, negate=False):
    """A finite float32 times a positive power of two, negated or not, as bits."""
    result = float32_of_fraction(fraction_of_float32(bits) * factor, negative_zero=bool(bits >> 31))
    return result ^ 0x80000000 if negate else result


def sum32(a, b):
    """IEEE 754 sum of two finite float32: an exact zero is +0 unless both terms are -0."""
    return float32_of_fraction(fraction_of_float32(a) + fraction_of_float32(b), negative_zero=bool(a & b & 0x80000000))


def walsh(k, j):
    return -1 if bin(k & j).count("1") & 1 else 1


def walsh_transform(values):
    """sum over k of values[k] * walsh(k, j), for each j; the length is a power of two."""
    values, half = list(values), 1
    while half < len(values):
        for start in range(0, len(values), 2 * half):
            for i in range(start, start + half):
                values[i], values[i + half] = values[i] + values[i + half], values[i] - values[i + half]
        half *= 2
    return values


class Move(NamedTuple):
    """A direction by its number within an epoch, and how far to go along it."""

    epoch: int
    number: int
    amount: int


class State:
    """What the families share: `integers` in the order of the digest, each of `bits`."""

    def __init__(self, seed, eta, bits, count):
        self.seed, self.eta, self.bits, self.integers = seed, eta, bits, [0] * count

    def reach(self, epoch):
        """The state has the epochs up to this one from now on."""

    def move_all(self, moves):
        for move in moves:
            self.move(*move)

    def digest(self):
        return digest_of(self.integers, self.bits)


def digest_of(integers, bits=64):
    content = struct.pack("<%d%s" % (len(integers), "q" if bits == 64 else "i"), *integers)
    return hashlib.blake2b(content, digest_size=32).hexdigest()


def mean_of(states):
    """Of the integers of several states; halves go up. An epoch that a state has not reached counts as 0."""
    n = len(states)
    return [(2 * sum(values) + n) // (2 * n) for values in zip_longest(*states, fillvalue=0)]


class Sketch(State):
    def __init__(self, seed, log2_k, eta_log2):
        super().__init__(seed, Fraction(2) ** eta_log2, 64, 1 << log2_k)
        self.k = 1 << log2_k  # F[j] of epoch e is integers[e * k + j]

    def reach(self, epoch):
        self.integers += [0] * ((epoch + 1) * self.k - len(self.integers))

    def direction(self, epoch, n):
        a, c = walk(self.seed, self.k, epoch)
        return (a * n + c) % self.k

    def row(self, epoch, n, first, count):
        """z[first .. first + count) of direction number n."""
        k = self.direction(epoch, n)
        return [self.sign(epoch, i) * walsh(k, i % self.k) for i in range(first, first + count)]

    def sign(self, epoch, i):
        return sign_of(self.seed, SIGNS, epoch, i)

    def move(self, epoch, n, amount):
        k = self.direction(epoch, n)
        self._subtract(epoch, [amount * walsh(k, j) for j in range(self.k)])

    def move_all(self, moves):
        """The same, through one Walsh transform for each epoch."""
        for epoch in {move.epoch for move in moves if move.amount}:
            sums = [0] * self.k
            for move in moves:
                if move.epoch == epoch:
                    sums[self.direction(epoch, move.number)] += move.amount
            self._subtract(epoch, walsh_transform(sums))

    def _subtract(self, epoch, moved):
        self.reach(epoch)
        for j in range(self.k):
            self.integers[epoch * self.k + j] = signed(self.integers[epoch * self.k + j] - moved[j], 64)

    def weights(self, base_bits, first=0):
        return [sum32(base, self._offset(i)) for i, base in enumerate(base_bits, first)]

    def _offset(self, i):
        offset = self._term(0, i)
        for epoch in range(1, len(self.integers) // self.k):
            offset = sum32(offset, self._term(epoch, i))
        return offset

    def _term(self, epoch, i):
        moved = float32_of_fraction(Fraction(self.integers[epoch * self.k + i % self.k]))
        return product32(moved, self.eta, negate=self.sign(epoch, i) < 0)


class Dense(State):
    def __init__(self, seed, parameters, eta_log2, kind="rademacher", pool=0):
        super().__init__(seed, Fraction(2) ** (eta_log2 - (5 if kind == "gaussian" else 0)), 32, parameters)
        self.parameters, self.kind, self.pool = parameters, kind, pool  # G is integers, for all epochs together

    def direction(self, epoch, n):
        """Its seed."""
        if self.pool:
            a, c = walk(self.seed, self.pool, epoch)
            n = (a * n + c) % self.pool
        return probe_seed(self.seed, n, epoch)

    def row(self, epoch, n, first, count):
        """z[first .. first + count) of direction number n, as integers: +-1, or Q[byte]."""
        key, per_block = self.direction(epoch, n), 128 if self.kind == "rademacher" else 16
        blocks = range(first // per_block, (first + count - 1) // per_block + 1)
        z = [value for b in blocks for value in self._block(key, b)]
        return z[first % per_block:first % per_block + count]

    def _block(self, key, b):
        words = philox(key, b & MASK32, b >> 32, 0, 0)
        if self.kind == "rademacher":
            return [-1 if words[j // 32] >> (j % 32) & 1 else 1 for j in range(128)]
        return [QUANTILES[byte] for byte in struct.pack("<4I", *words)]

    def move(self, epoch, n, amount):
        z = self.row(epoch, n, 0, self.parameters)
        self.integers = [signed(g - amount * z[i], 32) for i, g in enumerate(self.integers)]

    def weights(self, base_bits, first=0):
        result = []
        for i, base in enumerate(base_bits, first):
            result.append(sum32(base, product32(float32_of_fraction(Fraction(self.integers[i])), self.eta)))
        return result


def new_state(manifest, parameters=0):
    """Before round 0. `parameters`: how many are trained; a sketch need not know."""
    directions, seed, eta_log2 = manifest["directions"], int(manifest["seed"]), manifest["eta_log2"]
    if directions["family"] == "sketch":
        return Sketch(seed, directions["log2_k"], eta_log2)
    pool = 1 << directions["log2_pool"] if directions["log2_pool"] else 0
    return Dense(seed, parameters, eta_log2, directions["family"], pool)


# --- a whole run ----------------------------------------------------------------------------------------------------


class Record(NamedTuple):
    """What one author contributed at a place. The author matters where the manifest takes records out."""

    round: int
    place: int
    codes: Sequence[int]
    author: int = 0


class Run:
    """Rounds of records become moves, and a state. `manifest`: its parsed JSON; sections 2, 4, 5 read a part."""

    def __init__(self, manifest, parameters=0):
        self.manifest = manifest
        self.numbering = Numbering(manifest)
        self.state = new_state(manifest, parameters)
        self.scales = [(0, Scale())]  # (round, the scale before it); it stays until the next entry's round

    def put(self, r, records):
        """Round r of the log; returns a Move for each code. Rounds ascend; one left out is one without records."""
        if r < self.scales[-1][0]:
            raise ValueError("round %d comes after round %d" % (r, self.scales[-1][0] - 1))
        records = self._ordered(records)
        weights = self.record_weights(records)
        moves = [move for record, weight in zip(records, weights) for move in self._moves(r, record, weight)]
        sizes = [self.sizes(record) for record in records]
        self.scales.append((r + 1, learn(self.manifest["scale"], self.scale_before(r), sizes, weights)))
        self.state.reach(self.numbering.epoch(r))
        self.state.move_all(moves)
        return moves

    def digest(self):
        return self.state.digest()

    def weights(self, base_bits, first=0):
        return self.state.weights(base_bits, first)

    def scale_before(self, r):
        return next(scale for first, scale in reversed(self.scales) if first <= r)

    def rms(self, origin):
        """By which a record of this origin is priced."""
        state_round = max(0, origin - self.manifest.get("lag", 0))
        return rms_of(self.manifest["scale"], self.scale_before(state_round))

    def sizes(self, record):
        return sizes_of(record.codes, self.manifest["guard"]["clip"], self.rms(record.round))

    def amounts(self, record):
        """What its author knew that each code moves, before the round weighs it."""
        rate, s, rms = int(self.manifest["rate"]), self.share(record.round), self.rms(record.round)
        return [amount_of(code, size, rate, s, rms) for code, size in zip(record.codes, self.sizes(record))]

    def share(self, origin):
        rule = self.manifest["schedule"]
        return schedule(rule["kind"], origin, int(rule["warmup"]), int(rule["horizon"]), rule["floor"])

    def record_weights(self, records):
        """The guard's, of the records of one round in the order of their origin."""
        return guard_weights(self.manifest["guard"], [self.sizes(record) for record in self._ordered(records)])

    def taken_out(self, r, record):
        entries = self.manifest.get("parent", {}).get("without", [])
        return any(int(entry["from"]) <= r < int(entry["to"]) and entry.get("worker", record.author) == record.author
                   for entry in entries)

    def _ordered(self, records):
        return sorted((Record(*record) for record in records), key=lambda record: (record.round, record.place))

    def _moves(self, r, record, weight):
        epoch, weight = self.numbering.epoch(record.round), 0 if self.taken_out(r, record) else weight
        return [Move(epoch, self.numbering.direction(record.round, record.place, p), weighted(amount, weight))
                for p, amount in enumerate(self.amounts(record))]


# --- 6. minibatches -------------------------------------------------------------------------------------------------


def shuffle(seed, n, e, c=0):
    items, t = list(range(n)), ((e % (1 << 20)) + (c << 20)) & MASK32
    for i in range(n - 1, 0, -1):
        j = stream(seed, i, SHUFFLE, t)[0] * (i + 1) >> 32
        items[i], items[j] = items[j], items[i]
    return items


class Sampler:
    """Which examples a minibatch takes. `labels` (one integer an example) asks for balance."""

    def __init__(self, seed, examples, batch, labels=None):
        self.seed, self.batch = seed, batch
        self.classes = [list(range(examples))]
        if labels is not None:
            self.classes = [[i for i in range(examples) if labels[i] == label] for label in sorted(set(labels))]

    def minibatch(self, v):
        taken, count = [], len(self.classes)
        for b in range(self.batch):
            c = b % count
            members = self.classes[c]
            per_minibatch = len(range(c, self.batch, count))
            q = v * per_minibatch + b // count
            taken.append(members[shuffle(self.seed, len(members), q // len(members), c)[q % len(members)]])
        return taken
