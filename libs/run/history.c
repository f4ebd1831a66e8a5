#include "run/history.h"

#include "base/memory.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- forks ---- */

static sam_status check_fork(const sam_samlog *log, const sam_fork *fork, uint64_t rounds, sam_error *err)
{
    uint64_t there = sam_samlog_rounds(log);
    if (fork->at == 0)
        return sam_fail(err, SAM_INVALID, "a fork keeps at least one round; with none it would be a new run");
    if (fork->at > there)
        return sam_fail(err, SAM_INVALID, "the log has %" PRIu64 " rounds; it cannot be forked at %" PRIu64, there,
                        fork->at);
    if (rounds < fork->at)
        return sam_fail(err, SAM_INVALID, "a run of %" PRIu64 " rounds cannot hold the %" PRIu64 " of its past", rounds,
                        fork->at);
    return SAM_OK;
}

static bool names_something(const sam_worker_share *shares, size_t count, uint32_t worker)
{
    for (size_t i = 0; i < count; i++)
        if ((worker == 0 || shares[i].worker == worker) && shares[i].records > shares[i].removed)
            return true;
    return false;
}

/* A revert that changes nothing is a slip: another worker or other rounds were meant. */
static sam_status check_removal(const sam_samlog *log, const sam_removal *removal, uint64_t at, sam_error *err)
{
    sam_worker_share *shares;
    size_t count;
    if (removal->from >= removal->to || removal->to > at)
        return sam_fail(err, SAM_INVALID, "rounds %" PRIu64 "..%" PRIu64 " are not among the %" PRIu64 " of the past",
                        removal->from, removal->to, at);
    sam_status status = sam_history_workers(log, removal->from, removal->to, &shares, &count, err);
    if (status != SAM_OK)
        return status;
    bool something = names_something(shares, count, removal->worker);
    sam_free(shares);
    if (something)
        return SAM_OK;
    return sam_fail(err, SAM_INVALID,
                    removal->worker == 0 ? "rounds %" PRIu64 "..%" PRIu64 " have no record that could be taken out"
                                         : "rounds %" PRIu64 "..%" PRIu64 " have no record of worker %" PRIu32
                                           " that could be taken out",
                    removal->from, removal->to, removal->worker);
}

/* The parent's removals as far as they lie in the past that is kept, and the new ones. */
static sam_status gather_removals(sam_parent *parent, const sam_samlog *log, const sam_fork *fork, sam_error *err)
{
    const sam_parent *old = &sam_samlog_manifest(log)->parent;
    sam_status status = SAM_OK;
    parent->removals = sam_alloc(old->removal_count + fork->removal_count, sizeof *parent->removals);
    if (parent->removals == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "no memory for a fork");
    for (size_t i = 0; i < old->removal_count; i++) {
        sam_removal kept = old->removals[i];
        kept.to = kept.to < fork->at ? kept.to : fork->at;
        if (kept.from < kept.to)
            parent->removals[parent->removal_count++] = kept;
    }
    for (size_t i = 0; i < fork->removal_count && status == SAM_OK; i++) {
        status = check_removal(log, &fork->removals[i], fork->at, err);
        parent->removals[parent->removal_count++] = fork->removals[i];
    }
    sam_parent_sort(parent);
    if (status == SAM_OK && parent->removal_count > SAM_REMOVALS_MAX)
        status =
            sam_fail(err, SAM_TOO_LARGE, "%zu removals; a manifest holds %u", parent->removal_count, SAM_REMOVALS_MAX);
    return status;
}

static sam_status parent_of(sam_parent *parent, const sam_samlog *log, const sam_fork *fork, sam_error *err)
{
    size_t length;
    *parent = (sam_parent){.round = fork->at, .run = sam_samlog_manifest(log)->id};
    const uint8_t *last = sam_samlog_round(log, fork->at - 1, &length);
    memcpy(parent->chain.bytes, last + length - SAM_DIGEST_BYTES, SAM_DIGEST_BYTES);
    return gather_removals(parent, log, fork, err);
}

static sam_status manifest_of(sam_manifest **manifest, const sam_samlog *log, const sam_fork *fork, sam_error *err)
{
    sam_manifest draft = *sam_samlog_manifest(log);
    char *name = fork->name == NULL ? NULL : sam_strdup(fork->name);
    if (fork->name != NULL && name == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "no memory for a fork");
    if (name != NULL)
        draft.name = name;
    if (fork->rounds != 0)
        draft.rounds = fork->rounds;
    if (fork->train != NULL)
        draft.train = *fork->train;
    if (fork->dev != NULL)
        draft.dev = *fork->dev;
    draft.parent = (sam_parent){0};
    sam_status status = check_fork(log, fork, draft.rounds, err);
    if (status == SAM_OK)
        status = parent_of(&draft.parent, log, fork, err);
    if (status == SAM_OK)
        status = sam_manifest_compose(manifest, &draft, err);
    sam_parent_free(&draft.parent);
    sam_free(name);
    return status;
}

/* The same records under a chain that begins with the fork's id. */
static void put_past(sam_buffer *out, const sam_samlog *log, uint64_t rounds, const sam_digest *id)
{
    sam_digest chain = *id;
    for (uint64_t r = 0; r < rounds; r++) {
        size_t length;
        const uint8_t *bytes = sam_samlog_round(log, r, &length);
        sam_round_chain(bytes, length, &chain, &chain);
        sam_samlog_put_round(out, bytes, length);
        if (!out->failed)
            memcpy(out->bytes + out->length - SAM_DIGEST_BYTES, chain.bytes, SAM_DIGEST_BYTES);
    }
}

sam_status sam_history_fork(sam_buffer *out, const sam_samlog *log, const sam_fork *fork, sam_error *err)
{
    sam_manifest *manifest = NULL;
    sam_status status = manifest_of(&manifest, log, fork, err);
    if (status != SAM_OK)
        return status;
    sam_samlog_put_head(out, manifest);
    put_past(out, log, fork->at, &manifest->id);
    sam_manifest_free(manifest);
    return out->failed ? sam_fail(err, SAM_NO_MEMORY, "no memory for a fork of %" PRIu64 " rounds", fork->at) : SAM_OK;
}

/* ---- what two logs share ---- */

uint64_t sam_history_shared(const sam_samlog *a, const sam_samlog *b)
{
    for (uint64_t r = 0;; r++) {
        size_t of_a, of_b;
        const uint8_t *in_a = sam_samlog_round(a, r, &of_a), *in_b = sam_samlog_round(b, r, &of_b);
        if (in_a == NULL || in_b == NULL || of_a != of_b || memcmp(in_a, in_b, of_a - SAM_DIGEST_BYTES) != 0)
            return r;
    }
}

/* ---- who did what ---- */

static int by_worker(const void *left, const void *right)
{
    const sam_worker_share *a = left, *b = right;
    return (a->worker > b->worker) - (a->worker < b->worker);
}

typedef struct tally {
    sam_worker_share *shares; /* in the order in which they came up */
    size_t count, room;
} tally;

static sam_worker_share *share_of(tally *all, uint32_t worker)
{
    for (size_t i = 0; i < all->count; i++)
        if (all->shares[i].worker == worker) {
            sam_worker_share found = all->shares[i]; /* to the front: the next slot is often the same worker's */
            all->shares[i] = all->shares[0];
            all->shares[0] = found;
            return &all->shares[0];
        }
    if (all->count == all->room) {
        size_t room = all->room == 0 ? 16 : 2 * all->room;
        sam_worker_share *shares = sam_realloc(all->shares, room, sizeof *shares);
        if (shares == NULL)
            return NULL;
        all->shares = shares;
        all->room = room;
    }
    all->shares[all->count] = (sam_worker_share){.worker = worker};
    return &all->shares[all->count++];
}

static sam_status count_round(tally *all, const sam_samlog *log, uint64_t number, sam_error *err)
{
    const sam_manifest *manifest = sam_samlog_manifest(log);
    sam_round round;
    sam_status status = sam_samlog_decode(log, number, &round, err);
    for (size_t i = 0; status == SAM_OK && i < round.record_count; i++) {
        sam_worker_share *share = share_of(all, round.records[i].author);
        if (share == NULL) {
            status = sam_fail(err, SAM_NO_MEMORY, "no memory for a list of workers");
        } else {
            share->records++;
            share->removed += sam_parent_removes(&manifest->parent, number, round.records[i].author);
        }
    }
    sam_round_free(&round);
    return status;
}

sam_status sam_history_workers(const sam_samlog *log, uint64_t from, uint64_t to, sam_worker_share **shares,
                               size_t *count, sam_error *err)
{
    tally all = {0};
    sam_status status = SAM_OK;
    for (uint64_t r = from; r < to && status == SAM_OK; r++)
        status = count_round(&all, log, r, err);
    if (status != SAM_OK) {
        sam_free(all.shares);
        return status;
    }
    if (all.count > 0)
        qsort(all.shares, all.count, sizeof *all.shares, by_worker);
    *shares = all.shares;
    *count = all.count;
    return SAM_OK;
}
