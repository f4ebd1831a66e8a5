#include "run/privacy.h"

#include <math.h>

/* From Renyi to approximate privacy at one order: Canonne, Kamath, Steinke 2020, proposition 12. */
static double epsilon_at(double order, double rho)
{
    return rho * order + log1p(-1 / order) - log(SAM_PRIVACY_DELTA * order) / (order - 1);
}

double sam_privacy_epsilon(const sam_privacy *privacy, uint32_t probes, uint64_t slots)
{
    if (slots == 0 || privacy->clip == 0)
        return 0;
    uint64_t times = (slots - 1) / privacy->period + 1; /* that one example is used */
    double uses = (double)times, ratio = 2.0 * privacy->clip / privacy->sigma;
    double rho = uses * probes * ratio * ratio / 2;
    double least = INFINITY;
    for (int tenths = 11; tenths < 110; tenths++) /* the orders that Opacus looks at, and powers of two */
        least = fmin(least, epsilon_at(tenths / 10.0, rho));
    for (int order = 12; order < 64; order++)
        least = fmin(least, epsilon_at(order, rho));
    for (int log2 = 6; log2 <= 20; log2++)
        least = fmin(least, epsilon_at(ldexp(1, log2), rho));
    return fmax(least, 0);
}

uint32_t sam_privacy_sigma(const sam_privacy *privacy, uint32_t probes, uint64_t slots, double epsilon)
{
    sam_privacy tried = *privacy;
    uint32_t least = 1, enough = SAM_PRIVACY_SIGMA_MAX;
    tried.sigma = enough;
    if (sam_privacy_epsilon(&tried, probes, slots) > epsilon)
        return 0;
    while (least < enough) {
        tried.sigma = least + (enough - least) / 2;
        if (sam_privacy_epsilon(&tried, probes, slots) > epsilon)
            least = tried.sigma + 1;
        else
            enough = tried.sigma;
    }
    return enough;
}
