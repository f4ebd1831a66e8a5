#include "run/record.h"

#include <math.h>

#define LOSS_UNITS 256.0 /* of a nat */

uint32_t sam_loss_of(double nats)
{
    if (!isfinite(nats) || nats < 0)
        return SAM_LOSS_NONE;
    double units = nats * LOSS_UNITS + 0.5;
    return units < (double)(SAM_LOSS_NONE - 1) ? (uint32_t)units : SAM_LOSS_NONE - 1;
}

double sam_loss_in_nats(uint32_t loss)
{
    return loss == SAM_LOSS_NONE ? (double)NAN : loss / LOSS_UNITS;
}

/* NONE is -1, so that it is as near to small losses as they are to one another. */
static int64_t as_number(uint32_t loss)
{
    return loss == SAM_LOSS_NONE ? -1 : (int64_t)loss;
}

void sam_put_loss(sam_buffer *out, uint32_t loss, int64_t *last)
{
    sam_put_zigzag(out, as_number(loss) - *last);
    *last = as_number(loss);
}

uint32_t sam_get_loss(sam_reader *in, int64_t *last)
{
    int64_t difference = sam_get_zigzag(in);
    if (difference > (int64_t)1 << 33 || difference < -((int64_t)1 << 33))
        in->failed = true;
    int64_t loss = in->failed ? 0 : *last + difference;
    if (loss < -1 || loss >= (int64_t)SAM_LOSS_NONE)
        in->failed = true;
    *last = in->failed ? 0 : loss;
    return *last == -1 ? SAM_LOSS_NONE : (uint32_t)*last;
}

void sam_record_put_body(sam_buffer *out, const sam_record *record)
{
    int64_t none_before = 0;
    sam_put_varint(out, record->weight);
    sam_put_loss(out, record->loss, &none_before);
    sam_put_varint(out, record->code_count);
    sam_put_bytes(out, record->codes, record->code_count);
}

bool sam_record_get_body(sam_reader *in, sam_record *record)
{
    int64_t none_before = 0;
    record->weight = sam_get_varint32(in);
    record->loss = sam_get_loss(in, &none_before);
    record->code_count = sam_get_varint32(in);
    record->codes = sam_get_bytes(in, record->code_count);
    return !in->failed;
}
