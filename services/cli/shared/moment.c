#include "cli/shared/moment.h"

#include "base/memory.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/shared/run_address.h"

#include <stdio.h>
#include <string.h>

sam_status cli_moment_round(const char *option, const char *text, uint64_t *round, sam_error *err)
{
    *round = UINT64_MAX;
    if (text == NULL || text[0] == 0 || sam_parse_u64(text, round))
        return SAM_OK;
    return sam_fail(err, SAM_INVALID, "--%s: \"%s\" is not a whole number from 0 up", option, text);
}

sam_status cli_moment_span(const char *option, const char *text, uint64_t *from, uint64_t *to, sam_error *err)
{
    char first[24];
    const char *dots = strstr(text, "..");
    if (dots != NULL && (size_t)(dots - text) < sizeof first) {
        snprintf(first, sizeof first, "%.*s", (int)(dots - text), text);
        if (sam_parse_u64(first, from) && sam_parse_u64(dots + 2, to) && *from < *to)
            return SAM_OK;
    }
    return sam_fail(err, SAM_INVALID, "--%s: \"%s\" is not A..B, the rounds from A up to B without B", option, text);
}

sam_status cli_moment_restore(sam_replica **replica, const sam_model *model, const sam_samlog *log, uint64_t round,
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

sam_status cli_moment_open(cli_moment *moment, const char *log, const char *base, const char *round,
                           const sam_access *access, sam_error *err)
{
    char *path = NULL;
    uint64_t number;
    sam_status status = cli_moment_round("round", round, &number, err);
    if (status == SAM_OK)
        status = cli_run_open(&moment->log, log, access, err);
    if (status == SAM_OK)
        status = cli_resolve(base, &path, err);
    if (status == SAM_OK)
        status = sam_model_open(&moment->model, path, err);
    if (status == SAM_OK)
        status = cli_moment_restore(&moment->replica, moment->model, moment->log, number, err);
    if (status == SAM_OK) {
        moment->rounds = sam_replica_round(moment->replica);
        sam_replica_digest(moment->replica, &moment->state);
    }
    sam_free(path);
    return status;
}

void cli_moment_close(cli_moment *moment)
{
    sam_replica_free(moment->replica);
    sam_model_close(moment->model);
    sam_samlog_close(moment->log);
    *moment = (cli_moment){0};
}

void cli_moment_print(const cli_moment *moment)
{
    char hex[SAM_DIGEST_HEX];
    sam_digest_hex(hex, &moment->state);
    printf("run           %s\n", sam_samlog_manifest(moment->log)->id_hex);
    printf("rounds        %llu of %llu, chain verified%s\n", (unsigned long long)moment->rounds,
           (unsigned long long)sam_samlog_rounds(moment->log),
           sam_samlog_truncated(moment->log) ? " (the file ends inside a round, which is left out)" : "");
    printf("state digest  %s\n", hex);
}
