"""Writes libs/run/privacy_golden.h: epsilons of the accountant of Google's dp-accounting package.

    python tests/golden/privacy_epsilons.py > libs/run/privacy_golden.h     (needs: pip install dp-accounting)

`slots` slots of `probes` probes each, an example in one of `period`: so many Gaussian mechanisms, one after the other,
each with sensitivity 2 clip and deviation sigma, that is with a noise multiplier of sigma / (2 clip).
"""
import dp_accounting
from dp_accounting.rdp import RdpAccountant

DELTA = 1e-5
ORDERS = [1 + tenths / 10 for tenths in range(1, 100)] + list(range(12, 64)) + [2 ** log2 for log2 in range(6, 21)]
CASES = [  # clip, sigma, period, probes, slots
    (1, 2, 1, 1, 1), (100, 2000, 50, 1, 1), (100, 2000, 50, 1, 50), (100, 2000, 50, 1, 51), (100, 2000, 50, 4, 5000),
    (256, 40960, 4209, 1, 16000), (1000, 1000, 10, 2, 100), (7, 1000000, 1, 256, 100), (131072, 1048576, 3, 1, 30),
]


def epsilon(clip, sigma, period, probes, slots):
    accountant = RdpAccountant(ORDERS, dp_accounting.NeighboringRelation.REPLACE_ONE)
    event = dp_accounting.GaussianDpEvent(sigma / (2 * clip))
    accountant.compose(event, -(-slots // period) * probes)
    return accountant.get_epsilon(DELTA)


def main():
    print("/* Made by tests/golden/privacy_epsilons.py from the dp-accounting package; do not edit. */")
    print("#ifndef SAM_RUN_PRIVACY_GOLDEN_H\n#define SAM_RUN_PRIVACY_GOLDEN_H\n\n#include \"run/privacy.h\"\n")
    print("static const struct {\n    sam_privacy privacy;\n    uint32_t probes;\n    uint64_t slots;\n"
          "    double epsilon;\n} GOLDEN_EPSILONS[] = {")
    for clip, sigma, period, probes, slots in CASES:
        print(f"    {{{{{clip}, {sigma}, {period}}}, {probes}, {slots}, "
              f"{epsilon(clip, sigma, period, probes, slots):.12g}}},")
    print("};\n\n#endif")


if __name__ == "__main__":
    main()
