/* samara bench guards: what some hostile workers do to a run, under each guard. A whole run for each pair, in this one
 * process: every slot is computed as a worker would, and those of hostile workers are then replaced.
 *
 *     honest    nobody is hostile                    flip      the right size, the wrong sign
 *     maximum   always the largest code              random    any byte that is a value
 *
 * `checks`: the first slot of each worker and one in eight of the others are computed a second time, and a worker whose
 * codes differ twice by more than a step computes no more: honest ones take over its slots.
 */
#include "base/files.h"
#include "base/memory.h"
#include "base/shutdown.h"
#include "cli/bench/bench.h"
#include "cli/cli.h"
#include "cli/shared/engine_options.h"
#include "cli/shared/material.h"
#include "seed/code.h"
#include "seed/philox.h"
#include "train/defaults.h"
#include "train/evaluation.h"
#include "train/quality/quality.h"
#include "train/trainer.h"

#include <stdio.h>
#include <string.h>

enum { HONEST, FLIP, MAXIMUM, RANDOM, ATTACKS };
enum { CLIP, TRIMMED, MEDIAN, CLIP_CHECKED, MEDIAN_CHECKED, GUARDS };
enum { FAILURES = 2, SLOTS_MOST = 256 };

static const char *const ATTACK_NAMES[ATTACKS] = {"honest", "flip", "maximum", "random"};
static const char *const GUARD_NAMES[GUARDS] = {"clip", "trimmed", "median", "clip, checks", "median, checks"};

typedef struct arguments {
    const char *model, *task, *train, *dev, *kernel;
    sam_precision precision;
    uint64_t rounds, slots, hostile, seed, threads;
    double rate;
    bool json;
} arguments;

typedef struct work {
    arguments args;
    cli_material material;
    sam_engine *engine;
    char *cache;
    uint64_t hostile; /* slots 0..hostile - 1 of each round */
} work;

/* One run. */
typedef struct trial {
    work *of;
    int attack, guard;
    sam_manifest *manifest;
    sam_replica *replica;
    sam_trainer *trainer;
    unsigned failures[SLOTS_MOST]; /* of the worker of each slot */
} trial;

/* ---- hostile codes ---- */

static uint64_t dice(const trial *t, uint64_t round, uint32_t slot, uint32_t what)
{
    uint32_t words[4];
    const sam_philox_counter counter = {{(uint32_t)round, slot, what, (uint32_t)t->attack}};
    sam_philox(words, ~t->of->args.seed, counter);
    return words[0];
}

static uint8_t spoil(const trial *t, uint64_t round, uint32_t slot, uint32_t probe, uint8_t code)
{
    if (t->attack == MAXIMUM)
        return 0x7f;
    if (t->attack == RANDOM) {
        uint8_t byte = (uint8_t)dice(t, round, slot, 1000 + probe);
        return byte == SAM_CODE_NONE ? 0 : byte;
    }
    return t->attack == FLIP && sam_code_value(code) != 0 ? code ^ 0x80 : code;
}

static bool is_hostile(const trial *t, uint32_t slot)
{
    return t->attack != HONEST && slot < t->of->hostile && t->failures[slot] < FAILURES;
}

/* The second opinion is an honest one. */
static void check(trial *t, const sam_record *honest, const uint8_t *sent)
{
    if (t->guard < CLIP_CHECKED || (honest->round > 0 && dice(t, honest->round, honest->place, 1) % 256 >= 32))
        return;
    bool differs = false;
    for (uint32_t p = 0; p < honest->code_count; p++)
        differs = differs || sam_code_steps(honest->codes[p], sent[p]) > 1;
    t->failures[honest->place] += differs;
}

/* ---- one run ---- */

static sam_status compose(trial *t, sam_error *err)
{
    const arguments *args = &t->of->args;
    static const sam_guard KINDS[GUARDS] = {
        [CLIP] = {.kind = SAM_GUARD_CLIP},
        [TRIMMED] = {.kind = SAM_GUARD_TRIMMED, .trim = 64},
        [MEDIAN] = {.kind = SAM_GUARD_MEDIAN, .cap = 512},
        [CLIP_CHECKED] = {.kind = SAM_GUARD_CLIP},
        [MEDIAN_CHECKED] = {.kind = SAM_GUARD_MEDIAN, .cap = 512},
    };
    sam_manifest draft;
    char name[] = "guards";
    sam_default_manifest(&draft, t->of->material.model, SAM_OBJECTIVE_CHOICE);
    draft.name = name;
    draft.task = sam_strdup(sam_task_json(t->of->material.task));
    draft.train = *sam_dataset_digest(t->of->material.data[CLI_TRAIN]);
    draft.dev = *sam_dataset_digest(t->of->material.data[CLI_DEV]);
    draft.seed = args->seed;
    draft.rounds = args->rounds;
    draft.slots = (uint32_t)args->slots;
    draft.guard = KINDS[t->guard];
    if (args->rate > 0)
        draft.size.rate = sam_rate_of(args->rate, draft.eta_log2);
    sam_status status = draft.task == NULL ? sam_fail(err, SAM_NO_MEMORY, "out of memory")
                                           : sam_manifest_compose(&t->manifest, &draft, err);
    sam_free(draft.task);
    return status;
}

static sam_status fill_round(trial *t, sam_round *round, sam_error *err)
{
    sam_status status = SAM_OK;
    uint8_t sent[SAM_PROBES_MAX] = {0};
    for (uint32_t slot = 0; slot < t->manifest->slots && status == SAM_OK; slot++) {
        if (sam_shutdown_requested())
            return sam_fail(err, SAM_CANCELLED, "stopped");
        sam_record record = {.round = round->number, .place = slot, .author = slot + 1};
        status = sam_trainer_record(t->trainer, &record, err);
        if (status != SAM_OK)
            return status;
        if (is_hostile(t, slot)) {
            for (uint32_t p = 0; p < record.code_count; p++)
                sent[p] = spoil(t, round->number, slot, p, record.codes[p]);
            check(t, &record, sent);
            record.codes = sent;
        }
        status = sam_round_add(round, &record, err);
    }
    return status;
}

static sam_status one_round(trial *t, uint64_t number, sam_error *err)
{
    sam_round round = {.number = number};
    sam_status status = fill_round(t, &round, err);
    if (status == SAM_OK)
        status = sam_replica_put(t->replica, number, round.records, round.record_count, err);
    if (status == SAM_OK)
        status = sam_replica_seek(t->replica, number + 1, err);
    sam_round_free(&round);
    return status;
}

static bool go_on(void *user, size_t done, size_t total)
{
    (void)user, (void)done, (void)total;
    return !sam_shutdown_requested();
}

static sam_status judge(const trial *t, sam_quality *score, sam_error *err)
{
    const sam_dataset *dev = t->of->material.data[CLI_DEV];
    const sam_progress watcher = {.step = go_on};
    sam_outcome *outcomes = sam_alloc(sam_dataset_count(dev), sizeof *outcomes);
    if (outcomes == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory");
    sam_status status = sam_evaluate(t->trainer, dev, outcomes, &watcher, err);
    if (status == SAM_OK)
        *score = sam_quality_of(dev, outcomes, sam_quality_threshold(dev, outcomes), SAM_METRIC_ACCURACY);
    sam_free(outcomes);
    return status;
}

static sam_status run_trial(trial *t, sam_quality *before, sam_quality *after, sam_error *err)
{
    sam_status status = compose(t, err);
    if (status == SAM_OK)
        status = sam_replica_new(&t->replica, t->of->material.model, t->manifest, err);
    const sam_trainer_parts parts = {t->of->engine, t->replica, t->manifest, t->of->material.data[CLI_TRAIN],
                                     t->of->cache};
    if (status == SAM_OK)
        status = sam_trainer_new(&t->trainer, &parts, err);
    if (status == SAM_OK && !before->known)
        status = judge(t, before, err);
    for (uint64_t r = 0; r < t->of->args.rounds && status == SAM_OK; r++)
        status = one_round(t, r, err);
    if (status == SAM_OK)
        status = judge(t, after, err);
    sam_trainer_free(t->trainer);
    sam_replica_free(t->replica);
    sam_manifest_free(t->manifest);
    return status;
}

/* ---- all of them ---- */

static void say(const work *w, const char *attack, const char *guard, const sam_quality *score)
{
    if (w->args.json)
        printf("{\"attack\":\"%s\",\"guard\":\"%s\",\"accuracy\":%.4f,\"loss\":%.6f,\"auc\":%.4f}\n", attack, guard,
               score->accuracy, score->loss, score->auc);
    else
        printf("| %-8s | %-14s | %5.1f %% | %.4f | %.3f |\n", attack, guard, 100 * score->accuracy, score->loss,
               score->auc);
    fflush(stdout);
}

static sam_status run_all(work *w, sam_error *err)
{
    sam_quality before = {0};
    sam_status status = SAM_OK;
    if (!w->args.json)
        printf("%llu rounds of %llu slots, %llu hostile\n\n| attack   | guard          | accuracy | loss | AUC |\n"
               "|---|---|---|---|---|\n",
               (unsigned long long)w->args.rounds, (unsigned long long)w->args.slots, (unsigned long long)w->hostile);
    for (int attack = 0; attack < ATTACKS && status == SAM_OK; attack++) {
        for (int guard = 0; guard < (attack == HONEST ? CLIP_CHECKED : GUARDS) && status == SAM_OK; guard++) {
            trial t = {.of = w, .attack = attack, .guard = guard};
            bool first = !before.known;
            sam_quality after = {0};
            status = run_trial(&t, &before, &after, err);
            if (first && status == SAM_OK)
                say(w, "before", "", &before);
            if (status == SAM_OK)
                say(w, ATTACK_NAMES[attack], GUARD_NAMES[guard], &after);
        }
    }
    return status;
}

static sam_status open_all(work *w, sam_error *err)
{
    const sam_engine_options options = {
        .threads = (unsigned)w->args.threads, .precision = w->args.precision, .kernel = w->args.kernel};
    sam_status status = cli_material_open_task(&w->material, w->args.task, err);
    if (status == SAM_OK)
        status = cli_material_open_model(&w->material, w->args.model, err);
    if (status == SAM_OK)
        status = cli_material_open_data(&w->material, CLI_TRAIN, w->args.train, err);
    if (status == SAM_OK)
        status = cli_material_open_data(&w->material, CLI_DEV, w->args.dev, err);
    if (status == SAM_OK)
        status = sam_engine_new(&w->engine, w->material.model, &options, err);
    return status == SAM_OK ? sam_cache_path(&w->cache, "activations", err) : status;
}

static sam_status check_arguments(const sam_command *command, work *w, sam_error *err)
{
    sam_status status = cli_require(command, "model task train dev", err);
    if (status != SAM_OK)
        return status;
    if (w->args.slots < 1 || w->args.slots > SLOTS_MOST || w->args.rounds < 1 || w->args.hostile > 100 ||
        w->args.threads > 1024 || !(w->args.rate >= 0 && w->args.rate <= 1024))
        return sam_fail(err, SAM_INVALID,
                        "--slots is from 1 to %d, --rounds at least 1, --hostile at most 100, --threads 1024, --rate "
                        "1024",
                        SLOTS_MOST);
    w->hostile = w->args.slots * w->args.hostile / 100;
    return SAM_OK;
}

sam_status cli_bench_guards(int argc, char **argv, sam_error *err)
{
    work w = {
        .args = {.precision = SAM_PRECISION_BF16, .rounds = 50, .slots = 10, .hostile = 20, .seed = 1, .threads = 1}};
    const sam_option table[] = {
        {"model", SAM_OPTION_TEXT, &w.args.model, "MODEL", "a GGUF file, a Hugging Face folder, or hf:, https:, pypi:"},
        {"task", SAM_OPTION_TEXT, &w.args.task, "FILE", "how a row becomes a question (docs/formats/task.md)"},
        {"train", SAM_OPTION_TEXT, &w.args.train, "FILE", "training data: .jsonl, .tsv or .csv"},
        {"dev", SAM_OPTION_TEXT, &w.args.dev, "FILE", "data that the outcome is measured on"},
        {"rounds", SAM_OPTION_COUNT, &w.args.rounds, "N", "rounds of each run"},
        {"slots", SAM_OPTION_COUNT, &w.args.slots, "N", "slots of a round, each with a worker of its own"},
        {"hostile", SAM_OPTION_COUNT, &w.args.hostile, "PERCENT", "share of the workers that are hostile"},
        {"rate", SAM_OPTION_NUMBER, &w.args.rate, "X", "movement of a weight by a usual probe; 0: the default"},
        {"seed", SAM_OPTION_COUNT, &w.args.seed, "N", "seed of the runs, and of random bytes"},
        CLI_ENGINE_OPTIONS(&w.args),
        {"json", SAM_OPTION_FLAG, &w.args.json, NULL, "one JSON object for each run"},
        {0},
    };
    const sam_command command = {"samara bench guards", "",
                                 "Trains a model again and again, with hostile workers of each kind under each guard,\n"
                                 "and prints what accuracy is left.",
                                 table};
    int rest;
    sam_status status = cli_parse(&command, argc, argv, 0, &rest, err);
    if (status == SAM_OK)
        status = check_arguments(&command, &w, err);
    if (status == SAM_OK)
        status = open_all(&w, err);
    if (status == SAM_OK)
        status = run_all(&w, err);
    sam_engine_free(w.engine);
    cli_material_close(&w.material);
    sam_free(w.cache);
    return status;
}
