#include "cli/shared/signatures.h"

#include "base/files.h"
#include "run/signature.h"

#define SAID_MAX 20u

typedef struct bad_records {
    cli_output *output;
    json_t *list;
    unsigned count;
} bad_records;

static void say_bad(void *user, uint64_t round, uint32_t slot, uint32_t worker, bool missing)
{
    bad_records *bad = user;
    json_array_append_new(bad->list, json_pack("{s:I, s:I, s:I, s:b}", "round", (json_int_t)round, "slot",
                                               (json_int_t)slot, "worker", (json_int_t)worker, "missing", missing));
    if (++bad->count <= SAID_MAX)
        cli_output_line(bad->output, "unsigned", NULL, NULL, "round %llu, slot %u, worker %u: %s",
                        (unsigned long long)round, slot, worker,
                        missing ? "no signature" : "the signature is not this worker's");
    if (bad->count == SAID_MAX + 1)
        cli_output_line(bad->output, "", NULL, NULL, "and more; --json lists them all");
}

static void tell(cli_output *output, const sam_signature_tally *tally)
{
    cli_output_line(output, "signatures", "signatures_good", json_integer((json_int_t)tally->good),
                    "%llu good, %llu bad, %llu missing", (unsigned long long)tally->good,
                    (unsigned long long)tally->bad, (unsigned long long)tally->missing);
    cli_output_member(output, "signatures_bad", json_integer((json_int_t)tally->bad));
    cli_output_member(output, "signatures_missing", json_integer((json_int_t)tally->missing));
}

sam_status cli_check_signatures(cli_output *output, const sam_samlog *log, const char *path, sam_error *err)
{
    sam_file_map file;
    sam_signature_tally tally;
    bad_records bad = {output, json_array(), 0};
    sam_status status = sam_file_map_open(&file, path, err);
    if (status == SAM_OK) {
        status = sam_samsig_check(&tally, log, file.bytes, file.length, say_bad, &bad, err);
        sam_file_map_close(&file);
        if (status != SAM_OK)
            status = sam_fail_context(err, "%s", path);
    }
    cli_output_member(output, "unsigned", bad.list);
    if (status != SAM_OK)
        return status;
    tell(output, &tally);
    if (tally.bad + tally.missing > 0)
        return sam_fail(err, SAM_MISMATCH, "%llu records are not signed by the worker that the log names",
                        (unsigned long long)(tally.bad + tally.missing));
    return SAM_OK;
}
