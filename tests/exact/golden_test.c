/* libs/seed against docs/formats/golden/exact-zone.json, which the Python implementation of the exact zone wrote. */
#include "rounds.h"

#include "base/digest.h"
#include "base/text.h"
#include "seed/code.h"
#include "seed/directions/directions.h"
#include "seed/numbering.h"
#include "seed/philox.h"
#include "seed/sampler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define GOLDEN_FILE SAMARA_SOURCE "/docs/formats/golden/exact-zone.json"
#define PROBES_MAX  2 /* of the golden runs */

/* ---- reading the vectors ---- */

static json_t *member(const json_t *object, const char *name)
{
    json_t *value = json_object_get(object, name);
    if (value == NULL)
        fail_msg("%s: no member \"%s\"", GOLDEN_FILE, name);
    return value;
}

static int64_t integer(const json_t *object, const char *name)
{
    return json_integer_value(member(object, name));
}

static const char *text(const json_t *object, const char *name)
{
    return json_string_value(member(object, name));
}

static uint64_t hex_value(const json_t *value)
{
    return strtoull(json_string_value(value), NULL, 16);
}

static uint64_t hex(const json_t *object, const char *name)
{
    return hex_value(member(object, name));
}

static int64_t optional(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

/* Decimal text, as a manifest has 64-bit integers. */
static uint64_t decimal(const json_t *object, const char *name)
{
    const char *digits = json_string_value(json_object_get(object, name));
    return digits == NULL ? 0 : strtoull(digits, NULL, 10);
}

static unsigned choice(const json_t *object, const char *name, const char *const *names, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (strcmp(text(object, name), names[i]) == 0)
            return i;
    fail_msg("%s: unknown %s", GOLDEN_FILE, name);
    return 0;
}

static sam_schedule_kind schedule_kind(const json_t *object, const char *name)
{
    static const char *const NAMES[] = {"constant", "linear", "cosine", "inverse"};
    return (sam_schedule_kind)choice(object, name, NAMES, 4);
}

/* `manifest`: an object with directions, seed and perhaps eta_log2. */
static sam_directions *open_directions(const json_t *manifest, uint64_t parameters)
{
    const json_t *family = member(manifest, "directions");
    const sam_directions_tensor tensor = {.start = 0, .rows = 1, .columns = parameters};
    const sam_directions_spec spec = {
        .choice.family = (sam_family)choice(family, "family", sam_family_names, 3),
        .choice.log2_k = (uint32_t)optional(family, "log2_k"),
        .choice.log2_pool = (uint32_t)optional(family, "log2_pool"),
        .seed = decimal(manifest, "seed"),
        .eta_log2 = (int)optional(manifest, "eta_log2"),
        .tensors = &tensor,
        .tensor_count = 1,
    };
    sam_directions *directions = sam_directions_new(&spec);
    assert_non_null(directions);
    return directions;
}

static exact_rounds rounds_of(const json_t *manifest)
{
    static const char *const SCALES[] = {"fixed", "running", "first"};
    static const char *const GUARDS[] = {"clip", "trimmed", "median"};
    const json_t *schedule = member(manifest, "schedule"), *scale = member(manifest, "scale");
    const json_t *guard = member(manifest, "guard");
    return (exact_rounds){
        .numbering = {(uint32_t)integer(manifest, "slots"), (uint32_t)integer(manifest, "probes"),
                      decimal(member(manifest, "directions"), "epoch_rounds")},
        .size = {.rate = decimal(manifest, "rate"),
                 .schedule = {schedule_kind(schedule, "kind"), decimal(schedule, "warmup"),
                              decimal(schedule, "horizon"), (uint32_t)integer(schedule, "floor")},
                 .scale = {(sam_scale_kind)choice(scale, "kind", SCALES, 3), (uint32_t)optional(scale, "rms"),
                           (uint32_t)optional(scale, "shift"), (uint32_t)optional(scale, "window")},
                 .clip = (uint32_t)integer(guard, "clip")},
        .guard = {(sam_guard_kind)choice(guard, "kind", GUARDS, 3), (uint32_t)optional(guard, "trim"),
                  (uint32_t)optional(guard, "cap")},
        .lag = (uint64_t)optional(manifest, "lag"),
    };
}

/* ---- the sections ---- */

static void philox_gives_the_published_words(void **state)
{
    size_t index;
    json_t *vector;
    json_array_foreach(member(*state, "philox"), index, vector)
    {
        sam_philox_counter counter;
        uint32_t words[4];
        for (size_t i = 0; i < 4; i++)
            counter.word[i] = (uint32_t)json_integer_value(json_array_get(member(vector, "counter"), i));
        sam_philox(words, hex(vector, "key"), counter);
        for (size_t i = 0; i < 4; i++)
            assert_int_equal(words[i], json_integer_value(json_array_get(member(vector, "words"), i)));
    }
    assert_true(index >= 3);
}

static void every_code_has_its_golden_value(void **state)
{
    size_t code;
    json_t *value;
    json_array_foreach(member(member(*state, "code"), "values"), code, value)
    {
        assert_int_equal(sam_code_has_value((uint8_t)code), !json_is_null(value));
        if (!json_is_null(value))
            assert_int_equal(sam_code_value((uint8_t)code), json_integer_value(value));
    }
    assert_int_equal(code, 256);
}

static void floats_encode_to_their_golden_codes(void **state)
{
    size_t index;
    json_t *pair;
    json_array_foreach(member(member(*state, "code"), "encode"), index, pair)
    {
        uint64_t bits = hex_value(json_array_get(pair, 0));
        double value;
        memcpy(&value, &bits, sizeof value);
        if (sam_code_encode(value) != json_integer_value(json_array_get(pair, 1)))
            fail_msg("%a encodes to %02x", value, sam_code_encode(value));
    }
    assert_true(index > 50);
}

static void schedules_give_their_golden_shares(void **state)
{
    size_t index, i;
    json_t *vector, *round;
    json_array_foreach(member(*state, "schedules"), index, vector)
    {
        const sam_schedule schedule = {schedule_kind(vector, "kind"), (uint64_t)integer(vector, "warmup"),
                                       (uint64_t)integer(vector, "horizon"), (uint32_t)integer(vector, "floor")};
        json_array_foreach(member(vector, "rounds"), i, round)
        {
            uint32_t share = sam_schedule_share(&schedule, hex_value(round));
            if (share != json_integer_value(json_array_get(member(vector, "shares"), i)))
                fail_msg("schedule %zu (%s), round %s: %u", index, text(vector, "kind"), json_string_value(round),
                         share);
        }
    }
    assert_int_equal(index, 16);
}

static void check_walk(const sam_directions *directions, sam_direction probe, uint64_t wanted)
{
    const sam_directions_spec *spec = sam_directions_get_spec(directions);
    const sam_walk walk = sam_walk_of(spec->seed, probe.epoch);
    assert_int_equal(sam_walk_at(&walk, probe.number, spec->choice.log2_k), wanted);
}

static void places_have_their_golden_numbers(void **state)
{
    size_t index, i;
    json_t *vector, *place;
    json_array_foreach(member(*state, "numbering"), index, vector)
    {
        const sam_numbering numbering = {(uint32_t)integer(vector, "slots"), (uint32_t)integer(vector, "probes"),
                                         hex(vector, "epoch_rounds")};
        json_array_foreach(member(vector, "places"), i, place)
        {
            sam_step step = sam_number_slot(&numbering, hex_value(json_array_get(place, 0)),
                                            (uint32_t)json_integer_value(json_array_get(place, 1)));
            uint64_t direction = step.direction + (uint64_t)json_integer_value(json_array_get(place, 2));
            const json_t *wanted = json_array_get(member(vector, "numbers"), i);
            if (step.epoch != hex_value(json_array_get(wanted, 0)) ||
                step.minibatch != hex_value(json_array_get(wanted, 1)) ||
                direction != hex_value(json_array_get(wanted, 2)))
                fail_msg("numbering %zu, place %zu: epoch %u, minibatch %llx, direction %llx", index, i, step.epoch,
                         (unsigned long long)step.minibatch, (unsigned long long)direction);
        }
    }
    assert_int_equal(index, 4);
}

static void check_direction(const json_t *vector, size_t index)
{
    sam_directions *directions = open_directions(vector, 1000);
    const sam_direction direction = {(uint32_t)integer(vector, "epoch"), hex(vector, "number")};
    float z[40];
    assert_true(sam_directions_set_epochs(directions, direction.epoch + 1));
    sam_directions_probe(directions, direction, (uint64_t)integer(vector, "first"), 40, z);
    float unit = sam_directions_sized(directions) ? 32.0f : 1.0f;
    size_t i;
    json_t *wanted;
    json_array_foreach(member(vector, "z"), i, wanted)
    {
        if ((int64_t)(z[i] * unit) != json_integer_value(wanted))
            fail_msg("direction %zu, element %zu: %g", index, i, (double)z[i]);
    }
    if (strcmp(text(member(vector, "directions"), "family"), "sketch") == 0)
        check_walk(directions, direction, hex(vector, "direction"));
    sam_directions_free(directions);
}

static void directions_point_where_the_golden_ones_do(void **state)
{
    size_t index;
    json_t *vector;
    json_array_foreach(member(*state, "directions"), index, vector) check_direction(vector, index);
    assert_int_equal(index, 18);
}

static void check_samples(const json_t *vector, sam_sampler *sampler)
{
    size_t size = (size_t)integer(vector, "batch"), i;
    uint32_t batch[16];
    assert_true(size <= 16);
    json_t *number;
    json_array_foreach(member(vector, "numbers"), i, number)
    {
        sam_sampler_batch(sampler, hex_value(number), size, batch);
        const json_t *wanted = json_array_get(member(vector, "minibatches"), i);
        for (size_t b = 0; b < size; b++)
            assert_int_equal(batch[b], json_integer_value(json_array_get(wanted, b)));
    }
}

static void minibatches_hold_their_golden_examples(void **state)
{
    size_t index;
    json_t *vector;
    json_array_foreach(member(*state, "samplers"), index, vector)
    {
        size_t examples = (size_t)integer(vector, "examples");
        const json_t *labels = member(vector, "labels");
        uint32_t classes[64];
        assert_true(examples <= 64);
        for (size_t i = 0; i < json_array_size(labels); i++)
            classes[i] = (uint32_t)json_integer_value(json_array_get(labels, i));
        sam_sampler *sampler = sam_sampler_new(decimal(vector, "seed"), json_is_null(labels) ? NULL : classes, examples,
                                               (uint32_t)integer(vector, "classes"));
        assert_non_null(sampler);
        check_samples(vector, sampler);
        sam_sampler_free(sampler);
    }
    assert_true(index >= 4);
}

/* ---- whole runs ---- */

/* Where a failing test stands. */
typedef struct where {
    size_t run, round;
} where;

static void check_state_digest(const sam_directions *directions, const char *wanted, where at)
{
    size_t length = (size_t)sam_directions_state_bytes(directions);
    uint8_t *bytes = malloc(length);
    assert_non_null(bytes);
    sam_directions_state_read(directions, 0, length, bytes);
    sam_digest digest;
    char digits[SAM_DIGEST_HEX];
    sam_digest_of(&digest, bytes, length);
    sam_digest_hex(digits, &digest);
    free(bytes);
    if (strcmp(digits, wanted) != 0)
        fail_msg("run %zu, round %zu: the state's digest is %s, golden %s", at.run, at.round, digits, wanted);
}

static void check_one_weight(uint32_t weight, const json_t *wanted, where at)
{
    if (weight != json_integer_value(wanted))
        fail_msg("run %zu, round %zu: a record has the weight %u, golden %lld", at.run, at.round, weight,
                 (long long)json_integer_value(wanted));
}

static void check_move(const sam_move *move, const json_t *wanted, where at)
{
    uint64_t epoch = (uint64_t)json_integer_value(json_array_get(wanted, 0));
    uint64_t number = (uint64_t)json_integer_value(json_array_get(wanted, 1));
    int64_t amount = json_integer_value(json_array_get(wanted, 2));
    if (move->direction.epoch != epoch || move->direction.number != number || move->amount != amount)
        fail_msg("run %zu, round %zu: number %llu of epoch %u moves by %lld, golden %llu, %llu, %lld", at.run, at.round,
                 (unsigned long long)move->direction.number, move->direction.epoch, (long long)move->amount,
                 (unsigned long long)number, (unsigned long long)epoch, (long long)amount);
}

static void read_record(exact_record *record, uint8_t codes[PROBES_MAX], const json_t *golden)
{
    assert_true(sam_unhex(codes, PROBES_MAX, json_string_value(json_array_get(golden, 2))));
    *record = (exact_record){(uint64_t)json_integer_value(json_array_get(golden, 0)),
                             (uint32_t)json_integer_value(json_array_get(golden, 1)), codes};
}

static void move_state(sam_directions *directions, uint32_t epoch, const sam_move *moves, size_t count)
{
    assert_true(sam_directions_move(directions, moves, count));
    if (sam_directions_epochs(directions) <= epoch)
        assert_true(sam_directions_set_epochs(directions, epoch + 1));
}

static void check_round(const json_t *golden, exact_rounds *rounds, sam_directions *directions, where at)
{
    const json_t *from = member(golden, "records"), *wanted = member(golden, "moves");
    exact_record records[EXACT_RECORDS_MAX];
    uint8_t codes[EXACT_RECORDS_MAX][PROBES_MAX];
    uint32_t weights[EXACT_RECORDS_MAX];
    sam_move moves[EXACT_RECORDS_MAX * PROBES_MAX];
    uint64_t number = (uint64_t)integer(golden, "round");
    size_t count = json_array_size(from);
    assert_true(count <= EXACT_RECORDS_MAX);
    for (size_t i = 0; i < count; i++)
        read_record(&records[i], codes[i], json_array_get(from, i));
    assert_true(exact_rounds_put(rounds, number, records, count, weights, moves));
    for (size_t i = 0; i < count; i++)
        check_one_weight(weights[i], json_array_get(member(golden, "weights"), i), at);
    assert_int_equal(json_array_size(wanted), count * PROBES_MAX);
    for (size_t i = 0; i < count * PROBES_MAX; i++)
        check_move(&moves[i], json_array_get(wanted, i), at);
    sam_scale scale = exact_rounds_scale(rounds, number + 1);
    assert_int_equal(scale.mean_square, hex(golden, "mean_square"));
    assert_int_equal(scale.rounds_seen, integer(golden, "rounds_seen"));
    move_state(directions, sam_epoch_of(&rounds->numbering, number), moves, count * PROBES_MAX);
    check_state_digest(directions, text(golden, "digest"), at);
}

static void check_weights(const json_t *weights, const sam_directions *directions, size_t run)
{
    size_t i;
    json_t *bits;
    json_array_foreach(member(weights, "base"), i, bits)
    {
        uint32_t from = (uint32_t)hex_value(bits), to;
        float base, theta;
        memcpy(&base, &from, sizeof base);
        sam_directions_weights(directions, (uint64_t)integer(weights, "first") + i, 1, &base, &theta);
        memcpy(&to, &theta, sizeof to);
        if (to != hex_value(json_array_get(member(weights, "theta"), i)))
            fail_msg("run %zu: weight %zu is %08x", run, i, to);
    }
}

static void whole_runs_agree_in_every_round_and_weight(void **state)
{
    size_t number, i;
    json_t *run, *round;
    json_array_foreach(member(*state, "runs"), number, run)
    {
        const json_t *manifest = member(run, "manifest");
        exact_rounds rounds = rounds_of(manifest);
        assert_int_equal(rounds.numbering.probes, PROBES_MAX);
        sam_directions *directions = open_directions(manifest, (uint64_t)integer(run, "parameters"));
        json_array_foreach(member(run, "rounds"), i, round) check_round(round, &rounds, directions, (where){number, i});
        check_weights(member(run, "weights"), directions, number);
        sam_directions_free(directions);
    }
    assert_int_equal(number, 37);
}

static int load(void **state)
{
    json_error_t err;
    *state = json_load_file(GOLDEN_FILE, 0, &err);
    if (*state == NULL)
        print_error("%s:%d: %s\n", GOLDEN_FILE, err.line, err.text);
    return *state == NULL ? -1 : 0;
}

static int unload(void **state)
{
    json_decref(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_gives_the_published_words),
        cmocka_unit_test(every_code_has_its_golden_value),
        cmocka_unit_test(floats_encode_to_their_golden_codes),
        cmocka_unit_test(schedules_give_their_golden_shares),
        cmocka_unit_test(places_have_their_golden_numbers),
        cmocka_unit_test(directions_point_where_the_golden_ones_do),
        cmocka_unit_test(minibatches_hold_their_golden_examples),
        cmocka_unit_test(whole_runs_agree_in_every_round_and_weight),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
