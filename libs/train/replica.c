#include "train/replica.h"

#include "base/memory.h"
#include "seed/code.h"

#include <string.h>

/* A record of the history. Its codes follow those of the record before. */
typedef struct put_record {
    uint32_t late; /* rounds between its origin and its commit */
    uint32_t place;
    uint32_t code_count;
    uint32_t weight; /* as the guard has it; 0, too, of one that was taken out */
} put_record;

/* Where the history stands before a round. */
typedef struct put_round {
    size_t records, codes; /* so many before it */
    sam_scale scale;
} put_round;

struct sam_replica {
    const sam_manifest *manifest;
    sam_tuned tuned; /* the model, and the directions that the history moves */

    put_round *rounds; /* [round_count + 1] */
    put_record *records;
    uint8_t *codes;
    size_t round_room, record_room, code_room;
    uint64_t round_count;
    uint64_t at;   /* the state holds rounds [0, at) */
    bool averaged; /* it is a mean of states instead */
};

static sam_status open_parts(sam_replica *replica, const sam_model *model, sam_error *err)
{
    sam_status status = sam_tuned_open(&replica->tuned, model, replica->manifest, err);
    if (status != SAM_OK)
        return status;
    replica->rounds = sam_alloc(1, sizeof *replica->rounds);
    return replica->rounds != NULL ? SAM_OK : sam_fail(err, SAM_NO_MEMORY, "out of memory making a replica");
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
    sam_free(replica->rounds);
    sam_free(replica->records);
    sam_free(replica->codes);
    sam_free(replica);
}

/* ---- history ---- */

/* Room for `count` elements; NULL: out of memory, and the old array is what it was. */
static void *reserve(void *array, size_t *room, size_t count, size_t size)
{
    if (count <= *room)
        return array;
    size_t wanted = count > 2 * *room ? count : 2 * *room;
    void *grown = sam_realloc(array, wanted, size);
    if (grown != NULL)
        *room = wanted;
    return grown;
}

static bool reserve_rounds(sam_replica *replica, size_t count)
{
    put_round *rounds = reserve(replica->rounds, &replica->round_room, count, sizeof *rounds);
    replica->rounds = rounds != NULL ? rounds : replica->rounds;
    return rounds != NULL;
}

static bool reserve_records(sam_replica *replica, size_t count)
{
    put_record *records = reserve(replica->records, &replica->record_room, count, sizeof *records);
    replica->records = records != NULL ? records : replica->records;
    return records != NULL || count == 0;
}

static bool reserve_codes(sam_replica *replica, size_t count)
{
    uint8_t *codes = reserve(replica->codes, &replica->code_room, count, 1);
    replica->codes = codes != NULL ? codes : replica->codes;
    return codes != NULL || count == 0;
}

static bool make_room(sam_replica *replica, const sam_record *records, size_t count)
{
    const put_round last = replica->rounds[replica->round_count];
    size_t codes = last.codes;
    for (size_t i = 0; i < count; i++)
        codes += records[i].code_count;
    return reserve_rounds(replica, (size_t)replica->round_count + 2) &&
           reserve_records(replica, last.records + count) && reserve_codes(replica, codes);
}

/* What the codes of an origin are worth: its author knew the scale before the round at whose state it computed. */
static sam_price price_of(const sam_replica *replica, uint64_t origin)
{
    const sam_manifest *manifest = replica->manifest;
    return sam_price_of(&manifest->size, &replica->rounds[sam_mode_state_round(manifest, origin)].scale, origin);
}

/* The price of the origin that was asked for last: neighbouring records mostly have the same, and it costs a root and
 * two divisions. Begins as {0}. */
typedef struct last_price {
    bool known;
    uint64_t origin;
    sam_price price;
} last_price;

static const sam_price *price_again(const sam_replica *replica, uint64_t origin, last_price *last)
{
    if (!last->known || last->origin != origin)
        *last = (last_price){true, origin, price_of(replica, origin)};
    return &last->price;
}

/* What a record moves: `times` each step's directions. Returns how many moves there are. */
static size_t moves_of_record(const sam_replica *replica, const sam_record *record, const sam_price *price,
                              uint32_t first_step, uint32_t end, int64_t times, sam_move *moves)
{
    const sam_manifest *manifest = replica->manifest;
    size_t count = 0;
    for (uint32_t s = first_step; s < end; s++) {
        const sam_step step = manifest->mode->number(manifest, record->round, record->place, s);
        const uint8_t *codes = record->codes + (size_t)s * manifest->probes;
        for (uint32_t p = 0; p < manifest->probes; p++) {
            int64_t amount = sam_weighted(sam_price_amount(price, codes[p]), record->weight);
            moves[count++] =
                (sam_move){{step.epoch, step.direction + p}, (int64_t)((uint64_t)amount * (uint64_t)times)};
        }
    }
    return count;
}

static size_t codes_between(const sam_replica *replica, uint64_t from, uint64_t to)
{
    return replica->rounds[to].codes - replica->rounds[from].codes;
}

/* The moves of one round, `times` each: -1 takes them back. Records that were taken out have none. */
static size_t moves_of_round(const sam_replica *replica, uint64_t round, int64_t times, sam_move *moves)
{
    const put_round *of = &replica->rounds[round];
    const uint8_t *codes = replica->codes + of->codes;
    last_price last = {0};
    size_t count = 0;
    for (size_t i = of->records; i < of[1].records; i++) {
        const put_record *put = &replica->records[i];
        const sam_record record = {.round = round - put->late,
                                   .place = put->place,
                                   .weight = put->weight,
                                   .code_count = put->code_count,
                                   .codes = codes};
        if (put->weight > 0)
            count += moves_of_record(replica, &record, price_again(replica, record.round, &last), 0,
                                     put->code_count / replica->manifest->probes, times, moves + count);
        codes += put->code_count;
    }
    return count;
}

/* ---- taking records ---- */

static sam_guarded guarded_of(const sam_price *price, const sam_record *record)
{
    sam_guarded all = {0};
    for (uint32_t c = 0; c < record->code_count; c++) {
        all.sum += (uint64_t)sam_price_size(price, record->codes[c]);
        all.values += sam_code_has_value(record->codes[c]);
    }
    return all;
}

/* What the scale learns of a round: the sizes as limits and weights leave them. */
static void learn(const sam_replica *replica, const sam_record *records, size_t count, const uint32_t *weights,
                  sam_scale *scale)
{
    sam_u128 squares = 0;
    uint64_t values = 0;
    last_price last = {0};
    for (size_t i = 0; i < count; i++) {
        const sam_price *price = price_again(replica, records[i].round, &last);
        for (uint32_t c = 0; c < records[i].code_count && weights[i] > 0; c++) {
            uint64_t size = (uint64_t)sam_weighted(sam_price_size(price, records[i].codes[c]), weights[i]);
            squares += size * size;
            values += sam_code_has_value(records[i].codes[c]);
        }
    }
    sam_scale_learn(&replica->manifest->size.scale, scale, squares, values);
}

/* The weights of a round's records, and the scale after it. Both see every record, also those that were taken out: what
 * is left moves as it did with them. */
static bool weigh(const sam_replica *replica, const sam_record *records, size_t count, uint32_t *weights,
                  sam_scale *scale)
{
    sam_guarded *guarded = sam_alloc(count, sizeof *guarded);
    last_price last = {0};
    for (size_t i = 0; guarded != NULL && i < count; i++)
        guarded[i] = guarded_of(price_again(replica, records[i].round, &last), &records[i]);
    bool good = guarded != NULL && sam_guard_weigh(&replica->manifest->guard, guarded, count, weights);
    if (good)
        learn(replica, records, count, weights, scale);
    sam_free(guarded);
    return good;
}

static void append(sam_replica *replica, const sam_record *records, size_t count, const uint32_t *weights)
{
    const put_round *of = &replica->rounds[replica->round_count];
    put_round *after = &replica->rounds[replica->round_count + 1];
    after->records = of->records + count;
    after->codes = of->codes;
    for (size_t i = 0; i < count; i++) {
        const sam_record *record = &records[i];
        bool out = sam_parent_removes(&replica->manifest->parent, replica->round_count, record->author);
        replica->records[of->records + i] = (put_record){(uint32_t)(replica->round_count - record->round),
                                                         record->place, record->code_count, out ? 0 : weights[i]};
        if (record->code_count > 0)
            memcpy(replica->codes + after->codes, record->codes, record->code_count);
        after->codes += record->code_count;
    }
    replica->round_count++;
}

sam_status sam_replica_put(sam_replica *replica, uint64_t round, const sam_record *records, size_t count,
                           sam_error *err)
{
    if (round != replica->round_count)
        return sam_fail(err, SAM_CONFLICT, "round %llu where round %llu comes next", (unsigned long long)round,
                        (unsigned long long)replica->round_count);
    uint32_t *weights = sam_alloc(count, sizeof *weights);
    sam_scale scale = replica->rounds[round].scale;
    bool good =
        weights != NULL && make_room(replica, records, count) && weigh(replica, records, count, weights, &scale);
    if (good) {
        append(replica, records, count, weights);
        replica->rounds[replica->round_count].scale = scale;
    }
    sam_free(weights);
    return good ? SAM_OK : sam_fail(err, SAM_NO_MEMORY, "out of memory for round %llu", (unsigned long long)round);
}

static sam_status put_encoded(sam_replica *replica, const sam_round_shape *shape, const uint8_t *bytes, size_t length,
                              sam_error *err)
{
    sam_round round;
    sam_status status = sam_round_decode(&round, shape, bytes, length, err);
    if (status == SAM_OK)
        status = sam_replica_put(replica, round.number, round.records, round.record_count, err);
    sam_round_free(&round);
    return status;
}

sam_status sam_replica_put_encoded(sam_replica *replica, const uint8_t *const *rounds, const size_t *lengths,
                                   size_t count, sam_error *err)
{
    const sam_round_shape shape = sam_manifest_shape(replica->manifest);
    sam_status status = SAM_OK;
    for (size_t i = 0; status == SAM_OK && i < count; i++)
        status = put_encoded(replica, &shape, rounds[i], lengths[i], err);
    return status;
}

uint64_t sam_replica_rounds(const sam_replica *replica)
{
    return replica->round_count;
}

uint64_t sam_replica_round(const sam_replica *replica)
{
    return replica->at;
}

/* ---- moving the state ---- */

/* Room for the epochs of the states before both rounds: nothing changes where it fails. */
static bool reach_epochs(sam_replica *replica, uint64_t round)
{
    uint32_t wanted = sam_mode_epochs(replica->manifest, round);
    return wanted <= sam_directions_epochs(replica->tuned.directions) ||
           sam_directions_set_epochs(replica->tuned.directions, wanted);
}

sam_status sam_replica_seek(sam_replica *replica, uint64_t round, sam_error *err)
{
    if (round > replica->round_count)
        return sam_fail(err, SAM_NOT_FOUND, "there is no round %llu yet: the log has %llu", (unsigned long long)round,
                        (unsigned long long)replica->round_count);
    if (replica->averaged) {
        sam_directions_reset(replica->tuned.directions);
        replica->averaged = false;
        replica->at = 0;
    }
    uint64_t low = round < replica->at ? round : replica->at, high = round < replica->at ? replica->at : round;
    int64_t times = round < replica->at ? -1 : 1;
    sam_move *moves = sam_alloc(codes_between(replica, low, high), sizeof *moves);
    size_t count = 0;
    for (uint64_t r = low; moves != NULL && r < high; r++)
        count += moves_of_round(replica, r, times, moves + count);
    bool good = moves != NULL && reach_epochs(replica, high) &&
                sam_directions_move(replica->tuned.directions, moves, count) &&
                sam_directions_set_epochs(replica->tuned.directions, sam_mode_epochs(replica->manifest, round));
    sam_free(moves);
    if (!good)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory seeking round %llu", (unsigned long long)round);
    replica->at = round;
    return SAM_OK;
}

sam_status sam_replica_begin_epoch(sam_replica *replica, uint32_t epoch, sam_error *err)
{
    if (epoch < sam_directions_epochs(replica->tuned.directions) ||
        sam_directions_set_epochs(replica->tuned.directions, epoch + 1))
        return SAM_OK;
    return sam_fail(err, SAM_NO_MEMORY, "out of memory for epoch %u of the directions", epoch);
}

sam_status sam_replica_try_step(sam_replica *replica, const sam_record *record, uint32_t step, int times,
                                sam_error *err)
{
    sam_record whole = *record;
    sam_move *moves = sam_alloc(replica->manifest->probes, sizeof *moves);
    whole.weight = SAM_WEIGHT_WHOLE;
    bool good = moves != NULL;
    if (good) {
        const sam_price price = price_of(replica, record->round);
        size_t count = moves_of_record(replica, &whole, &price, step, step + 1, times, moves);
        good = sam_directions_move(replica->tuned.directions, moves, count);
    }
    sam_free(moves);
    return good ? SAM_OK : sam_fail(err, SAM_NO_MEMORY, "out of memory for a step");
}

/* ---- means ---- */

/* Weighted moves of rounds [from, to): those of round r stand in the to - r states after it. */
static sam_status weighted_moves(const sam_replica *replica, uint64_t from, uint64_t to, sam_move *moves, size_t *count,
                                 sam_error *err)
{
    uint64_t largest = 0; /* no element of the sum of differences is beyond the sum of sizes */
    for (uint64_t r = from; r < to; r++) {
        sam_move *of_round = moves + *count;
        size_t of_round_count = moves_of_round(replica, r, 1, of_round);
        *count += of_round_count;
        for (size_t i = 0; i < of_round_count; i++) {
            uint64_t size = (uint64_t)(of_round[i].amount < 0 ? -of_round[i].amount : of_round[i].amount), product;
            if (__builtin_mul_overflow(size, to - r, &product) || __builtin_add_overflow(largest, product, &largest) ||
                largest > INT64_MAX)
                return sam_fail(err, SAM_TOO_LARGE, "the sum of the states before rounds %llu to %llu passes 64 bits",
                                (unsigned long long)from, (unsigned long long)to);
            of_round[i].amount = (int64_t)((uint64_t)of_round[i].amount * (to - r));
        }
    }
    return SAM_OK;
}

/* Where the integers have room for the sum of all states, moving by weighted amounts gives it. */
static sam_status sum_weighted(sam_replica *replica, uint64_t from, uint64_t to, int64_t *sum, sam_error *err)
{
    size_t count = 0;
    sam_move *moves = sam_alloc(codes_between(replica, from, to), sizeof *moves);
    sam_status status = moves == NULL ? sam_fail(err, SAM_NO_MEMORY, "out of memory averaging rounds")
                                      : weighted_moves(replica, from, to, moves, &count, err);
    if (status == SAM_OK) {
        sam_directions_reset(replica->tuned.directions);
        if (!reach_epochs(replica, to) || !sam_directions_move(replica->tuned.directions, moves, count))
            status = sam_fail(err, SAM_NO_MEMORY, "out of memory averaging rounds");
    }
    if (status == SAM_OK)
        sam_directions_state_get(replica->tuned.directions, sum);
    sam_free(moves);
    return status;
}

/* Elsewhere state after state is added up in wider ones. */
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
    if (from > to)
        return sam_fail(err, SAM_INVALID, "a mean needs a first round that is not after the last");
    sam_status status = sam_replica_seek(replica, to, err); /* is it there? */
    uint64_t count = sam_replica_state_count(replica);      /* with the epochs of the last state */
    if (status == SAM_OK)
        status = sam_replica_seek(replica, from, err);
    if (status == SAM_OK && !reach_epochs(replica, to))
        status = sam_fail(err, SAM_NO_MEMORY, "out of memory averaging rounds");
    if (status != SAM_OK)
        return status;
    int64_t *first = sam_alloc(count, sizeof *first), *sum = sam_alloc(count, sizeof *sum);
    if (first == NULL || sum == NULL) {
        status = sam_fail(err, SAM_NO_MEMORY, "out of memory for a mean of %llu integers", (unsigned long long)count);
        goto done;
    }
    sam_directions_state_get(replica->tuned.directions, first);
    replica->averaged = sam_directions_sums_fit(replica->tuned.directions);
    status =
        replica->averaged ? sum_weighted(replica, from, to, sum, err) : sum_walking(replica, from, to, first, sum, err);
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
