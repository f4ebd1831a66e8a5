#include "cli/shared/derived_run.h"

#include "base/memory.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/shared/checkpoint.h"
#include "cli/shared/run_address.h"
#include "cli/shared/transfer.h"

#include <stdio.h>

sam_status cli_derivation_open(sam_samlog **log, const cli_derivation *derivation, const char *run, sam_error *err)
{
    if (!cli_is_url(run) && derivation->out == NULL && derivation->ledger == NULL)
        return sam_fail(err, SAM_INVALID, "say where the new run goes: --out FILE, --ledger URL, or both");
    return cli_run_open(log, run, &derivation->access, err);
}

sam_status cli_derivation_at(const char *text, const sam_samlog *log, uint64_t *at, sam_error *err)
{
    *at = sam_samlog_rounds(log);
    if (text == NULL || sam_parse_u64(text, at))
        return SAM_OK;
    return sam_fail(err, SAM_INVALID, "--at: \"%s\" is not a whole number from 1 up", text);
}

static sam_status send(cli_output *output, const sam_samlog *made, const cli_derivation *to, const char *run,
                       sam_error *err)
{
    char *home = NULL;
    const char *path;
    sam_status status = SAM_OK;
    if (to->out != NULL)
        status = cli_log_to_file(output, made, to->out, err);
    if (status == SAM_OK && to->ledger == NULL && to->out == NULL)
        status = cli_split_url(run, &home, &path, err);
    const char *ledger = to->ledger != NULL ? to->ledger : home;
    if (status == SAM_OK && ledger != NULL)
        status = cli_log_to_ledger(output, made, ledger, 0, &to->access, err);
    sam_free(home);
    return status;
}

static json_t *removal_json(const sam_removal *removal)
{
    return json_pack("{s:I, s:I, s:I}", "from", (json_int_t)removal->from, "to", (json_int_t)removal->to, "worker",
                     (json_int_t)removal->worker);
}

static void tell_parent(cli_output *output, const sam_manifest *manifest)
{
    const sam_parent *parent = &manifest->parent;
    json_t *removals = json_array();
    char run[SAM_DIGEST_HEX];
    sam_digest_hex(run, &parent->run);
    cli_output_line(output, "parent", "parent", json_string(run), "%s, its first %llu rounds", run,
                    (unsigned long long)parent->round);
    cli_output_member(output, "parent_rounds", json_integer((json_int_t)parent->round));
    for (size_t i = 0; i < parent->removal_count; i++) {
        const sam_removal *one = &parent->removals[i];
        char whose[40] = "of everybody";
        if (one->worker != 0)
            snprintf(whose, sizeof whose, "of worker %u", one->worker);
        json_array_append_new(removals, removal_json(one));
        cli_output_line(output, "without", NULL, NULL, "rounds %llu..%llu %s", (unsigned long long)one->from,
                        (unsigned long long)one->to, whose);
    }
    cli_output_member(output, "without", removals);
}

static sam_status tell_state(cli_output *output, const sam_samlog *made, const char *base, sam_error *err)
{
    char *path = NULL;
    sam_model *model = NULL;
    sam_replica *replica = NULL;
    sam_digest digest;
    sam_status status = cli_resolve(base, &path, err);
    if (status == SAM_OK)
        status = sam_model_open(&model, path, err);
    if (status == SAM_OK)
        status = cli_checkpoint_restore(&replica, model, made, UINT64_MAX, err);
    if (status == SAM_OK) {
        sam_replica_digest(replica, &digest);
        cli_output_digest(output, "state digest", "state_digest", &digest);
    }
    sam_replica_free(replica);
    sam_model_close(model);
    sam_free(path);
    return status;
}

sam_status cli_derive(const sam_samlog *log, const sam_fork *fork, const cli_derivation *derivation, const char *run,
                      sam_error *err)
{
    sam_buffer bytes = {0};
    sam_samlog *made = NULL;
    cli_output output = {.json = derivation->json};
    sam_status status = sam_history_fork(&bytes, log, fork, err);
    if (status == SAM_OK)
        status = sam_samlog_parse(&made, bytes.bytes, bytes.length, err);
    sam_buffer_free(&bytes);
    if (status == SAM_OK) {
        cli_output_log(&output, made);
        tell_parent(&output, sam_samlog_manifest(made));
    }
    if (status == SAM_OK && derivation->base != NULL)
        status = tell_state(&output, made, derivation->base, err);
    if (status == SAM_OK)
        status = send(&output, made, derivation, run, err);
    cli_output_close(&output, status == SAM_OK);
    sam_samlog_close(made);
    return status;
}
