#include "train/replica.h"

#include "base/memory.h"

#include <string.h>

struct sam_replica {
    const sam_manifest *manifest;
    sam_tuned tuned; /* the model, and the directions that the history moves */

    /* History: round r has codes[r * codes_per_round ...], and `carried[r]` is the update's state before it. */
    size_t codes_per_round;
    uint8_t *codes;
    bool *removed;             /* [rounds][slots] of records that move nothing; NULL where the manifest removes none */
    sam_update_state *carried; /* [rounds + 1] */
    uint64_t rounds, room;
    uint64_t at;   /* the state holds rounds [0, at) */
    bool averaged; /* it is a mean of states instead */
};

static sam_status open_parts(sam_replica *replica, const sam_model *model, sam_error *err)
{
    sam_status status = sam_tuned_open(&replica->tuned, model, replica->manifest, err);
    if (status != SAM_OK)
        return status;
    replica->carried = sam_alloc(1, sizeof *replica->carried);
    return replica->carried != NULL ? SAM_OK : sam_fail(err, SAM_NO_MEMORY, "out of memory making a replica");
}

sam_status sam_replica_new(sam_replica **replica, const sam_model *model, const sam_manifest *manifest, sam_error *err)
{
    if (!sam_digest_equal(sam_model_digest(model), &manifest->base)) {
        char ours[SAM_DIGEST_HEX], theirs[SAM_DIGEST_HEX];
        sam_digest_hex(ours, sam_model_digest(model));
        sam_digest_hex(theirs, &manifest->base);
        return sam_fail(err, SAM_MISMATCH,
                        "this is not the run's base: the model's digest is %.12s..., the run needs %.12s...", ours,
                        theirs);
    }
    sam_replica *made = sam_alloc(1, sizeof *made);
    if (made == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory making a replica");
    made->manifest = manifest;
    made->codes_per_round = (size_t)manifest->slots * manifest->probes;
    sam_status status = open_parts(made, model, err);
    if (status != SAM_OK) {
        sam_replica_free(made);
        return status;
    }
    *replica = made;
    return SAM_OK;
}

void sam_replica_free(sam_replica *replica)
{
    if (replica == NULL)
        return;
    sam_tuned_close(&replica->tuned);
    sam_free(replica->codes);
    sam_free(replica->removed);
    sam_free(replica->carried);
    sam_free(replica);
}

/* ---- history ---- */

static bool make_room(sam_replica *replica)
{
    if (replica->rounds < replica->room)
        return true;
    uint64_t room = replica->room == 0 ? 256 : 2 * replica->room;
    uint8_t *codes = sam_realloc(replica->codes, room, replica->codes_per_round);
    if (codes == NULL)
        return false;
    replica->codes = codes;
    if (replica->manifest->parent.removal_count > 0) {
        bool *removed = sam_realloc(replica->removed, room, replica->manifest->slots * sizeof *removed);
        if (removed == NULL)
            return false;
        replica->removed = removed;
    }
    sam_update_state *carried = sam_realloc(replica->carried, room + 1, sizeof *carried);
    if (carried == NULL)
        return false;
    replica->carried = carried;
    replica->room = room;
    return true;
}

static int64_t times(int64_t amount, int64_t factor)
{
    return (int64_t)((uint64_t)amount * (uint64_t)factor);
}

/* The moves of one round, `factor` times each: -1 takes them back. Guard and normaliser see every code, also those of
 * records that were taken out: what is left moves as it did with them. */
static bool moves_of_round(const sam_replica *replica, uint64_t round, int64_t factor, sam_move *moves)
{
    const sam_manifest *manifest = replica->manifest;
    int64_t *amounts = sam_alloc(replica->codes_per_round, sizeof *amounts);
    if (amounts == NULL)
        return false;
    sam_update_state after = replica->carried[round];
    bool good = sam_update_round(&manifest->update, &after, round, replica->codes + round * replica->codes_per_round,
                                 manifest->slots, manifest->probes, amounts);
    uint64_t first = sam_manifest_probe(manifest, round, 0);
    const bool *removed = replica->removed == NULL ? NULL : replica->removed + round * manifest->slots;
    for (size_t i = 0; good && i < replica->codes_per_round; i++) {
        bool out = removed != NULL && removed[i / manifest->probes];
        moves[i] = (sam_move){first + i, out ? 0 : times(amounts[i], factor)};
    }
    sam_free(amounts);
    return good;
}

static sam_status remember(sam_replica *replica, const sam_round *round, sam_error *err)
{
    if (round->number != replica->rounds)
        return sam_fail(err, SAM_CONFLICT, "round %llu where round %llu comes next", (unsigned long long)round->number,
                        (unsigned long long)replica->rounds);
    const sam_manifest *manifest = replica->manifest;
    bool good = make_room(replica);
    if (good) {
        uint8_t *codes = replica->codes + replica->rounds * replica->codes_per_round;
        memcpy(codes, round->codes, replica->codes_per_round);
        for (uint32_t slot = 0; replica->removed != NULL && slot < manifest->slots; slot++)
            replica->removed[replica->rounds * manifest->slots + slot] =
                sam_parent_removes(&manifest->parent, round->number, round->workers[slot]);
        sam_update_state *after = &replica->carried[replica->rounds + 1];
        *after = replica->carried[replica->rounds];
        good =
            sam_update_round(&manifest->update, after, replica->rounds, codes, manifest->slots, manifest->probes, NULL);
    }
    if (!good)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory applying round %llu", (unsigned long long)round->number);
    replica->rounds++;
    return SAM_OK;
}

sam_status sam_replica_apply(sam_replica *replica, const sam_round *round, sam_error *err)
{
    bool follows = replica->at == replica->rounds && !replica->averaged;
    sam_status status = remember(replica, round, err);
    return status == SAM_OK && follows ? sam_replica_seek(replica, replica->rounds, err) : status;
}

static sam_status remember_encoded(sam_replica *replica, const uint8_t *bytes, size_t length, sam_error *err)
{
    const sam_round_shape shape = {replica->manifest->slots, replica->manifest->probes};
    sam_round round = {0};
    sam_status status = sam_round_decode(&round, &shape, bytes, length, err);
    if (status == SAM_OK)
        status = remember(replica, &round, err);
    sam_round_free(&round);
    return status;
}

sam_status sam_replica_learn_encoded(sam_replica *replica, const uint8_t *const *rounds, const size_t *lengths,
                                     size_t count, sam_error *err)
{
    sam_status status = SAM_OK;
    for (size_t i = 0; status == SAM_OK && i < count; i++)
        status = remember_encoded(replica, rounds[i], lengths[i], err);
    return status;
}

sam_status sam_replica_apply_encoded(sam_replica *replica, const uint8_t *const *rounds, const size_t *lengths,
                                     size_t count, sam_error *err)
{
    bool follows = replica->at == replica->rounds && !replica->averaged;
    sam_status status = sam_replica_learn_encoded(replica, rounds, lengths, count, err);
    if (status == SAM_OK && follows)
        status = sam_replica_seek(replica, replica->rounds, err);
    return status;
}

uint64_t sam_replica_rounds(const sam_replica *replica)
{
    return replica->rounds;
}

uint64_t sam_replica_round(const sam_replica *replica)
{
    return replica->at;
}

sam_status sam_replica_seek(sam_replica *replica, uint64_t round, sam_error *err)
{
    if (round > replica->rounds)
        return sam_fail(err, SAM_NOT_FOUND, "there is no round %llu yet: the log has %llu", (unsigned long long)round,
                        (unsigned long long)replica->rounds);
    if (replica->averaged) {
        sam_directions_reset(replica->tuned.directions);
        replica->averaged = false;
        replica->at = 0;
    }
    uint64_t low = round < replica->at ? round : replica->at, high = round < replica->at ? replica->at : round;
    int64_t sign = round < replica->at ? -1 : 1;
    sam_move *moves = sam_alloc((high - low) * replica->codes_per_round, sizeof *moves);
    bool good = moves != NULL;
    for (uint64_t r = low; good && r < high; r++)
        good = moves_of_round(replica, r, sign, moves + (r - low) * replica->codes_per_round);
    good =
        good && sam_directions_move(replica->tuned.directions, moves, (size_t)(high - low) * replica->codes_per_round);
    sam_free(moves);
    if (!good)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory seeking round %llu", (unsigned long long)round);
    replica->at = round;
    return SAM_OK;
}

/* ---- means ---- */

/* Weighted moves of rounds [from, to): those of round r stand in the to - r states after it. */
static sam_status weighted_moves(const sam_replica *replica, uint64_t from, uint64_t to, sam_move *moves,
                                 sam_error *err)
{
    uint64_t largest = 0; /* no element of the sum of differences is beyond the sum of sizes */
    for (uint64_t r = from; r < to; r++) {
        sam_move *of_round = moves + (r - from) * replica->codes_per_round;
        if (!moves_of_round(replica, r, 1, of_round))
            return sam_fail(err, SAM_NO_MEMORY, "out of memory averaging rounds");
        for (size_t i = 0; i < replica->codes_per_round; i++) {
            uint64_t size = (uint64_t)(of_round[i].amount < 0 ? -of_round[i].amount : of_round[i].amount), product;
            if (__builtin_mul_overflow(size, to - r, &product) || __builtin_add_overflow(largest, product, &largest) ||
                largest > INT64_MAX)
                return sam_fail(err, SAM_TOO_LARGE, "the sum of the states before rounds %llu to %llu passes 64 bits",
                                (unsigned long long)from, (unsigned long long)to);
            of_round[i].amount = times(of_round[i].amount, (int64_t)(to - r));
        }
    }
    return SAM_OK;
}

/* A sketch's integers have room for the sum of all states: one transform of weighted amounts gives it. */
static sam_status sum_weighted(sam_replica *replica, uint64_t from, uint64_t to, int64_t *sum, sam_error *err)
{
    size_t count = (size_t)(to - from) * replica->codes_per_round;
    sam_move *moves = sam_alloc(count, sizeof *moves);
    sam_status status = moves == NULL ? sam_fail(err, SAM_NO_MEMORY, "out of memory averaging rounds")
                                      : weighted_moves(replica, from, to, moves, err);
    if (status == SAM_OK) {
        sam_directions_reset(replica->tuned.directions);
        if (!sam_directions_move(replica->tuned.directions, moves, count))
            status = sam_fail(err, SAM_NO_MEMORY, "out of memory averaging rounds");
    }
    if (status == SAM_OK)
        sam_directions_state_get(replica->tuned.directions, sum);
    sam_free(moves);
    return status;
}

/* Others' have not: state after state is added up in wider ones. */
static sam_status sum_walking(sam_replica *replica, uint64_t from, uint64_t to, const int64_t *first, int64_t *sum,
                              sam_error *err)
{
    uint64_t count = sam_replica_state_count(replica);
    int64_t *state = sam_alloc(count, sizeof *state);
    sam_status status = state == NULL ? sam_fail(err, SAM_NO_MEMORY, "out of memory averaging rounds") : SAM_OK;
    for (uint64_t r = from + 1; r <= to && status == SAM_OK; r++) {
        status = sam_replica_seek(replica, r, err);
        sam_directions_state_get(replica->tuned.directions, state);
        for (uint64_t i = 0; i < count; i++)
            sum[i] += state[i] - first[i];
    }
    sam_free(state);
    return status;
}

static int64_t rounded_quotient(int64_t sum, int64_t count)
{
    int64_t quotient = sum / count, rest = sum % count; /* towards zero */
    if (rest < 0) {
        quotient--;
        rest += count;
    }
    return quotient + (rest >= count - rest);
}

sam_status sam_replica_average(sam_replica *replica, uint64_t from, uint64_t to, sam_error *err)
{
    uint64_t count = sam_replica_state_count(replica);
    if (from > to)
        return sam_fail(err, SAM_INVALID, "a mean needs a first round that is not after the last");
    sam_status status = sam_replica_seek(replica, to, err); /* is it there? */
    if (status == SAM_OK)
        status = sam_replica_seek(replica, from, err);
    if (status != SAM_OK)
        return status;
    int64_t *first = sam_alloc(count, sizeof *first), *sum = sam_alloc(count, sizeof *sum);
    if (first == NULL || sum == NULL) {
        status = sam_fail(err, SAM_NO_MEMORY, "out of memory for a mean of %llu integers", (unsigned long long)count);
        goto done;
    }
    sam_directions_state_get(replica->tuned.directions, first);
    replica->averaged = replica->manifest->family == SAM_SKETCH;
    status = replica->manifest->family == SAM_SKETCH ? sum_weighted(replica, from, to, sum, err)
                                                     : sum_walking(replica, from, to, first, sum, err);
    if (status != SAM_OK)
        goto done;
    for (uint64_t i = 0; i < count; i++)
        first[i] = (int64_t)((uint64_t)first[i] + (uint64_t)rounded_quotient(sum[i], (int64_t)(to - from + 1)));
    sam_directions_state_set(replica->tuned.directions, first);
    replica->averaged = true;
done:
    sam_free(first);
    sam_free(sum);
    return status;
}

/* ---- what it is ---- */

void sam_replica_digest(const sam_replica *replica, sam_digest *digest)
{
    uint8_t piece[4096];
    sam_digest_stream stream;
    sam_digest_begin(&stream);
    uint64_t total = sam_directions_state_bytes(replica->tuned.directions);
    for (uint64_t at = 0; at < total; at += sizeof piece) {
        size_t size = total - at < sizeof piece ? (size_t)(total - at) : sizeof piece;
        sam_directions_state_read(replica->tuned.directions, at, size, piece);
        sam_digest_add(&stream, piece, size);
    }
    sam_digest_end(&stream, digest);
}

uint64_t sam_replica_parameters(const sam_replica *replica)
{
    return replica->tuned.trained.parameters;
}

uint64_t sam_replica_state_bytes(const sam_replica *replica)
{
    return sam_directions_state_bytes(replica->tuned.directions);
}

uint64_t sam_replica_state_count(const sam_replica *replica)
{
    return sam_directions_state_count(replica->tuned.directions);
}

void sam_replica_state_get(const sam_replica *replica, int64_t *values)
{
    sam_directions_state_get(replica->tuned.directions, values);
}

const sam_tuned *sam_replica_tuned(const sam_replica *replica)
{
    return &replica->tuned;
}

sam_weight_source sam_replica_weights(const sam_replica *replica)
{
    return sam_tuned_weights(&replica->tuned);
}
