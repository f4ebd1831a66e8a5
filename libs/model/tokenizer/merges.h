/* The merges of a byte-pair encoding, and the merging of one piece of text.
 *
 *     const uint32_t h = 75, e = 72, y = 92, he = 258;     // tokens
 *     sam_merges merges = {0};
 *     sam_merges_reserve(&merges, 48900, err);
 *     sam_merges_add(&merges, (sam_merge){.left = h, .right = e, .rank = 0, .result = he});
 *
 *     sam_symbols symbols = {0};
 *     sam_symbols_begin(&symbols, 3, err);                 // room for three
 *     sam_symbols_add(&symbols, h, 0);                     // token, place in the text
 *     sam_symbols_add(&symbols, e, 1);
 *     sam_symbols_add(&symbols, y, 2);
 *     sam_merges_apply(&merges, &symbols);
 *     for (uint32_t i = 0; i != SAM_NO_SYMBOL; i = symbols.items[i].next)
 *         printf("%u\n", symbols.items[i].token);          // 258, 92
 *     sam_symbols_free(&symbols);
 *
 * The pair of lowest rank merges first, the leftmost among equals, until no neighbours make a pair. A heap of
 * (rank, place) and a linked list of symbols make that O(n log n): a word of a megabyte is no special case.
 *
 *     symbols   [h]<->[e]<->[l]<->[l]<->[o]      heap   (0, h) (3, l)
 *     after     [he]<------>[l]<->[l]<->[o]             (3, l) (7, he)
 *
 * Thread safety: merges are immutable once filled; symbols belong to one thread.
 */
#ifndef SAM_MODEL_MERGES_H
#define SAM_MODEL_MERGES_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SAM_NO_SYMBOL UINT32_MAX

typedef struct sam_merge {
    uint32_t left, right, rank, result;
} sam_merge;

typedef struct sam_merges {
    sam_merge *list; /* in the order they were added */
    size_t count, capacity;
    uint32_t *slots; /* open addressing by (left, right): place in the list + 1, or 0 */
    size_t slot_count;
} sam_merges;

sam_status sam_merges_reserve(sam_merges *merges, size_t count, sam_error *err); /* once, first */
void sam_merges_free(sam_merges *merges);
void sam_merges_add(sam_merges *merges, sam_merge merge); /* within the reserve; a pair that is there stays as it is */
const sam_merge *sam_merges_find(const sam_merges *merges, uint32_t left, uint32_t right); /* or NULL */

typedef struct sam_symbol {
    uint32_t token, start; /* `start`: byte in the piece; a token of SAM_NO_TOKEN never merges */
    uint32_t previous, next;
} sam_symbol;

typedef struct sam_symbols {
    sam_symbol *items;
    uint64_t *heap; /* rank << 32 | place of the left symbol: the least is on top */
    size_t count, capacity, heap_count;
} sam_symbols;

/* Empties it and makes room. TOO_LARGE beyond 2^30 symbols. */
sam_status sam_symbols_begin(sam_symbols *symbols, size_t count, sam_error *err);
void sam_symbols_add(sam_symbols *symbols, uint32_t token, size_t start);
void sam_symbols_free(sam_symbols *symbols);

void sam_merges_apply(const sam_merges *merges, sam_symbols *symbols);

#endif
