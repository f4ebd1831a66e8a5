/* libs/seed against docs/formats/golden/exact-zone.json, which the Python implementation of the exact zone wrote. */
#include "base/digest.h"
#include "base/text.h"
#include "seed/code.h"
#include "seed/directions/directions.h"
#include "seed/numbering.h"
#include "seed/philox.h"
#include "seed/sampler.h"
#include "seed/update.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define GOLDEN_FILE SAMARA_SOURCE "/docs/formats/golden/exact-zone.json"
#define ROUND_CODES 8 /* slots x probes of the golden runs */

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

static sam_directions *open_family(const json_t *vector, uint64_t parameters, int eta_log2)
{
    static const char *const NAMES[] = {"sketch", "rademacher", "gaussian"};
    const sam_directions_tensor tensor = {0, 1, parameters};
    const sam_directions_spec spec = {
        .family = (sam_family)choice(vector, "family", NAMES, 3),
        .log2_k = (unsigned)integer(vector, "log2_k"),
        .log2_pool = (unsigned)integer(vector, "log2_pool"),
        .seed = hex(vector, "seed"),
        .eta_log2 = eta_log2,
        .tensors = &tensor,
        .tensor_count = 1,
    };
    sam_directions *directions = sam_directions_new(&spec);
    assert_non_null(directions);
    return directions;
}

static sam_update_spec update_spec(const json_t *run)
{
    static const char *const NORMALISERS[] = {"none", "running", "first"};
    static const char *const GUARDS[] = {"clip", "trimmed", "median"};
    return (sam_update_spec){
        .rate = (uint64_t)integer(run, "rate"),
        .schedule = {schedule_kind(run, "schedule"), (uint64_t)integer(run, "warmup"),
                     (uint64_t)integer(run, "horizon"), (uint32_t)integer(run, "floor")},
        .normaliser = {(sam_normaliser_kind)choice(run, "normaliser", NORMALISERS, 3), (uint32_t)integer(run, "shift"),
                       (uint32_t)integer(run, "window")},
        .guard = {(sam_guard_kind)choice(run, "guard", GUARDS, 3), (uint32_t)integer(run, "clip"),
                  (uint32_t)integer(run, "trim"), (uint32_t)integer(run, "cap")},
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
    assert_int_equal(sam_walk_at(&walk, probe.number, sam_directions_log2_size(spec)), wanted);
}

static void probes_point_where_the_golden_ones_do(void **state)
{
    size_t index, i;
    json_t *vector, *wanted;
    json_array_foreach(member(*state, "probes"), index, vector)
    {
        uint64_t first = hex(vector, "first");
        sam_directions *directions = open_family(vector, 1000, -20);
        float z[40];
        const sam_direction probe = {(uint32_t)integer(vector, "epoch"), hex(vector, "probe")};
        assert_true(sam_directions_set_epochs(directions, probe.epoch + 1));
        sam_directions_probe(directions, probe, first, 40, z);
        float unit = sam_directions_sized(directions) ? 32.0f : 1.0f;
        json_array_foreach(member(vector, "z"), i, wanted)
        {
            if ((int64_t)(z[i] * unit) != json_integer_value(wanted))
                fail_msg("probe vector %zu, element %zu: %g", index, i, (double)z[i]);
        }
        if (strcmp(text(vector, "family"), "sketch") == 0)
            check_walk(directions, probe, hex(vector, "direction"));
        sam_directions_free(directions);
    }
    assert_int_equal(index, 18);
}

static void check_samples(const json_t *vector, sam_sampler *sampler)
{
    uint64_t slots = (uint64_t)integer(vector, "slots");
    size_t size = (size_t)integer(vector, "batch"), i;
    uint32_t batch[16];
    assert_true(size <= 16);
    json_t *round;
    json_array_foreach(member(vector, "rounds"), i, round)
    {
        for (uint64_t slot = 0; slot < slots; slot++) {
            sam_sampler_batch(sampler, (uint64_t)json_integer_value(round) * slots + slot, size, batch);
            const json_t *wanted = json_array_get(json_array_get(member(vector, "batches"), i), (size_t)slot);
            for (size_t b = 0; b < size; b++)
                assert_int_equal(batch[b], json_integer_value(json_array_get(wanted, b)));
        }
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
        sam_sampler *sampler = sam_sampler_new(hex(vector, "seed"), json_is_null(labels) ? NULL : classes, examples,
                                               (uint32_t)integer(vector, "classes"));
        assert_non_null(sampler);
        check_samples(vector, sampler);
        sam_sampler_free(sampler);
    }
    assert_true(index >= 4);
}

/* ---- whole runs ---- */

/* `length` bytes at the end: a golden run has one epoch, whose state is the last. */
static void check_state_digest(const sam_directions *directions, size_t length, const char *wanted, size_t run,
                               size_t round)
{
    uint8_t *bytes = malloc(length);
    assert_non_null(bytes);
    sam_directions_state_read(directions, sam_directions_state_bytes(directions) - length, length, bytes);
    sam_digest digest;
    char digits[SAM_DIGEST_HEX];
    sam_digest_of(&digest, bytes, length);
    sam_digest_hex(digits, &digest);
    free(bytes);
    if (strcmp(digits, wanted) != 0)
        fail_msg("run %zu, round %zu: the state's digest is %s, golden %s", run, round, digits, wanted);
}

static void check_amounts(const json_t *wanted, const int64_t *amounts, size_t run, size_t round)
{
    for (size_t i = 0; i < ROUND_CODES; i++) {
        int64_t golden = json_integer_value(json_array_get(wanted, i));
        if (amounts[i] != golden)
            fail_msg("run %zu, round %zu, value %zu: amount %lld, golden %lld", run, round, i, (long long)amounts[i],
                     (long long)golden);
    }
}

static void check_round(const json_t *run, size_t number, size_t i, sam_update_state *carried,
                        sam_directions *directions, size_t state_bytes)
{
    uint32_t epoch = (uint32_t)integer(run, "epoch");
    const json_t *round = json_array_get(member(run, "rounds"), i);
    const sam_update_spec spec = update_spec(run);
    uint64_t r = hex(run, "first_round") + i;
    uint8_t codes[ROUND_CODES];
    int64_t amounts[ROUND_CODES];
    sam_move moves[ROUND_CODES];
    assert_true(sam_unhex(codes, ROUND_CODES, text(round, "codes")));
    assert_true(sam_update_round(&spec, carried, r, codes, (size_t)integer(run, "slots"),
                                 (size_t)integer(run, "probes"), amounts));
    assert_int_equal(carried->mean_square, hex(round, "mean_square"));
    assert_int_equal(carried->rounds_seen, integer(round, "rounds_seen"));
    check_amounts(member(round, "amounts"), amounts, number, i);
    for (size_t m = 0; m < ROUND_CODES; m++)
        moves[m] = (sam_move){{epoch, r * ROUND_CODES + m}, amounts[m]};
    assert_true(sam_directions_move(directions, moves, ROUND_CODES));
    check_state_digest(directions, state_bytes, text(round, "digest"), number, i);
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
    size_t number;
    json_t *run;
    json_array_foreach(member(*state, "runs"), number, run)
    {
        assert_int_equal(integer(run, "slots") * integer(run, "probes"), ROUND_CODES);
        sam_directions *directions =
            open_family(run, (uint64_t)integer(run, "parameters"), (int)integer(run, "eta_log2"));
        size_t state_bytes = (size_t)sam_directions_state_bytes(directions);
        sam_update_state carried = {0};
        for (size_t i = 0; i < json_array_size(member(run, "rounds")); i++)
            check_round(run, number, i, &carried, directions, state_bytes);
        check_weights(member(run, "weights"), directions, number);
        sam_directions_free(directions);
    }
    assert_int_equal(number, 12);
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
        cmocka_unit_test(probes_point_where_the_golden_ones_do),
        cmocka_unit_test(minibatches_hold_their_golden_examples),
        cmocka_unit_test(whole_runs_agree_in_every_round_and_weight),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
