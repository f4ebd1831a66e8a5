/* samara verify: does a log hold? Its chain, the state it leads to, and a share of its codes from the data. */
#include "base/memory.h"
#include "base/shutdown.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/shared/engine_options.h"
#include "cli/shared/output.h"
#include "cli/shared/recheck.h"
#include "cli/shared/run_address.h"
#include "cli/shared/signatures.h"
#include "cli/shared/transfer.h"
#include "cli/shared/view.h"
#include "model/files/json.h"
#include "seed/code.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#define SHOWN_MAX 20 /* lines about single codes */

typedef struct arguments {
    cli_evaluator_options evaluator;
    const char *round, *digest, *against, *signatures, *codes, *seed;
    uint64_t tolerance;
    bool json;
} arguments;

typedef struct work {
    const arguments *args;
    cli_output output;
    cli_view view;
    cli_recheck check;
    cli_evaluator evaluator; /* its checkpoint alone, where no codes are checked */
} work;

/* ---- the state ---- */

static sam_status check_digest(const work *w, sam_error *err)
{
    sam_digest expected;
    const char *text = w->args->digest;
    if (text == NULL)
        return SAM_OK;
    if (!sam_digest_parse(&expected, text))
        return sam_fail(err, SAM_INVALID, "--digest: 64 hexadecimal digits are needed");
    if (sam_digest_equal(&expected, &w->evaluator.checkpoint.state))
        return SAM_OK;
    return sam_fail(err, SAM_MISMATCH, "the state after %llu rounds does not have the digest %s",
                    (unsigned long long)w->evaluator.checkpoint.rounds, text);
}

/* What a gateway, which computed it by itself, says of the same round. */
static sam_status check_against(work *w, sam_error *err)
{
    const cli_checkpoint *checkpoint = &w->evaluator.checkpoint;
    sam_run_client *client = NULL;
    json_t *answer = NULL;
    sam_digest theirs;
    char path[SAM_DIGEST_HEX + 64];
    if (w->args->against == NULL)
        return SAM_OK;
    snprintf(path, sizeof path, "/v1/runs/%s/digest?round=%llu", sam_samlog_manifest(checkpoint->log)->id_hex,
             (unsigned long long)checkpoint->rounds);
    sam_status status = sam_run_client_new(&client, w->args->against, &w->args->evaluator.access, err);
    if (status == SAM_OK)
        status = sam_run_get(client, path, &answer, err);
    const char *text = json_string_value(json_object_get(answer, "digest"));
    if (status == SAM_OK && (text == NULL || !sam_digest_parse(&theirs, text)))
        status = sam_fail(err, SAM_INVALID, "%s does not answer as a gateway does", w->args->against);
    if (status == SAM_OK && !sam_digest_equal(&theirs, &checkpoint->state))
        status = sam_fail(err, SAM_MISMATCH, "%s has another state after %llu rounds: %s", w->args->against,
                          (unsigned long long)checkpoint->rounds, text);
    if (status == SAM_OK)
        cli_output_line(&w->output, "the same at", "against", json_string(w->args->against), "%s", w->args->against);
    json_decref(answer);
    sam_run_client_free(client);
    return status;
}

static sam_status check_state(work *w, sam_error *err)
{
    const cli_checkpoint *checkpoint = &w->evaluator.checkpoint;
    cli_output_digest(&w->output, "state digest", "state_digest", &checkpoint->state);
    cli_output_line(&w->output, w->args->round == NULL ? NULL : "before round", "round",
                    json_integer((json_int_t)checkpoint->rounds), "%llu", (unsigned long long)checkpoint->rounds);
    sam_status status = check_digest(w, err);
    return status == SAM_OK ? check_against(w, err) : status;
}

/* ---- codes ---- */

static bool step(void *user, size_t done, size_t total)
{
    work *w = user;
    cli_view_step(&w->view, "computing slots again", done, total);
    return !sam_shutdown_requested();
}

static void tell_differences(work *w)
{
    json_t *list = json_array();
    for (size_t i = 0; i < w->check.difference_count; i++) {
        const cli_code_difference *one = &w->check.differences[i];
        unsigned steps = sam_code_steps(one->in_log, one->here);
        json_array_append_new(list, json_pack("{s:I, s:I, s:I, s:I, s:i, s:i, s:i}", "round", (json_int_t)one->round,
                                              "slot", (json_int_t)one->slot, "probe", (json_int_t)one->probe, "worker",
                                              (json_int_t)one->worker, "log", (int)one->in_log, "here", (int)one->here,
                                              "steps", (int)steps));
        if (i < SHOWN_MAX)
            cli_output_line(&w->output, "differs", NULL, NULL,
                            "round %llu slot %u probe %u of worker %u: %02x in the log, %02x here, %u step%s",
                            (unsigned long long)one->round, one->slot, one->probe, one->worker, one->in_log, one->here,
                            steps, steps == 1 ? "" : "s");
    }
    if (w->check.difference_count > SHOWN_MAX)
        cli_output_line(&w->output, "", NULL, NULL, "and %zu more; --json lists them all",
                        w->check.difference_count - SHOWN_MAX);
    cli_output_member(&w->output, "differences", list);
}

static void tell_workers(work *w)
{
    json_t *list = json_array();
    for (size_t i = 0; i < w->check.worker_count; i++) {
        const cli_worker_check *one = &w->check.workers[i];
        char label[24];
        snprintf(label, sizeof label, "worker %u", one->worker);
        json_array_append_new(list, json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:i, s:o, s:b}", "worker",
                                              (json_int_t)one->worker, "slots", (json_int_t)one->slots, "codes",
                                              (json_int_t)one->codes, "same", (json_int_t)one->same, "near",
                                              (json_int_t)one->near, "beyond", (json_int_t)one->beyond, "largest_steps",
                                              (int)one->largest, "agreement", sam_json_real(cli_worker_agreement(one)),
                                              "stands", one->beyond == 0));
        cli_output_line(&w->output, label, NULL, NULL,
                        "%llu codes: %llu the same, %llu within %u step%s, %llu beyond (at most %u); agreement %.4f%s",
                        (unsigned long long)one->codes, (unsigned long long)one->same, (unsigned long long)one->near,
                        w->check.tolerance, w->check.tolerance == 1 ? "" : "s", (unsigned long long)one->beyond,
                        one->largest, cli_worker_agreement(one), one->beyond > 0 ? "  DOES NOT STAND UP" : "");
    }
    cli_output_member(&w->output, "workers", list);
}

/* "worker 3", "workers 3, 7" */
static sam_status judge(const work *w, sam_error *err)
{
    char names[160] = "";
    size_t bad = 0, length = 0;
    for (size_t i = 0; i < w->check.worker_count; i++) {
        if (w->check.workers[i].beyond == 0)
            continue;
        if (length + 16 < sizeof names)
            length += (size_t)snprintf(names + length, sizeof names - length, "%s%u", bad == 0 ? "" : ", ",
                                       w->check.workers[i].worker);
        bad++;
    }
    if (bad == 0)
        return SAM_OK;
    return sam_fail(err, SAM_MISMATCH, "the codes of worker%s %s do not stand up: some differ by more than %u step%s",
                    bad == 1 ? "" : "s", names, w->check.tolerance, w->check.tolerance == 1 ? "" : "s");
}

static sam_status check_codes(work *w, sam_error *err)
{
    const sam_progress watcher = {step, w};
    sam_status status = cli_recheck_run(&w->check, &w->evaluator, &watcher, err);
    cli_view_end(&w->view);
    if (status != SAM_OK)
        return status;
    cli_output_line(&w->output, "codes", "slots", json_integer((json_int_t)w->check.slots),
                    "of %llu slots from round %llu on, drawn with the seed %llu, by the kernel %s",
                    (unsigned long long)w->check.slots, (unsigned long long)w->check.from,
                    (unsigned long long)w->check.seed, sam_engine_kernels(w->evaluator.engine)->name);
    cli_output_member(&w->output, "from_round", json_integer((json_int_t)w->check.from));
    cli_output_member(&w->output, "seed", json_sprintf("%llu", (unsigned long long)w->check.seed));
    cli_output_member(&w->output, "kernel", json_string(sam_engine_kernels(w->evaluator.engine)->name));
    tell_differences(w);
    tell_workers(w);
    return judge(w, err);
}

/* ---- the command ---- */

static sam_status read_sample(work *w, sam_error *err)
{
    const arguments *args = w->args;
    w->check.tolerance = (unsigned)args->tolerance;
    if (args->evaluator.data == NULL)
        return args->codes == NULL ? SAM_OK : sam_fail(err, SAM_INVALID, "--codes needs the data: --train FILE");
    if (args->round != NULL)
        return sam_fail(err, SAM_INVALID, "--round is of a state; codes are checked in the whole log");
    w->check.share = 0.01;
    if (args->codes != NULL &&
        (!sam_parse_double(args->codes, &w->check.share) || w->check.share <= 0 || w->check.share > 1))
        return sam_fail(err, SAM_INVALID, "--codes: \"%s\" is no share above 0 and up to 1", args->codes);
    if (args->seed != NULL && !sam_parse_u64(args->seed, &w->check.seed))
        return sam_fail(err, SAM_INVALID, "--seed: \"%s\" is not a whole number", args->seed);
    if (args->seed == NULL && getrandom(&w->check.seed, sizeof w->check.seed, 0) != sizeof w->check.seed)
        return sam_fail(err, SAM_UNAVAILABLE, "the system gives no random numbers; give one with --seed");
    return SAM_OK;
}

static sam_status open_run(work *w, sam_error *err)
{
    const arguments *args = w->args;
    const cli_evaluator_options *from = &args->evaluator;
    if (from->data != NULL)
        return cli_evaluator_open(&w->evaluator, from, err);
    if (from->base != NULL)
        return cli_checkpoint_open(&w->evaluator.checkpoint, from->log, from->base, args->round, &from->access, err);
    return cli_run_open(&w->evaluator.checkpoint.log, from->log, &from->access, err);
}

static sam_status verify(work *w, sam_error *err)
{
    sam_status status = read_sample(w, err);
    if (status == SAM_OK)
        status = open_run(w, err);
    if (status != SAM_OK)
        return status;
    cli_output_log(&w->output, w->evaluator.checkpoint.log);
    if (w->args->evaluator.base != NULL)
        status = check_state(w, err);
    if (status == SAM_OK && w->args->signatures != NULL)
        status = cli_check_signatures(&w->output, w->evaluator.checkpoint.log, w->args->signatures, err);
    if (status == SAM_OK && w->args->evaluator.data != NULL)
        status = check_codes(w, err);
    return status;
}

static sam_status check(const sam_command *command, const arguments *args, sam_error *err)
{
    bool needs_base =
        args->evaluator.data != NULL || args->digest != NULL || args->against != NULL || args->round != NULL;
    if (args->tolerance > 254)
        return sam_fail(err, SAM_INVALID, "--tolerance is at most 254 steps");
    return needs_base ? cli_require(command, "base", err) : SAM_OK;
}

static sam_status parse(arguments *args, int argc, char **argv, sam_error *err)
{
    cli_evaluator_options *from = &args->evaluator;
    const sam_option table[] = {
        {"base", SAM_OPTION_TEXT, &from->base, "MODEL", "the model it was trained from: recompute the state"},
        {"round", SAM_OPTION_TEXT, &args->round, "N", "the state before round N; left out: the end"},
        {"digest", SAM_OPTION_TEXT, &args->digest, "HEX", "fail unless the state has this digest"},
        {"against", SAM_OPTION_TEXT, &args->against, "URL", "fail unless the gateway there has the same state"},
        {"signatures", SAM_OPTION_TEXT, &args->signatures, "FILE",
         "fail unless each record is signed there by its worker, as GET /v1/runs/ID/signatures gives it"},
        {"train", SAM_OPTION_TEXT, &from->data, "FILE", "the run's training data: compute a share of the codes again"},
        {"codes", SAM_OPTION_TEXT, &args->codes, "SHARE",
         "share of the slots to compute again, up to 1; left out: 0.01"},
        {"seed", SAM_OPTION_TEXT, &args->seed, "N", "chooses the slots; left out: drawn at random, and printed"},
        {"tolerance", SAM_OPTION_COUNT, &args->tolerance, "STEPS",
         "steps that a code may differ by, between processors"},
        CLI_ENGINE_OPTIONS(from),
        {"json", SAM_OPTION_FLAG, &args->json, NULL, "one JSON object"},
        SAM_ACCESS_OPTIONS(&from->access),
        {0},
    };
    const sam_command command = {
        "samara verify", "RUN [--base MODEL [--train FILE]]",
        "Checks every link of a log's chain; with --base says the digest of the state it leads "
        "to; with --train computes\na share of its codes again, and names the workers whose "
        "codes do not stand up. RUN is a .samlog file, or a\nURL "
        "(http://HOST:PORT/v1/runs/ID).",
        table};
    int rest;
    sam_status status = cli_parse(&command, argc, argv, 1, &rest, err);
    if (status == SAM_OK)
        status = check(&command, args, err);
    if (status == SAM_OK)
        from->log = argv[rest];
    return status;
}

sam_status cli_verify(int argc, char **argv, sam_error *err)
{
    arguments args = {.tolerance = 1, .evaluator = {.precision = SAM_PRECISION_BF16, .computes_slots = true}};
    work w = {.args = &args};
    sam_status status = parse(&args, argc, argv, err);
    cli_view_init(&w.view, args.json);
    w.output.json = args.json;
    if (status == SAM_OK)
        status = verify(&w, err);
    cli_output_close(&w.output, true); /* also of a log that does not hold: what was printed before shows where */
    cli_recheck_free(&w.check);
    cli_evaluator_close(&w.evaluator);
    return status;
}
