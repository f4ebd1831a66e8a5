#include "moment.h"

#include "base/memory.h"
#include "base/text.h"
#include "cli.h"

sam_status cli_moment_round(const char *text, uint64_t *round, sam_error *err)
{
    *round = UINT64_MAX;
    if (text == NULL || text[0] == 0 || sam_parse_u64(text, round))
        return SAM_OK;
    return sam_fail(err, SAM_INVALID, "--round: \"%s\" is not a whole number from 0 up", text);
}

static sam_status apply(sam_replica *replica, const sam_samlog *log, uint64_t rounds, sam_error *err)
{
    const uint8_t **bytes = sam_alloc(rounds + 1, sizeof *bytes);
    size_t *lengths = sam_alloc(rounds + 1, sizeof *lengths);
    sam_status status = SAM_OK;
    if (bytes == NULL || lengths == NULL) {
        status = sam_fail(err, SAM_NO_MEMORY, "out of memory for %llu rounds", (unsigned long long)rounds);
        goto done;
    }
    for (uint64_t r = 0; r < rounds; r++)
        bytes[r] = sam_samlog_round(log, r, &lengths[r]);
    if (rounds > 0)
        status = sam_replica_apply_encoded(replica, bytes, lengths, rounds, err);
done:
    sam_free(bytes);
    sam_free(lengths);
    return status;
}

sam_status cli_restore(sam_replica **replica, const sam_model *model, const sam_samlog *log, uint64_t round,
                       sam_error *err)
{
    uint64_t there = sam_samlog_rounds(log);
    if (round != UINT64_MAX && round > there)
        return sam_fail(err, SAM_INVALID, "the log has %llu rounds; there is no round %llu to go to",
                        (unsigned long long)there, (unsigned long long)round);
    sam_status status = sam_replica_new(replica, model, sam_samlog_manifest(log), err);
    if (status == SAM_OK)
        status = apply(*replica, log, round == UINT64_MAX ? there : round, err);
    return status;
}

sam_status cli_moment_open(cli_moment *moment, const char *log, const char *base, uint64_t round, sam_error *err)
{
    char *path = NULL;
    sam_status status = sam_samlog_open(&moment->log, log, err);
    if (status == SAM_OK)
        status = cli_resolve(base, &path, err);
    if (status == SAM_OK)
        status = sam_model_open(&moment->model, path, err);
    if (status == SAM_OK)
        status = cli_restore(&moment->replica, moment->model, moment->log, round, err);
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
