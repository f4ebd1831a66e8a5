#include "train/evaluation.h"

#include "train/test_training.h"

typedef struct watched {
    size_t calls, last, stop_at;
} watched;

static bool watch(void *user, size_t done, size_t total)
{
    watched *w = user;
    assert_int_equal(total, TEST_EXAMPLES);
    w->calls++;
    w->last = done;
    return done < w->stop_at;
}

typedef struct stage {
    test_training training;
    sam_engine *engine;
    sam_replica *replica;
    sam_trainer *trainer;
} stage;

static void open_stage(stage *s)
{
    sam_error err = {0};
    test_training_make(&s->training, SAM_OBJECTIVE_CHOICE);
    const sam_engine_options options = {.threads = 1, .kernel = "portable"};
    if (sam_engine_new(&s->engine, s->training.model, &options, &err) != SAM_OK ||
        sam_replica_new(&s->replica, s->training.model, &s->training.manifest, &err) != SAM_OK)
        fail_msg("%s", err.text);
    const sam_trainer_parts parts = {.engine = s->engine, .replica = s->replica, .manifest = &s->training.manifest};
    assert_int_equal(sam_trainer_new(&s->trainer, &parts, &err), SAM_OK);
}

static void close_stage(stage *s)
{
    sam_trainer_free(s->trainer);
    sam_replica_free(s->replica);
    sam_engine_free(s->engine);
    test_training_free(&s->training);
}

static void a_whole_data_set_has_the_outcomes_of_its_examples(void **state)
{
    stage s;
    sam_outcome all[TEST_EXAMPLES], one;
    watched w = {.stop_at = SIZE_MAX};
    const sam_progress progress = {watch, &w};
    sam_error err = {0};
    (void)state;
    open_stage(&s);
    assert_int_equal(sam_evaluate(s.trainer, s.training.data, all, &progress, &err), SAM_OK);
    assert_true(w.calls >= 2 && w.last == TEST_EXAMPLES);
    for (size_t e = 0; e < TEST_EXAMPLES; e++) {
        assert_int_equal(sam_trainer_evaluate(s.trainer, s.training.data, e, 1, &one, &err), SAM_OK);
        assert_true(one.loss == all[e].loss && one.answer == all[e].answer && one.margin == all[e].margin);
    }
    close_stage(&s);
}

static void it_ends_when_its_watcher_says_so(void **state)
{
    stage s;
    sam_outcome all[TEST_EXAMPLES];
    const size_t moments[] = {0, TEST_EXAMPLES};
    (void)state;
    open_stage(&s);
    for (size_t i = 0; i < 2; i++) {
        watched w = {.stop_at = moments[i]};
        const sam_progress progress = {watch, &w};
        sam_error err = {0};
        assert_int_equal(sam_evaluate(s.trainer, s.training.data, all, &progress, &err), SAM_CANCELLED);
        assert_non_null(strstr(err.text, "of 24 examples"));
    }
    close_stage(&s);
}

static void nobody_need_watch(void **state)
{
    stage s;
    sam_outcome all[TEST_EXAMPLES];
    sam_error err = {0};
    (void)state;
    open_stage(&s);
    assert_int_equal(sam_evaluate(s.trainer, s.training.data, all, NULL, &err), SAM_OK);
    close_stage(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_data_set_has_the_outcomes_of_its_examples),
        cmocka_unit_test(it_ends_when_its_watcher_says_so),
        cmocka_unit_test(nobody_need_watch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
