/* Made by tests/golden/privacy_epsilons.py from the dp-accounting package; do not edit. */
#ifndef SAM_RUN_PRIVACY_GOLDEN_H
#define SAM_RUN_PRIVACY_GOLDEN_H

#include "run/privacy.h"

static const struct {
    sam_privacy privacy;
    uint32_t probes;
    uint64_t slots;
    double epsilon;
} GOLDEN_EPSILONS[] = {
    {{1, 2, 1}, 1, 1, 4.72850706722},
    {{100, 2000, 50}, 1, 1, 0.375291222366},
    {{100, 2000, 50}, 1, 50, 0.375291222366},
    {{100, 2000, 50}, 1, 51, 0.545813209818},
    {{100, 2000, 50}, 4, 5000, 10.7255096964},
    {{256, 40960, 4209}, 1, 16000, 0.084604816248},
    {{1000, 1000, 10}, 2, 100, 81.1163084251},
    {{7, 1000000, 1}, 256, 100, 0.00607042087707},
    {{131072, 1048576, 3}, 1, 30, 3.61709977298},
};

#endif
