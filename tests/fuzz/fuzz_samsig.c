/* libFuzzer target: whatever a .samsig holds, each record of the log is found good, bad or without a signature, or the
 * file is refused with a sentence. */
#include "run/signature.h"
#include "sketch.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

#define RECORDS 5u /* of rounds 0 and 1 */

/* The log of fuzz_corpus, whose signatures stand in the corpus. */
static sam_samlog *make_log(void)
{
    sam_manifest *manifest = fuzz_sketch();
    const sam_round_shape shape = sam_manifest_shape(manifest);
    sam_digest chain = manifest->id;
    sam_buffer file = {0};
    sam_samlog *log;
    sam_samlog_put_head(&file, manifest);
    for (uint64_t number = 0; number < 2; number++) {
        sam_buffer round = {0};
        fuzz_round(&round, &shape, number, &chain);
        sam_samlog_put_round(&file, round.bytes, round.length);
        sam_buffer_free(&round);
    }
    fuzz_must(sam_samlog_parse(&log, file.bytes, file.length, NULL) == SAM_OK);
    sam_buffer_free(&file);
    sam_manifest_free(manifest);
    return log;
}

static void count(void *user, uint64_t round, uint32_t slot, uint32_t worker, bool missing)
{
    uint64_t *said = user;
    fuzz_must(round < 2 && slot < 3 && worker == slot + 1);
    said[missing]++;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static sam_samlog *log;
    sam_signature_tally tally = {0};
    uint64_t said[2] = {0};
    sam_error err = {0};
    if (log == NULL)
        log = make_log();
    if (sam_samsig_check(&tally, log, bytes, length, count, said, &err) != SAM_OK)
        fuzz_must(err.text[0] != 0);
    else
        fuzz_must(tally.good + tally.bad + tally.missing == RECORDS && tally.bad == said[0] &&
                  tally.missing == said[1]);
    return 0;
}
