/* A record: what one author contributes at one place. Everything a run learns is a set of these.
 *
 *     const uint8_t codes[] = {0x0a, 0x91};
 *     const sam_record record = {.round = 41, .place = 3, .author = 2, .weight = 1, .loss = sam_loss_of(0.69),
 *                                .codes = codes, .code_count = 2};
 *     sam_buffer body = {0};
 *     sam_record_put_body(&body, &record);                    // as Redis keeps it until its round is committed
 *     sam_buffer_free(&body);
 *
 * `round` and `place` are its origin: where it belongs, whenever it is committed. The loss is for people; the state
 * never depends on it. Thread safety: values belong to their owner.
 */
#ifndef SAM_RUN_RECORD_H
#define SAM_RUN_RECORD_H

#include "base/bytes.h"

#include <stdbool.h>
#include <stdint.h>

#define SAM_LOSS_NONE UINT32_MAX /* nothing finite was seen */

typedef struct sam_record {
    uint64_t round;       /* origin */
    uint32_t place;       /* slot (sync) */
    uint32_t author;      /* number of the worker */
    uint32_t weight;      /* what it counts beside the others of its round: 1 in sync mode */
    uint32_t loss;        /* mean training loss of its minibatches, 8 fraction bits, in nats */
    uint32_t code_count;  /* steps * probes */
    const uint8_t *codes; /* [steps][probes]; borrowed */
} sam_record;

uint32_t sam_loss_of(double nats);      /* to the nearest unit, saturating; NONE where it is not finite or negative */
double sam_loss_in_nats(uint32_t loss); /* NaN for NONE */

/* Weight, loss and codes; get borrows the codes from the reader's bytes, and leaves origin and author alone. */
void sam_record_put_body(sam_buffer *out, const sam_record *record);
bool sam_record_get_body(sam_reader *in, sam_record *record);

/* A loss in a row of losses: the difference from the one before, NONE as one below 0. `last` begins as 0. */
void sam_put_loss(sam_buffer *out, uint32_t loss, int64_t *last);
uint32_t sam_get_loss(sam_reader *in, int64_t *last);

#endif
