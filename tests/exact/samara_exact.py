"""The exact zone a second time: docs/formats/exact-zone.md in Python integers, written from that page alone.

It exists to disagree with libs/seed when one of the two is wrong, so it prefers the plainest reading of the page over
speed: rounding is done on fractions, the nearest code is found by trying all, a direction is formed sign by sign.
Nothing but the standard library; no float takes part in a result (a scalar to encode enters as a float and becomes a
fraction at once).

    state = Sketch(seed=7, log2_k=8, eta_log2=-20)
    rule = Update(rate=1 << 10, clip=1024)
    for r, codes in enumerate(rounds):                      # codes[slot][probe]
        state.apply_round(r, codes, rule)
    print(state.digest(), [hex(b) for b in state.weights(base_bits)])

Section numbers in the comments are those of the page.
"""

import hashlib
import struct
from fractions import Fraction
from math import isqrt

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


# --- 4. what a round moves ------------------------------------------------------------------------------------------


class Update:
    """The manifest's choices, and the two integers a run carries from round to round."""

    def __init__(self, rate, schedule="constant", warmup=0, horizon=0, floor=0, normaliser="running", shift=4, window=8,
                 guard="clip", clip=1024, trim=0, cap=512):
        self.rate, self.schedule_kind, self.warmup, self.horizon, self.floor = rate, schedule, warmup, horizon, floor
        self.normaliser, self.shift, self.window = normaliser, shift, window
        self.guard, self.clip, self.trim, self.cap = guard, clip, trim, cap
        self.mean_square, self.rounds_seen = 0, 0

    def amounts(self, r, codes):
        """amounts[slot][probe] of round r, None where there is no value; the carried integers move on."""
        values = [[decode(code) for code in slot] for slot in codes]
        sizes = [[None if w is None else abs(w) for w in slot] for slot in values]
        sizes = self._guarded(self._limited(sizes))
        self._normalise([size for slot in sizes for size in slot if size is not None])
        s = schedule(self.schedule_kind, r, self.warmup, self.horizon, self.floor)
        divisor = 1 << 24 if self.normaliser == "none" else (max(1, isqrt(self.mean_square)) << 16)
        result = []
        for slot_values, slot_sizes in zip(values, sizes):
            result.append([self._amount(w, size, s, divisor) for w, size in zip(slot_values, slot_sizes)])
        return result

    def _amount(self, w, size, s, divisor):
        if size is None:
            return None
        amount = min((self.rate * s * size * 256 + divisor // 2) // divisor, 1 << 62)
        return -amount if w < 0 else amount

    def _limited(self, sizes):
        if self.mean_square == 0:
            return sizes
        limit = max(1, self.clip * max(1, isqrt(self.mean_square)) // 65536)
        return cut(sizes, limit)

    def _guarded(self, sizes):
        if self.guard == "trimmed":
            return self._trimmed(sizes)
        if self.guard == "median":
            return self._under_median(sizes)
        return sizes

    def _trimmed(self, sizes):
        sums = [sum(size for size in slot if size is not None) for slot in sizes]
        order = sorted(range(len(sizes)), key=lambda slot: (sums[slot], slot), reverse=True)
        dropped = set(order[:len(sizes) * self.trim // 256])
        return [[None] * len(slot) if s in dropped else slot for s, slot in enumerate(sizes)]

    def _under_median(self, sizes):
        present = [[size for size in slot if size is not None] for slot in sizes]
        means = sorted(sum(slot) // len(slot) for slot in present if slot)
        if not means:
            return sizes
        median = means[(len(means) - 1) // 2]
        return cut(sizes, max(1, median * self.cap // 256))

    def _normalise(self, sizes):
        if not sizes:
            return
        count = len(sizes)
        now = (65536 * sum(size * size for size in sizes) + count // 2) // count
        young = 1 << self.shift if self.normaliser == "running" else self.window
        if self.normaliser != "none":
            if self.rounds_seen < young:
                self.mean_square = (self.mean_square * self.rounds_seen + now) // (self.rounds_seen + 1)
            elif self.normaliser == "running":
                self.mean_square += (now - self.mean_square) // (1 << self.shift)
        self.rounds_seen += 1


def cut(sizes, limit):
    return [[None if size is None else min(size, limit) for size in slot] for slot in sizes]


def schedule(kind, r, warmup, horizon, floor):
    """The multiplier s of round r, 0..65536."""
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


# --- 2 and 5. probes, state, weights --------------------------------------------------------------------------------


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


class State:
    """What the families share: rounds of codes become moves of probes."""

    def apply_round(self, r, codes, update):
        slots, amounts = len(codes), update.amounts(r, codes)
        for s, slot in enumerate(amounts):
            for p, amount in enumerate(slot):
                if amount is not None:
                    self.move((r * slots + s) * len(slot) + p, amount)
        return amounts


class Sketch(State):
    def __init__(self, seed, log2_k, eta_log2, epoch=0):
        self.seed, self.k, self.eta, self.epoch = seed, 1 << log2_k, Fraction(2) ** eta_log2, epoch
        self.f = [0] * self.k

    def direction(self, n):
        a, c = walk(self.seed, self.k, self.epoch)
        return (a * n + c) % self.k

    def row(self, n, first, count):
        """z[first .. first + count) of probe n."""
        k = self.direction(n)
        return [self.sign(i) * walsh(k, i % self.k) for i in range(first, first + count)]

    def sign(self, i):
        return sign_of(self.seed, SIGNS, self.epoch, i)

    def move(self, n, amount):
        k = self.direction(n)
        self.f = [signed(f - amount * walsh(k, j), 64) for j, f in enumerate(self.f)]

    def move_all(self, moves):
        """Many (n, amount) in any order, through one Walsh transform."""
        sums = [0] * self.k
        for n, amount in moves:
            sums[self.direction(n)] += amount
        self.f = [signed(f - moved, 64) for f, moved in zip(self.f, walsh_transform(sums))]

    def weights(self, base_bits, first=0):
        result = []
        for i, base in enumerate(base_bits, first):
            moved = float32_of_fraction(Fraction(self.f[i % self.k]))
            result.append(sum32(base, product32(moved, self.eta, negate=self.sign(i) < 0)))
        return result

    def digest(self):
        return hashlib.blake2b(struct.pack("<%dq" % self.k, *self.f), digest_size=32).hexdigest()


class Dense(State):
    def __init__(self, seed, parameters, eta_log2, kind="rademacher", pool=0, epoch=0):
        self.seed, self.parameters, self.kind, self.pool, self.epoch = seed, parameters, kind, pool, epoch
        self.eta = Fraction(2) ** (eta_log2 - (5 if kind == "gaussian" else 0))
        self.g = [0] * parameters

    def direction(self, n):
        """The probe's seed."""
        if self.pool:
            a, c = walk(self.seed, self.pool, self.epoch)
            n = (a * n + c) % self.pool
        return probe_seed(self.seed, n, self.epoch)

    def row(self, n, first, count):
        """z[first .. first + count) of probe n, as integers: +-1, or Q[byte]."""
        key, per_block = self.direction(n), 128 if self.kind == "rademacher" else 16
        blocks = range(first // per_block, (first + count - 1) // per_block + 1)
        z = [value for b in blocks for value in self._block(key, b)]
        return z[first % per_block:first % per_block + count]

    def _block(self, key, b):
        words = philox(key, b & MASK32, b >> 32, 0, 0)
        if self.kind == "rademacher":
            return [-1 if words[j // 32] >> (j % 32) & 1 else 1 for j in range(128)]
        return [QUANTILES[byte] for byte in struct.pack("<4I", *words)]

    def move(self, n, amount):
        self.g = [signed(g - amount * z, 32) for g, z in zip(self.g, self.row(n, 0, self.parameters))]

    def move_all(self, moves):
        for n, amount in moves:
            self.move(n, amount)

    def weights(self, base_bits, first=0):
        result = []
        for i, base in enumerate(base_bits, first):
            result.append(sum32(base, product32(float32_of_fraction(Fraction(self.g[i])), self.eta)))
        return result

    def digest(self):
        return hashlib.blake2b(struct.pack("<%di" % len(self.g), *self.g), digest_size=32).hexdigest()


# --- 6. minibatches -------------------------------------------------------------------------------------------------


def shuffle(seed, n, e, c=0):
    items, t = list(range(n)), ((e % (1 << 20)) + (c << 20)) & MASK32
    for i in range(n - 1, 0, -1):
        j = stream(seed, i, SHUFFLE, t)[0] * (i + 1) >> 32
        items[i], items[j] = items[j], items[i]
    return items


class Sampler:
    """Which examples a slot takes. `labels` (one integer an example) asks for balance."""

    def __init__(self, seed, examples, batch, slots, labels=None):
        self.seed, self.batch, self.slots = seed, batch, slots
        self.classes = [list(range(examples))]
        if labels is not None:
            self.classes = [[i for i in range(examples) if labels[i] == label] for label in sorted(set(labels))]

    def slot(self, r, s):
        taken, count = [], len(self.classes)
        for b in range(self.batch):
            c = b % count
            members = self.classes[c]
            per_slot = len(range(c, self.batch, count))
            q = (r * self.slots + s) * per_slot + b // count
            taken.append(members[shuffle(self.seed, len(members), q // len(members), c)[q % len(members)]])
        return taken
