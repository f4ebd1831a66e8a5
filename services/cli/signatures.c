/* The part of samara verify that holds a log against the signatures of its workers. */
#include "base/files.h"
#include "cli.h"
#include "run/signature.h"

#include <stdio.h>

#define SAID_MAX 20u

static void say_bad(void *user, uint64_t round, uint32_t slot, uint32_t worker, bool missing)
{
    unsigned *said = user;
    if (++*said <= SAID_MAX)
        printf("round %llu, slot %u, worker %u: %s\n", (unsigned long long)round, slot, worker,
               missing ? "no signature" : "the signature is not this worker's");
    if (*said == SAID_MAX + 1)
        printf("... and more\n");
}

sam_status cli_check_signatures(const sam_samlog *log, const char *path, sam_error *err)
{
    sam_file_map file;
    sam_signature_tally tally;
    unsigned said = 0;
    sam_status status = sam_file_map_open(&file, path, err);
    if (status != SAM_OK)
        return status;
    status = sam_samsig_check(&tally, log, file.bytes, file.length, say_bad, &said, err);
    sam_file_map_close(&file);
    if (status != SAM_OK)
        return sam_fail_context(err, "%s", path);
    printf("signatures    %llu good, %llu bad, %llu missing\n", (unsigned long long)tally.good,
           (unsigned long long)tally.bad, (unsigned long long)tally.missing);
    if (tally.bad + tally.missing > 0)
        return sam_fail(err, SAM_MISMATCH, "%llu records are not signed by the worker that the log names",
                        (unsigned long long)(tally.bad + tally.missing));
    return SAM_OK;
}
