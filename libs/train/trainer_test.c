#include "train/trainer.h"

#include "seed/code.h"
#include "train/test_definitions.h"
#include "train/test_training.h"

typedef struct station {
    sam_engine *engine;
    sam_replica *replica;
    sam_trainer *trainer;
} station;

static station new_station(const test_training *t, unsigned threads, const char *cache)
{
    station made;
    sam_error err = {0};
    const sam_engine_options options = {.threads = threads, .kernel = "portable"};
    if (sam_engine_new(&made.engine, t->model, &options, &err) != SAM_OK ||
        sam_replica_new(&made.replica, t->model, &t->manifest, &err) != SAM_OK)
        fail_msg("%s", err.text);
    const sam_trainer_parts parts = {made.engine, made.replica, &t->manifest, t->data, cache};
    if (sam_trainer_new(&made.trainer, &parts, &err) != SAM_OK)
        fail_msg("%s", err.text);
    return made;
}

static void free_station(station *s)
{
    sam_trainer_free(s->trainer);
    sam_replica_free(s->replica);
    sam_engine_free(s->engine);
}

static sam_record record_of(station *s, uint64_t round, uint32_t place)
{
    sam_record record = {.round = round, .place = place, .author = 1};
    sam_error err = {0};
    if (sam_trainer_record(s->trainer, &record, &err) != SAM_OK)
        fail_msg("%s", err.text);
    return record;
}

/* Works `rounds` rounds off by itself. */
static void train(const test_training *t, station *s, uint64_t rounds)
{
    sam_error err = {0};
    for (uint64_t r = sam_replica_rounds(s->replica); r < rounds; r++) {
        sam_round round = {.number = r};
        for (uint32_t slot = 0; slot < t->manifest.slots; slot++) {
            const sam_record record = record_of(s, r, slot);
            assert_int_equal(sam_round_add(&round, &record, &err), SAM_OK);
        }
        assert_int_equal(sam_replica_put(s->replica, r, round.records, round.record_count, &err), SAM_OK);
        sam_round_free(&round);
    }
    assert_int_equal(sam_replica_seek(s->replica, rounds, &err), SAM_OK);
}

static void expect_same_state(const station *a, const station *b)
{
    sam_digest left, right;
    sam_replica_digest(a->replica, &left);
    sam_replica_digest(b->replica, &right);
    assert_memory_equal(left.bytes, right.bytes, SAM_DIGEST_BYTES);
}

static void a_run_is_the_same_with_any_threads_and_with_cached_activations(void **state)
{
    (void)state;
    test_training t;
    test_training_make(&t, SAM_OBJECTIVE_CHOICE);
    char cache[256];
    test_path(cache, sizeof cache, &t.folder, "cache");
    station one = new_station(&t, 1, NULL), many = new_station(&t, 3, cache);
    train(&t, &one, 6);
    train(&t, &many, 3);
    free_station(&many);
    many = new_station(&t, 2, cache); /* starts anew and finds the activations of the first */
    train(&t, &many, 6);
    expect_same_state(&one, &many);
    free_station(&one);
    free_station(&many);
    test_training_free(&t);
}

/* Micronats over all of the data, at the present state. */
static uint64_t loss_of(const test_training *t, station *s)
{
    sam_outcome outcomes[TEST_EXAMPLES];
    sam_error err = {0};
    if (sam_trainer_evaluate(s->trainer, t->data, 0, TEST_EXAMPLES, outcomes, &err) != SAM_OK)
        fail_msg("%s", err.text);
    return sam_evaluation_of(t->data, 0, TEST_EXAMPLES, outcomes, 0).loss_micro;
}

typedef struct variety {
    sam_objective objective;
    sam_estimator estimator;
    sam_family family;
    int eta_log2;
} variety;

static const variety VARIETIES[] = {
    {SAM_OBJECTIVE_CHOICE, SAM_TWO_POINT, SAM_SKETCH, -30},
    {SAM_OBJECTIVE_CHOICE, SAM_ONE_SIDED, SAM_SKETCH, -30},
    {SAM_OBJECTIVE_CHOICE, SAM_TWO_POINT, SAM_DENSE_RADEMACHER, -24},
    {SAM_OBJECTIVE_CHOICE, SAM_TWO_POINT, SAM_DENSE_GAUSSIAN, -24},
    {SAM_OBJECTIVE_CHOICE, SAM_ONE_SIDED, SAM_DENSE_GAUSSIAN, -24},
    {SAM_OBJECTIVE_COMPLETION, SAM_TWO_POINT, SAM_SKETCH, -30},
};

static void make_variety(test_training *t, const variety *v)
{
    test_training_make(t, v->objective);
    t->manifest.estimator = v->estimator;
    t->manifest.directions.family = v->family;
    t->manifest.eta_log2 = v->eta_log2;
    t->manifest.size.rate = sam_rate_of(0.003, v->eta_log2);
}

static void estimators_families_and_objectives_learn_the_training_data(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof VARIETIES / sizeof VARIETIES[0]; i++) {
        test_training t;
        make_variety(&t, &VARIETIES[i]);
        station s = new_station(&t, 2, NULL);
        uint64_t before = loss_of(&t, &s);
        train(&t, &s, 30);
        uint64_t after = loss_of(&t, &s);
        if (after >= before * 9 / 10)
            fail_msg("variety %zu: the loss went from %llu to %llu millionths", i, (unsigned long long)before,
                     (unsigned long long)after);
        free_station(&s);
        test_training_free(&t);
    }
}

/* ---- by the published definition ---- */

/* Scalars of a slot's probes, each from its own losses of the whole data: Spall 1992, (L+ - L-) / (2 eps); FZOO
 * (2506.09034), (L+ - mean of all L+) / eps. Returns the mean of all losses that the estimator looks at. */
static double plain_scalars(const test_training *t, const station *s, test_plain *plain, uint64_t first_probe,
                            double *scalars)
{
    const uint32_t probes = t->manifest.probes;
    double epsilon = sam_manifest_epsilon(&t->manifest), mean = 0, other_mean = 0;
    bool two_point = t->manifest.estimator == SAM_TWO_POINT;
    for (uint32_t p = 0; p < probes; p++) {
        const sam_weight_source plus = test_plain_weights(plain, first_probe + p, epsilon);
        scalars[p] = test_plain_loss(s->engine, &plus, t->manifest.objective, t->data);
        mean += scalars[p] / probes;
    }
    for (uint32_t p = 0; p < probes; p++) {
        const sam_weight_source minus = test_plain_weights(plain, first_probe + p, -epsilon);
        double other = test_plain_loss(s->engine, &minus, t->manifest.objective, t->data);
        other_mean += other / probes;
        scalars[p] = two_point ? (scalars[p] - other) / (2 * epsilon) : (scalars[p] - mean) / epsilon;
    }
    return two_point ? (mean + other_mean) / 2 : mean;
}

/* Checks the record of a slot at a state that is not the base; how many of its codes are just those of the definition.
 */
static unsigned compare_codes(const test_training *t, station *s)
{
    enum { ROUND = 8, SLOT = 1 };
    double scalars[8];
    unsigned same = 0;
    int64_t *integers = sam_alloc(sam_replica_state_count(s->replica), sizeof *integers);
    test_plain plain;
    train(t, s, ROUND);
    sam_replica_state_get(s->replica, integers);
    test_plain_make(&plain, t->model, &t->manifest, integers);
    double loss =
        plain_scalars(t, s, &plain, (ROUND * (uint64_t)t->manifest.slots + SLOT) * t->manifest.probes, scalars);
    const sam_record record = record_of(s, ROUND, SLOT);
    assert_int_equal(record.code_count, t->manifest.probes);
    assert_true(fabs(record.loss / 256.0 - loss) < 1.0 / 256);
    for (uint32_t p = 0; p < t->manifest.probes; p++) {
        uint8_t code = test_plain_code(scalars[p] / sam_manifest_quantum(&t->manifest));
        if (sam_code_steps(record.codes[p], code) > 1)
            fail_msg("probe %u: code %02x, by definition %02x, of the scalar %g", p, record.codes[p], code, scalars[p]);
        same += record.codes[p] == code;
    }
    test_plain_free(&plain);
    sam_free(integers);
    return same;
}

/* Losses are float32 sums, in another order here than there: a code may be one step off, and seldom is. */
static void codes_are_the_loss_differences_of_the_published_definition(void **state)
{
    (void)state;
    unsigned codes = 0, same = 0;
    for (size_t i = 0; i < sizeof VARIETIES / sizeof VARIETIES[0]; i++) {
        test_training t;
        make_variety(&t, &VARIETIES[i]);
        t.manifest.probes = 4;
        t.manifest.balance = false;
        t.manifest.batch = TEST_EXAMPLES; /* the minibatch is all of the data, in some order */
        station s = new_station(&t, 2, NULL);
        same += compare_codes(&t, &s);
        codes += t.manifest.probes;
        free_station(&s);
        test_training_free(&t);
    }
    if (same * 10 < codes * 9)
        fail_msg("%u of %u codes are those of the definition", same, codes);
}

static void what_the_run_or_the_replica_does_not_have_is_refused(void **state)
{
    (void)state;
    test_training t;
    test_training_make(&t, SAM_OBJECTIVE_CHOICE);
    station s = new_station(&t, 1, NULL);
    sam_record later = {.round = 1}, beside = {.place = 2}, beyond = {.round = t.manifest.rounds};
    sam_error err;
    assert_int_equal(sam_trainer_record(s.trainer, &later, &err), SAM_NOT_FOUND); /* round 0 is not known */
    assert_int_equal(sam_trainer_record(s.trainer, &beside, &err), SAM_CONFLICT);
    assert_int_equal(sam_trainer_record(s.trainer, &beyond, &err), SAM_CONFLICT);
    free_station(&s);
    test_training_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_is_the_same_with_any_threads_and_with_cached_activations),
        cmocka_unit_test(estimators_families_and_objectives_learn_the_training_data),
        cmocka_unit_test(codes_are_the_loss_differences_of_the_published_definition),
        cmocka_unit_test(what_the_run_or_the_replica_does_not_have_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
