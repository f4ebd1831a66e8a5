#include "seed/scale.h"

#include "seed/code.h"

#define LARGEST_AMOUNT ((int64_t)1 << 62)

uint64_t sam_integer_sqrt(uint64_t value)
{
    if (value == 0)
        return 0;
    uint64_t root = 0;
    for (uint64_t bit = (uint64_t)1 << (63 - __builtin_clzll(value)) / 2; bit != 0; bit >>= 1) {
        uint64_t larger = root | bit;
        root = larger * larger <= value ? larger : root; /* no branch: nobody could foretell it */
    }
    return root;
}

/* ---- the scale ---- */

uint64_t sam_scale_rms(const sam_scale_rule *rule, const sam_scale *scale)
{
    if (rule->kind == SAM_SCALE_FIXED)
        return rule->rms;
    if (scale->rounds_seen == 0)
        return 0;
    uint64_t root = sam_integer_sqrt(scale->mean_square);
    return root == 0 ? 1 : root;
}

void sam_scale_learn(const sam_scale_rule *rule, sam_scale *scale, sam_u128 squares, uint64_t values)
{
    if (values == 0)
        return;
    uint64_t now = (uint64_t)(((squares << 16) + values / 2) / values), seen = scale->rounds_seen++;
    if (rule->kind == SAM_SCALE_FIXED)
        return;
    bool first = rule->kind == SAM_SCALE_FIRST;
    uint64_t window = first ? rule->window : (uint64_t)1 << rule->shift;
    if (seen < window) {
        scale->mean_square = (uint64_t)(((sam_u128)scale->mean_square * seen + now) / (seen + 1));
    } else if (!first) {
        /* floor((now - mean) / 2^shift), also where now is smaller: an arithmetic shift */
        scale->mean_square += (uint64_t)((int64_t)(now - scale->mean_square) >> rule->shift);
    }
}

/* ---- prices ---- */

/* Nothing is limited before there is a scale. */
static int64_t limit_of(uint32_t clip, uint64_t rms)
{
    sam_u128 limit = (sam_u128)clip * rms >> 16;
    if (rms == 0 || limit > SAM_CODE_LARGEST)
        return SAM_CODE_LARGEST;
    return limit == 0 ? 1 : (int64_t)limit;
}

sam_price sam_price_of(const sam_step_size *size, const sam_scale *before, uint64_t origin)
{
    uint64_t rms = sam_scale_rms(&size->scale, before);
    return (sam_price){size->rate * sam_schedule_share(&size->schedule, origin), rms, limit_of(size->clip, rms)};
}

int64_t sam_price_size(const sam_price *price, uint8_t code)
{
    int64_t value = sam_code_value(code), size = value < 0 ? -value : value;
    return size < price->limit ? size : price->limit;
}

int64_t sam_price_amount(const sam_price *price, uint8_t code)
{
    if (price->rms == 0)
        return 0;
    sam_u128 divisor = (sam_u128)price->rms << 16;
    sam_u128 amount = (((sam_u128)price->rate << 8) * (uint64_t)sam_price_size(price, code) + divisor / 2) / divisor;
    int64_t size = amount > (sam_u128)LARGEST_AMOUNT ? LARGEST_AMOUNT : (int64_t)amount;
    return (code & 0x80) != 0 ? -size : size;
}
