#include "gateway/gateway.h"

#include "base/text.h"

#include <inttypes.h>
#include <string.h>

bool gateway_find_run(gateway_service *gateway, sam_http_request *request, gateway_run **run)
{
    const char *id = sam_http_parameter(request, "run");
    sam_digest digest;
    if (!sam_digest_parse(&digest, id)) {
        sam_http_answer_fail(request, SAM_INVALID, "\"%.80s\" is no run id: those have 64 hexadecimal digits", id);
        return false;
    }
    char canonical[SAM_DIGEST_HEX];
    sam_digest_hex(canonical, &digest);
    *run = gateway_runs_find(&gateway->runs, canonical);
    if (*run != NULL)
        return true;
    if (!gateway_follower_redis_up(&gateway->follower))
        sam_http_answer_fail(request, SAM_UNAVAILABLE,
                             "run %.12s is not among those read so far, and Redis does not answer at the moment",
                             canonical);
    else if (!gateway_follower_caught_up(&gateway->follower))
        sam_http_answer_fail(request, SAM_UNAVAILABLE,
                             "the logs are still being read; run %.12s was not among them yet", canonical);
    else
        sam_http_answer_fail(request, SAM_NOT_FOUND, "there is no run %s", canonical);
    return false;
}

bool gateway_find_round(sam_http_request *request, gateway_run *run, const char *text, uint64_t *round)
{
    uint64_t rounds = gateway_run_rounds(run);
    if (strcmp(text, "latest") == 0) {
        *round = rounds;
        return true;
    }
    if (!sam_parse_u64(text, round)) {
        sam_http_answer_fail(request, SAM_INVALID, "\"%.40s\" is no round: give a number or \"latest\"", text);
        return false;
    }
    if (*round > rounds) {
        sam_http_answer_fail(request, SAM_NOT_FOUND,
                             "run %.12s has no round %" PRIu64 " yet: %" PRIu64 " are committed", run->id, *round,
                             rounds);
        return false;
    }
    return true;
}
