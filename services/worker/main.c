/* samara-worker: computes slots of one run for a ledger. */
#include "base/log.h"
#include "base/options.h"
#include "base/shutdown.h"
#include "base/text.h"
#include "client/pipeline.h"
#include "worker/worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct settings {
    const char *kernel;
    sam_precision precision;
    uint64_t threads, wait_ms, ahead;
    sam_worker_options worker;
} settings;

static sam_status check(settings *set, sam_error *err)
{
    const struct {
        const char *name, *value;
    } required[] = {{"ledger", set->worker.ledger},
                    {"run", set->worker.run},
                    {"model", set->worker.model},
                    {"train", set->worker.train}};
    for (size_t i = 0; i < sizeof required / sizeof required[0]; i++)
        if (required[i].value == NULL)
            return sam_fail(err, SAM_INVALID, "--%s is missing; see samara-worker --help", required[i].name);
    if (set->threads > 1024 || set->wait_ms > 3600000 || set->ahead > 1000)
        return sam_fail(err, SAM_INVALID, "--threads is at most 1024, --wait-ms at most 3600000, --ahead at most 1000");
    set->worker.engine = (sam_engine_options){
        .threads = (unsigned)set->threads,
        .precision = set->precision,
        .kernel = set->kernel,
    };
    set->worker.wait_ms = (uint32_t)set->wait_ms;
    set->worker.ahead = (uint32_t)set->ahead;
    return SAM_OK;
}

int main(int argc, char **argv)
{
    settings set = {.precision = SAM_PRECISION_BF16,
                    .wait_ms = 20000,
                    .threads = 1,
                    .ahead = SAM_PIPELINE_AHEAD,
                    .worker = {.name = "worker"}};
    const sam_option table[] = {
        {"ledger", SAM_OPTION_TEXT, &set.worker.ledger, "URL[,URL...]",
         "of the ledger, such as http://127.0.0.1:8642, or of several copies: the next is tried when one is away"},
        {"run", SAM_OPTION_TEXT, &set.worker.run, "ID", "the run to work for"},
        {"token-file", SAM_OPTION_TEXT, &set.worker.token_file, "FILE", "bearer token, where the ledger asks for one"},
        {"ca-file", SAM_OPTION_TEXT, &set.worker.ca_file, "FILE",
         "certificates to trust for an https:// ledger, in PEM"},
        {"model", SAM_OPTION_TEXT, &set.worker.model, "PATH", "the base: a GGUF file or a Hugging Face folder"},
        {"train", SAM_OPTION_TEXT, &set.worker.train, "FILE", "training data, as the run's manifest names it"},
        {"dev", SAM_OPTION_TEXT, &set.worker.dev, "FILE", "dev data; without it this worker evaluates nothing"},
        {"key", SAM_OPTION_TEXT, &set.worker.key, "FILE",
         "its own key, made there at first, for runs whose records are signed"},
        {"name", SAM_OPTION_TEXT, &set.worker.name, "TEXT", "its name, for whoever looks at the run"},
        {"threads", SAM_OPTION_COUNT, &set.threads, "N", "threads that compute; 0: one for each core"},
        {"precision", SAM_OPTION_CHOICE, &set.precision, SAM_PRECISION_CHOICES, "precision of matrix products"},
        {"kernel", SAM_OPTION_TEXT, &set.kernel, "NAME", "use this kernel; samara doctor lists them"},
        {"log", SAM_OPTION_TEXT, &set.worker.log, "FILE",
         "keep the run's log there, as .samlog: samara restore takes it; the next start goes on from it"},
        {"cache", SAM_OPTION_TEXT, &set.worker.cache, "FOLDER", "keep activations of frozen blocks there, shared"},
        {"status-file", SAM_OPTION_TEXT, &set.worker.status_file, "FILE",
         "write slots, bytes and memory there, as JSON"},
        {"ahead", SAM_OPTION_COUNT, &set.ahead, "N",
         "leases to hold beside the one it computes, where the way to the ledger is long; 0: it computes and talks in "
         "turn"},
        {"wait-ms", SAM_OPTION_COUNT, &set.wait_ms, "MS", "how long the ledger may hold a request without news"},
        {0},
    };
    const sam_command command = {"samara-worker", "--ledger URL --run ID --model PATH --train FILE",
                                 "Joins a run, computes the slots the ledger gives it, and sends one byte for each\n"
                                 "probe. Ends by itself when the run is complete; SIGTERM gives leases back first.",
                                 table};
    sam_error err = {0};
    int rest;
    sam_log_init("samara-worker", SAM_LOG_INFO, SAM_LOG_TEXT);
    unsetenv("SAMARA_LOG"); /* its level; not to be taken for the option --log */
    sam_status status = sam_options_parse(&command, argc, argv, &rest, &err);
    if (status == SAM_CANCELLED)
        return 0;
    if (status == SAM_OK && rest < argc)
        status = sam_fail(&err, SAM_INVALID, "\"%s\" is no option; see samara-worker --help", argv[rest]);
    if (status == SAM_OK)
        status = check(&set, &err);
    if (status == SAM_OK) {
        sam_shutdown_catch();
        status = sam_worker_run(&set.worker, &err);
    }
    if (status != SAM_OK)
        fprintf(stderr, "samara-worker: %s\n", err.text);
    return sam_exit_code(status);
}
