#include "seed/code.h"

#include <math.h>
#include <string.h>

static unsigned nearest_even(double value)
{
    unsigned below = (unsigned)value;
    double rest = value - (double)below;
    return below + (rest > 0.5 || (rest == 0.5 && (below & 1) != 0) ? 1u : 0u);
}

uint8_t sam_code_encode(double value)
{
    if (!isfinite(value))
        return SAM_CODE_NONE;
    double size = value < 0 ? -value : value;
    if (size >= SAM_CODE_LARGEST)
        return value < 0 ? 0xff : 0x7f;
    unsigned exponent = 0;
    while (size >= 16) {
        size /= 2; /* exact: a power of two */
        exponent++;
    }
    unsigned units = nearest_even(size); /* 0..16 */
    /* From 8 up the leading bit of `units` is implied, and adding it carries into the exponent field by itself:
     * units = 8 + m at shift x is the field (x + 1, m), which is 8 x + units. */
    unsigned code = 8 * exponent + units;
    return (uint8_t)(code == 0 ? 0 : value < 0 ? 0x80u | code : code);
}

int64_t sam_code_value(uint8_t code)
{
    unsigned exponent = code >> 3 & 15, mantissa = code & 7;
    int64_t size = exponent == 0 ? mantissa : (int64_t)(8 + mantissa) << (exponent - 1);
    return code & 0x80 ? -size : size;
}

bool sam_code_has_value(uint8_t code)
{
    return code != SAM_CODE_NONE;
}

static int place_of(uint8_t code)
{
    return code & 0x80 ? -(code & 0x7f) : code & 0x7f;
}

unsigned sam_code_steps(uint8_t a, uint8_t b)
{
    if (sam_code_has_value(a) != sam_code_has_value(b))
        return 255;
    int steps = place_of(a) - place_of(b);
    return (unsigned)(steps < 0 ? -steps : steps);
}
