#include "model/tokenizer/merges.h"

#include "base/memory.h"
#include "model/tokenizer/vocabulary.h"

#define MOST_SYMBOLS ((size_t)1 << 30)

/* Each symbol but the last starts one pair, and each merge, of which there is one less than symbols, makes two. */
#define HEAP_PER_SYMBOL 3

static const uint32_t DEAD = UINT32_MAX; /* `start` of a symbol that was merged into its left neighbour */

sam_status sam_merges_reserve(sam_merges *merges, size_t count, sam_error *err)
{
    if (count > UINT32_MAX / 4)
        return sam_fail(err, SAM_TOO_LARGE, "%zu merges are more than a tokenizer can hold", count);
    size_t slots = 16;
    while (slots < 2 * count)
        slots *= 2;
    merges->list = sam_alloc(count, sizeof *merges->list);
    merges->slots = sam_alloc(slots, sizeof *merges->slots);
    if (merges->list == NULL || merges->slots == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "no memory for %zu merges", count);
    merges->capacity = count;
    merges->slot_count = slots;
    return SAM_OK;
}

void sam_merges_free(sam_merges *merges)
{
    sam_free(merges->list);
    sam_free(merges->slots);
    *merges = (sam_merges){0};
}

/* The slot of the pair, or the free one where it belongs. */
static uint32_t *slot_of(const sam_merges *merges, uint32_t left, uint32_t right)
{
    uint64_t key = (uint64_t)left << 32 | right;
    key = (key ^ key >> 30) * 0xbf58476d1ce4e5b9u;
    key = (key ^ key >> 27) * 0x94d049bb133111ebu;
    size_t mask = merges->slot_count - 1;
    for (size_t i = (size_t)(key >> 24) & mask;; i = (i + 1) & mask) {
        uint32_t *slot = &merges->slots[i];
        if (*slot == 0 || (merges->list[*slot - 1].left == left && merges->list[*slot - 1].right == right))
            return slot;
    }
}

void sam_merges_add(sam_merges *merges, sam_merge merge)
{
    uint32_t *slot = slot_of(merges, merge.left, merge.right);
    if (*slot != 0 || merges->count == merges->capacity)
        return;
    merges->list[merges->count] = merge;
    *slot = (uint32_t)++merges->count;
}

const sam_merge *sam_merges_find(const sam_merges *merges, uint32_t left, uint32_t right)
{
    if (merges->slot_count == 0)
        return NULL;
    uint32_t slot = *slot_of(merges, left, right);
    return slot == 0 ? NULL : &merges->list[slot - 1];
}

sam_status sam_symbols_begin(sam_symbols *symbols, size_t count, sam_error *err)
{
    symbols->count = symbols->heap_count = 0;
    if (count <= symbols->capacity)
        return SAM_OK;
    if (count > MOST_SYMBOLS)
        return sam_fail(err, SAM_TOO_LARGE, "a piece of %zu bytes is too long to tokenize; split the text", count);
    sam_symbols_free(symbols);
    size_t capacity = count < 64 ? 64 : count + count / 2;
    symbols->items = sam_alloc(capacity, sizeof *symbols->items);
    symbols->heap = sam_alloc(capacity, HEAP_PER_SYMBOL * sizeof *symbols->heap);
    if (symbols->items == NULL || symbols->heap == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "no memory to tokenize a piece of %zu bytes", count);
    symbols->capacity = capacity;
    return SAM_OK;
}

void sam_symbols_free(sam_symbols *symbols)
{
    sam_free(symbols->items);
    sam_free(symbols->heap);
    *symbols = (sam_symbols){0};
}

void sam_symbols_add(sam_symbols *symbols, uint32_t token, size_t start)
{
    uint32_t place = (uint32_t)symbols->count++;
    symbols->items[place] = (sam_symbol){token, (uint32_t)start, place - 1, SAM_NO_SYMBOL};
    if (place > 0)
        symbols->items[place - 1].next = place;
}

static void heap_push(sam_symbols *symbols, uint64_t entry)
{
    size_t at = symbols->heap_count++;
    for (; at > 0 && symbols->heap[(at - 1) / 2] > entry; at = (at - 1) / 2)
        symbols->heap[at] = symbols->heap[(at - 1) / 2];
    symbols->heap[at] = entry;
}

static uint64_t heap_pop(sam_symbols *symbols)
{
    uint64_t top = symbols->heap[0], moved = symbols->heap[--symbols->heap_count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= symbols->heap_count)
            break;
        if (child + 1 < symbols->heap_count && symbols->heap[child + 1] < symbols->heap[child])
            child++;
        if (symbols->heap[child] >= moved)
            break;
        symbols->heap[at] = symbols->heap[child];
        at = child;
    }
    symbols->heap[at] = moved;
    return top;
}

/* The merge of a symbol with the one after it, or NULL. */
static const sam_merge *merge_at(const sam_merges *merges, const sam_symbols *symbols, uint32_t place)
{
    const sam_symbol *left = &symbols->items[place];
    if (left->start == DEAD || left->next == SAM_NO_SYMBOL)
        return NULL;
    return sam_merges_find(merges, left->token, symbols->items[left->next].token);
}

static void push_pair(const sam_merges *merges, sam_symbols *symbols, uint32_t place)
{
    const sam_merge *merge = merge_at(merges, symbols, place);
    if (merge != NULL)
        heap_push(symbols, (uint64_t)merge->rank << 32 | place);
}

static void join_with_next(sam_symbols *symbols, uint32_t place, uint32_t token)
{
    sam_symbol *left = &symbols->items[place], *right = &symbols->items[left->next];
    left->token = token;
    left->next = right->next;
    if (right->next != SAM_NO_SYMBOL)
        symbols->items[right->next].previous = place;
    right->start = DEAD;
}

void sam_merges_apply(const sam_merges *merges, sam_symbols *symbols)
{
    for (uint32_t i = 0; i < symbols->count; i++)
        push_pair(merges, symbols, i);
    while (symbols->heap_count > 0) {
        uint64_t top = heap_pop(symbols);
        uint32_t place = (uint32_t)top;
        const sam_merge *merge = merge_at(merges, symbols, place);
        if (merge == NULL || merge->rank != top >> 32)
            continue; /* a neighbour was merged away since: its new pair has an entry of its own */
        join_with_next(symbols, place, merge->result);
        push_pair(merges, symbols, place);
        if (symbols->items[place].previous != SAM_NO_SYMBOL)
            push_pair(merges, symbols, symbols->items[place].previous);
    }
}
