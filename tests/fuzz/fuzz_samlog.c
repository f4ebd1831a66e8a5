/* libFuzzer target: whatever the bytes are, each round of a log that opens decodes and is chained. */
#include "run/samlog.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void check(const sam_samlog *log)
{
    const sam_manifest *manifest = sam_samlog_manifest(log);
    const sam_round_shape shape = sam_manifest_shape(manifest);
    sam_digest chain = manifest->id;
    for (uint64_t r = 0; r < sam_samlog_rounds(log); r++) {
        size_t length;
        sam_round round;
        const uint8_t *bytes = sam_samlog_round(log, r, &length);
        if (sam_round_verify(bytes, length, &chain, &chain, NULL) != SAM_OK ||
            sam_round_decode(&round, &shape, bytes, length, NULL) != SAM_OK || round.number != r)
            __builtin_trap();
        sam_round_free(&round);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    /* as no mode has it yet: late records, any number of codes */
    static const sam_round_shape SHAPE = {.places = 3, .codes_most = 5, .late_most = 7, .weight_most = 300};
    sam_samlog *log;
    sam_round round;
    sam_error err;
    if (sam_samlog_parse(&log, bytes, length, &err) == SAM_OK) {
        check(log);
        sam_samlog_close(log);
    }
    if (sam_round_decode(&round, &SHAPE, bytes, length, &err) == SAM_OK)
        sam_round_free(&round);
    return 0;
}
