#include "run/manifest.h"

#include "run/run_golden.h"
#include "run/test_runs.h"

static const char *const GOLDEN = (const char *)GOLDEN_MANIFEST;

static json_t *golden_json(void)
{
    json_t *root = json_loadb(GOLDEN, sizeof GOLDEN_MANIFEST, 0, NULL);
    assert_non_null(root);
    return root;
}

static sam_status parse_json(sam_manifest **manifest, const json_t *root, size_t flags, sam_error *err)
{
    char *text = json_dumps(root, flags);
    assert_non_null(text);
    sam_status status = sam_manifest_parse(manifest, text, strlen(text), err);
    sam_free(text);
    return status;
}

static void the_golden_manifest_has_the_id_that_python_computed(void **state)
{
    sam_manifest *manifest;
    sam_error err = {0};
    (void)state;
    if (sam_manifest_parse(&manifest, GOLDEN, sizeof GOLDEN_MANIFEST, &err) != SAM_OK)
        fail_msg("%s", err.text);
    assert_string_equal(manifest->id_hex, GOLDEN_ID);
    assert_memory_equal(manifest->text, GOLDEN, sizeof GOLDEN_MANIFEST);
    assert_int_equal(manifest->text_length, sizeof GOLDEN_MANIFEST);
    assert_true(manifest->seed == UINT64_MAX && manifest->rounds == 2000 && manifest->size.rate == 1200000);
    assert_true(manifest->balance && manifest->trainable.norms && !manifest->trainable.embeddings);
    assert_true(manifest->trainable.first_block == 24 && manifest->trainable.end_block == 30);
    assert_int_equal(manifest->size.schedule.kind, SAM_SCHEDULE_INVERSE);
    assert_int_equal(manifest->size.scale.shift, 6);
    assert_true(manifest->mode->number(manifest, 5, 2, 0).direction == (5 * 3 + 2) * 2);
    assert_true(sam_manifest_epsilon(manifest) == 1.0 / 512 && sam_manifest_quantum(manifest) == 1.0 / 256);
    sam_manifest_free(manifest);
}

static void any_spelling_of_a_manifest_has_the_same_id(void **state)
{
    static const size_t FLAGS[] = {JSON_INDENT(4), JSON_ENSURE_ASCII, JSON_COMPACT | JSON_ESCAPE_SLASH};
    json_t *root = golden_json();
    (void)state;
    for (size_t i = 0; i < sizeof FLAGS / sizeof FLAGS[0]; i++) {
        sam_manifest *manifest;
        assert_int_equal(parse_json(&manifest, root, FLAGS[i], NULL), SAM_OK);
        assert_string_equal(manifest->id_hex, GOLDEN_ID);
        sam_manifest_free(manifest);
    }
    json_decref(root);
}

/* Puts `value` (JSON) at "name" or "group.name"; NULL takes the member out. */
static void put_at(json_t *root, const char *path, const char *value)
{
    char group[32] = "";
    const char *dot = strchr(path, '.'), *key = dot == NULL ? path : dot + 1;
    if (dot != NULL)
        snprintf(group, sizeof group, "%.*s", (int)(dot - path), path);
    json_t *object = dot == NULL ? root : json_object_get(root, group);
    if (value == NULL)
        json_object_del(object, key);
    else
        json_object_set_new(object, key, json_loads(value, JSON_DECODE_ANY, NULL));
}

/* The sentence names `path` first, and holds `demand`. */
static void expect_refusal(const char *path, const char *value, const char *named, const char *demand)
{
    sam_manifest *manifest;
    sam_error err = {0};
    json_t *root = golden_json();
    put_at(root, path, value);
    sam_status status = parse_json(&manifest, root, 0, &err);
    if (status != SAM_INVALID || manifest != NULL || strncmp(err.text, named, strlen(named)) != 0 ||
        strstr(err.text, demand) == NULL)
        fail_msg("%s = %s: status %s, \"%s\"", path, value == NULL ? "(none)" : value, sam_status_name(status),
                 err.text);
    json_decref(root);
}

static void a_wrong_field_is_named_with_what_it_must_be(void **state)
{
    static const char *const CASES[][3] = {
        {"format", "\"samara-run/1\"", "\"samara-run/2\""},
        {"name", "\"\"", "a line of 1 to 200 bytes"},
        {"name", "\"two\\nlines\"", "a line"},
        {"mode", "\"async\"", "must be \"sync\""},
        {"mode", "\"federated\"", ", and is \"federated\""},
        {"mode", "\"flood\"", ", and is \"flood\""},
        {"objective", "7", "\"choice\""},
        {"objective", "\"metric\"", ", and is \"metric\""},
        {"estimator", "null", "\"two-point\" or \"one-sided\""},
        {"base", "\"ABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABAB\"", "lower-case"},
        {"data.dev", "\"abc\"", "64 lower-case hexadecimal digits"},
        {"task", "[]", "an object"},
        {"seed", "7", "as a decimal string"},
        {"seed", "\"18446744073709551616\"", "from 0 to 18446744073709551615"},
        {"seed", "\"007\"", "decimal string"},
        {"rounds", "\"0\"", "from 1 to"},
        {"slots", "0", "a whole number from 1 to 4096, and is 0"},
        {"slots", "4097", "4096"},
        {"probes", "257", "256"},
        {"batch", "\"16\"", "65536"},
        {"balance", "1", "true or false"},
        {"epsilon.log2", "1", "from -40 to 0"},
        {"epsilon.log2", "-41", "from -40 to 0"},
        {"epsilon.units", "0", "from 1 to 65535"},
        {"quantum_log2", "21", "from -60 to 20"},
        {"directions.family", "\"lora\"", "\"sketch\""},
        {"directions.log2_k", "27", "from 6 to 26"},
        {"eta_log2", "-61", "from -60 to 0"},
        {"trainable.blocks", "[5,4]", "first <= end"},
        {"trainable.blocks", "[1]", "first <= end"},
        {"trainable.blocks", "[7,7]", "must not be empty"},
        {"trainable.norms", "null", "true or false"},
        {"rate", "\"1099511627777\"", "1099511627776"},
        {"schedule.kind", "\"step\"", "\"inverse\""},
        {"schedule.floor", "65537", "65536"},
        {"scale.shift", "21", "from 0 to 20"},
        {"scale.kind", "\"none\"", "\"fixed\", \"running\" or \"first\""},
        {"lag", "0", "from 1 to 64"},
        {"lag", "65", "from 1 to 64"},
        {"directions.epoch_rounds", "3", "as a decimal string"},
        {"directions.epoch_rounds", "\"0\"", "from 1 to"},
        {"guard.clip", "255", "from 256 to 16777216"},
        {"evaluation.chunks", "0", "from 1 to 1024"},
        {"lease_ms", "99", "from 100 to 86400000"},
        {"lease_ms", "-1", "from 100 to 86400000"},
        {"quorum", "{\"after_ms\":0,\"slots\":1}", "from 1 to 86400000"},
        {"quorum", "{\"after_ms\":9,\"slots\":0}", "from 1 to 4096"},
        {"quorum", "{\"after_ms\":9,\"slots\":5}", "not more slots than a round (3)"},
        {"quorum", "{\"after_ms\":9}", "must have after_ms and slots"},
        {"quorum", "{}", "is not a field"},
        {"quorum", "3", "is not a field"},
        {"verify_rate", "0", "from 1 to 256"},
        {"verify_rate", "257", "from 1 to 256"},
        {"kernel", "\"\"", "a line of 1 to 200 bytes"},
        {"privacy", "{\"clip\":9,\"period\":1}", "must have clip, period and sigma"},
        {"privacy", "{\"clip\":9,\"period\":1,\"sigma\":0}", "from 1 to 1048576"},
        {"signed", "false", "must be true, or left out"},
        {"signed", "1", "must be true, or left out"},
        {"kernel", "7", "a line of 1 to 200 bytes"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++)
        expect_refusal(CASES[i][0], CASES[i][1], CASES[i][0], CASES[i][2]);
}

static void every_field_is_required(void **state)
{
    static const char *const GROUPS[] = {"",         "data",  "epsilon", "directions", "trainable",
                                         "schedule", "guard", "scale",   "evaluation"};
    (void)state;
    for (size_t g = 0; g < sizeof GROUPS / sizeof GROUPS[0]; g++) {
        json_t *root = golden_json(), *object = g == 0 ? root : json_object_get(root, GROUPS[g]);
        for (void *i = json_object_iter(object); i != NULL; i = json_object_iter_next(object, i)) {
            char path[64];
            snprintf(path, sizeof path, "%s%s%s", GROUPS[g], g == 0 ? "" : ".", json_object_iter_key(i));
            expect_refusal(path, NULL, path, "missing");
        }
        json_decref(root);
    }
}

static void an_unknown_field_is_refused_by_name(void **state)
{
    static const char *const PATHS[] = {"colour",     "data.test",    "epsilon.",  "directions.log2_pool",
                                        "normaliser", "scale.window", "guard.trim"};
    (void)state;
    for (size_t i = 0; i < sizeof PATHS / sizeof PATHS[0]; i++)
        expect_refusal(PATHS[i], "1", PATHS[i], "is not a field");
}

static void a_repeated_member_is_refused(void **state)
{
    const char *text = "{\"slots\":1,\"slots\":2}";
    sam_manifest *manifest;
    sam_error err = {0};
    (void)state;
    assert_int_equal(sam_manifest_parse(&manifest, text, strlen(text), &err), SAM_INVALID);
    assert_non_null(strstr(err.text, "duplicate"));
}

/* A draft of any kinds, each number within its bounds. */
static sam_manifest any_draft(uint64_t *random)
{
    static char kernel[] = "avx2";
    sam_manifest draft = test_draft();
    draft.objective = (sam_objective)test_below(random, 2);
    draft.estimator = (sam_estimator)test_below(random, 2);
    draft.seed = test_any_u64(random);
    draft.rounds = 1 + test_below(random, SAM_ROUNDS_MAX);
    draft.slots = 1 + (uint32_t)test_below(random, SAM_SLOTS_MAX);
    draft.probes = 2 + (uint32_t)test_below(random, SAM_PROBES_MAX - 1);
    draft.balance = test_below(random, 2);
    draft.epsilon_log2 = -(int)test_below(random, 41);
    draft.quantum_log2 = 20 - (int)test_below(random, 81);
    draft.directions.family = (sam_family)test_below(random, 3);
    draft.directions.log2_k = draft.directions.family == SAM_SKETCH ? 6 + (uint32_t)test_below(random, 21) : 0;
    draft.directions.log2_pool = draft.directions.family == SAM_SKETCH ? 0 : (uint32_t)test_below(random, 41);
    draft.size.rate = 1 + test_below(random, (uint64_t)1 << 40);
    draft.size.schedule.kind = (sam_schedule_kind)test_below(random, 4);
    draft.size.schedule.horizon = test_below(random, SAM_ROUNDS_MAX);
    draft.size.scale.kind = (sam_scale_kind)test_below(random, 3);
    draft.size.scale.rms = draft.size.scale.kind == SAM_SCALE_FIXED ? 1u << 26 : 0;
    draft.size.scale.shift = draft.size.scale.kind == SAM_SCALE_RUNNING ? 20 : 0;
    draft.size.scale.window = draft.size.scale.kind == SAM_SCALE_FIRST ? 1u << 31 : 0;
    draft.guard.kind = (sam_guard_kind)test_below(random, 3);
    draft.guard.trim = draft.guard.kind == SAM_GUARD_TRIMMED ? 128 : 0;
    draft.guard.cap = draft.guard.kind == SAM_GUARD_MEDIAN ? 1u << 24 : 0;
    draft.lag = (uint32_t)test_below(random, 2) * SAM_LAG_MAX;
    draft.epoch_rounds = test_below(random, 2) * (1 + draft.rounds / SAM_EPOCHS_MAX);
    draft.quorum.slots = (uint32_t)test_below(random, draft.slots + 1);
    draft.quorum.after_ms = draft.quorum.slots > 0 ? 1 + (uint32_t)test_below(random, 86400000) : 0;
    draft.verify_rate = (uint32_t)test_below(random, 3) * 128;
    draft.kernel = test_below(random, 2) == 0 ? NULL : kernel;
    draft.signed_records = test_below(random, 2);
    if (draft.verify_rate == 0 && test_below(random, 2) == 0) {
        draft.privacy.clip = 1 + (uint32_t)test_below(random, 1000);
        draft.privacy.period = 1 + (uint32_t)test_below(random, 1000);
        draft.privacy.sigma = 1 + (uint32_t)test_below(random, 1000);
    }
    for (size_t i = 0; i < SAM_DIGEST_BYTES; i++)
        draft.base.bytes[i] = (uint8_t)test_random(random);
    return draft;
}

static void what_was_composed_reads_back_the_same(void **state)
{
    uint64_t random = 1;
    (void)state;
    for (int i = 0; i < 300; i++) {
        sam_manifest draft = any_draft(&random), *made, *again;
        sam_error err = {0};
        if (sam_manifest_compose(&made, &draft, &err) != SAM_OK)
            fail_msg("draft %d: %s", i, err.text);
        assert_int_equal(sam_manifest_compose(&again, made, &err), SAM_OK);
        assert_string_equal(made->text, again->text);
        assert_true(made->mode == draft.mode && made->directions.family == draft.directions.family &&
                    made->seed == draft.seed && made->rounds == draft.rounds && made->slots == draft.slots &&
                    made->directions.log2_k == draft.directions.log2_k &&
                    made->directions.log2_pool == draft.directions.log2_pool &&
                    made->quantum_log2 == draft.quantum_log2);
        assert_memory_equal(&made->guard, &draft.guard, sizeof draft.guard);
        assert_memory_equal(&made->size.scale, &draft.size.scale, sizeof draft.size.scale);
        assert_true(made->lag == draft.lag && made->epoch_rounds == draft.epoch_rounds);
        assert_true((draft.lag > 0) == (strstr(made->text, "\"lag\"") != NULL));
        assert_memory_equal(&made->quorum, &draft.quorum, sizeof draft.quorum);
        assert_true(draft.quorum.slots > 0 || strstr(made->text, "quorum") == NULL);
        assert_int_equal(made->verify_rate, draft.verify_rate);
        assert_true(draft.verify_rate > 0 || strstr(made->text, "verify") == NULL);
        assert_memory_equal(&made->privacy, &draft.privacy, sizeof draft.privacy);
        assert_true(draft.privacy.clip > 0 || strstr(made->text, "privacy") == NULL);
        assert_true(made->signed_records == draft.signed_records &&
                    draft.signed_records == (strstr(made->text, "signed") != NULL));
        assert_true(draft.kernel == NULL ? made->kernel == NULL && strstr(made->text, "kernel") == NULL
                                         : strcmp(made->kernel, draft.kernel) == 0);
        assert_memory_equal(&made->base, &draft.base, sizeof draft.base);
        sam_manifest_free(made);
        sam_manifest_free(again);
    }
}

static void a_draft_out_of_bounds_is_refused(void **state)
{
    sam_manifest draft = test_draft(), *manifest;
    sam_error err = {0};
    (void)state;
    draft.directions.family = (sam_family)77;
    assert_int_equal(sam_manifest_compose(&manifest, &draft, &err), SAM_INVALID);
    assert_non_null(strstr(err.text, "directions.family"));
    draft = test_draft();
    draft.task = NULL;
    assert_int_equal(sam_manifest_compose(&manifest, &draft, &err), SAM_INVALID);
    assert_non_null(strstr(err.text, "task"));
    draft = test_draft();
    draft.estimator = SAM_ONE_SIDED;
    draft.probes = 1;
    assert_int_equal(sam_manifest_compose(&manifest, &draft, &err), SAM_INVALID);
    assert_non_null(strstr(err.text, "at least 2"));
}

static void every_cut_is_refused(void **state)
{
    (void)state;
    for (size_t length = 0; length < sizeof GOLDEN_MANIFEST; length++) {
        sam_manifest *manifest;
        assert_int_equal(sam_manifest_parse(&manifest, GOLDEN, length, NULL), SAM_INVALID);
        assert_null(manifest);
    }
}

static void a_flipped_byte_is_refused_or_another_run(void **state)
{
    char text[sizeof GOLDEN_MANIFEST];
    (void)state;
    for (size_t at = 0; at < sizeof text; at++)
        for (unsigned bit = 0; bit < 8; bit++) {
            sam_manifest *manifest;
            memcpy(text, GOLDEN, sizeof text);
            text[at] = (char)(text[at] ^ 1 << bit);
            if (sam_manifest_parse(&manifest, text, sizeof text, NULL) == SAM_OK)
                assert_string_not_equal(manifest->id_hex, GOLDEN_ID);
            sam_manifest_free(manifest);
        }
}

static void a_text_beyond_the_limit_is_refused_before_it_is_read(void **state)
{
    sam_manifest *manifest;
    (void)state;
    assert_int_equal(sam_manifest_parse(&manifest, "", SAM_MANIFEST_MAX + 1, NULL), SAM_TOO_LARGE);
}

static sam_status attempt(sam_error *err)
{
    sam_manifest draft = test_draft(), *manifest;
    sam_status status = sam_manifest_compose(&manifest, &draft, err);
    sam_manifest_free(manifest);
    return status;
}

static void a_failed_allocation_is_said(void **state)
{
    (void)state;
    test_every_allocation(attempt);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_golden_manifest_has_the_id_that_python_computed),
        cmocka_unit_test(any_spelling_of_a_manifest_has_the_same_id),
        cmocka_unit_test(a_wrong_field_is_named_with_what_it_must_be),
        cmocka_unit_test(every_field_is_required),
        cmocka_unit_test(an_unknown_field_is_refused_by_name),
        cmocka_unit_test(a_repeated_member_is_refused),
        cmocka_unit_test(what_was_composed_reads_back_the_same),
        cmocka_unit_test(a_draft_out_of_bounds_is_refused),
        cmocka_unit_test(every_cut_is_refused),
        cmocka_unit_test(a_flipped_byte_is_refused_or_another_run),
        cmocka_unit_test(a_text_beyond_the_limit_is_refused_before_it_is_read),
        cmocka_unit_test(a_failed_allocation_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
