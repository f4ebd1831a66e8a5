/* The thread that reads Redis: finds runs, follows their logs, and looks now and then at what the ledger says of them.
 *
 *     gateway_follower follower = {.runs = runs, .redis = {.address = "127.0.0.1:6379"}};
 *     if (gateway_follower_start(&follower, 30, err) != SAM_OK)     // UNAVAILABLE where Redis is not there in 30 s
 *         return err->status;
 *     bool up = gateway_follower_redis_up(&follower);
 *     gateway_follower_stop(&follower);
 *
 * Nothing else in the gateway talks to Redis, and nothing here writes to it. So answers never wait for Redis, and while
 * it is away what was read stays served; the connection is made anew as soon as it can be.
 * A run whose log does not continue as its chain demands is followed no further, and says so (run->fault).
 * Thread safety: start and stop from one thread, the rest from any.
 */
#ifndef SAM_GATEWAY_FOLLOW_H
#define SAM_GATEWAY_FOLLOW_H

#include "gateway/runs.h"
#include "store/redis.h"

#include <stdatomic.h>

typedef struct gateway_follower {
    gateway_runs *runs;
    sam_redis_options redis;

    /* its own */
    pthread_t thread;
    bool started;
    sam_redis *connection; /* the thread's */
    uint64_t look_at_ms;   /* for new runs */
    atomic_bool stopping, redis_up, caught_up;
    atomic_ullong failures; /* of Redis, so far */
} gateway_follower;

sam_status gateway_follower_start(gateway_follower *follower, uint64_t wait_seconds, sam_error *err);
void gateway_follower_stop(gateway_follower *follower); /* also of one that never started */

bool gateway_follower_redis_up(const gateway_follower *follower);
bool gateway_follower_caught_up(const gateway_follower *follower); /* what was in Redis at the start is read */

#endif
