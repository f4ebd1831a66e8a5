#include "cli/shared/checkpoint.h"

#include "base/memory.h"
#include "cli/cli.h"
#include "cli/shared/run_address.h"

#include <stdio.h>

sam_status cli_checkpoint_restore(sam_replica **replica, const sam_model *model, const sam_samlog *log, uint64_t round,
                                  sam_error *err)
{
    uint64_t there = sam_samlog_rounds(log);
    if (round != UINT64_MAX && round > there)
        return sam_fail(err, SAM_INVALID, "the log has %llu rounds; there is no round %llu to go to",
                        (unsigned long long)there, (unsigned long long)round);
    sam_status status = sam_replica_new(replica, model, sam_samlog_manifest(log), err);
    if (status == SAM_OK)
        status = sam_replica_put_log(*replica, log, round == UINT64_MAX ? there : round, err);
    return status;
}

sam_status cli_checkpoint_open(cli_checkpoint *checkpoint, const char *log, const char *base, const char *round,
                               const sam_access *access, sam_error *err)
{
    char *path = NULL;
    uint64_t number;
    sam_status status = cli_parse_round("round", round, &number, err);
    if (status == SAM_OK)
        status = cli_run_open(&checkpoint->log, log, access, err);
    if (status == SAM_OK)
        status = cli_resolve(base, &path, err);
    if (status == SAM_OK)
        status = sam_model_open(&checkpoint->model, path, err);
    if (status == SAM_OK)
        status = cli_checkpoint_restore(&checkpoint->replica, checkpoint->model, checkpoint->log, number, err);
    if (status == SAM_OK) {
        checkpoint->rounds = sam_replica_round(checkpoint->replica);
        sam_replica_digest(checkpoint->replica, &checkpoint->state);
    }
    sam_free(path);
    return status;
}

void cli_checkpoint_close(cli_checkpoint *checkpoint)
{
    sam_replica_free(checkpoint->replica);
    sam_model_close(checkpoint->model);
    sam_samlog_close(checkpoint->log);
    *checkpoint = (cli_checkpoint){0};
}

void cli_checkpoint_print(const cli_checkpoint *checkpoint)
{
    char hex[SAM_DIGEST_HEX];
    sam_digest_hex(hex, &checkpoint->state);
    printf("run           %s\n", sam_samlog_manifest(checkpoint->log)->id_hex);
    printf("rounds        %llu of %llu, chain verified%s\n", (unsigned long long)checkpoint->rounds,
           (unsigned long long)sam_samlog_rounds(checkpoint->log),
           sam_samlog_truncated(checkpoint->log) ? " (the file ends inside a round, which is left out)" : "");
    printf("state digest  %s\n", hex);
}
