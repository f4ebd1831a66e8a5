#include "store/redis.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "store/redis_address.h"
#include "store/redis_cluster.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define POLL_MS          100
#define BACKOFF_FIRST_MS 50u
#define BACKOFF_MOST_MS  2000u
#define MAX_WORDS        32
#define NODES_MAX        64u
#define HOPS_MAX         5
#define ELEMENTS_MAX     4194304 /* of one array in a reply */

/* A server of a cluster that another one sent us to. */
typedef struct cluster_node {
    char host[256];
    unsigned port;
    redisContext *context; /* while it is not the one in use */
} cluster_node;

struct sam_redis {
    sam_redis_place place;
    uint32_t connect_timeout_ms, command_timeout_ms;
    bool (*cancelled)(void *user);
    void *cancelled_user;
    redisContext *context; /* of the server in use; NULL: not connected */
    cluster_node *nodes;   /* [NODES_MAX], from the first MOVED on; node 0 is the place itself */
    size_t node_count, node;
    uint8_t *node_of_slot;  /* 0: not known, ask where we are */
    uint32_t backoff_ms;    /* 0: the last attempt to connect went well */
    uint64_t not_before_ms; /* the next attempt */
    sam_error last_failure; /* what to say until then */
    struct sam_redis *next; /* in a pool's idle list */
};

static bool cancelled(const sam_redis *redis)
{
    return redis->cancelled != NULL && redis->cancelled(redis->cancelled_user);
}

static void disconnect(sam_redis *redis)
{
    if (redis->context != NULL)
        redisFree(redis->context);
    redis->context = NULL;
}

/* Back to the place itself: who has which slot has to be asked anew. */
static void forget_nodes(sam_redis *redis)
{
    disconnect(redis);
    for (size_t i = 0; i < redis->node_count; i++)
        if (i != redis->node && redis->nodes[i].context != NULL)
            redisFree(redis->nodes[i].context);
    sam_free(redis->nodes);
    sam_free(redis->node_of_slot);
    redis->nodes = NULL;
    redis->node_of_slot = NULL;
    redis->node_count = redis->node = 0;
}

sam_status sam_redis_open(sam_redis **out, const sam_redis_options *options, sam_error *err)
{
    *out = NULL;
    sam_redis *redis = sam_alloc(1, sizeof *redis);
    if (redis == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory for a connection to Redis");
    redis->connect_timeout_ms = options->connect_timeout_ms == 0 ? 2000 : options->connect_timeout_ms;
    redis->command_timeout_ms = options->command_timeout_ms == 0 ? 5000 : options->command_timeout_ms;
    redis->cancelled = options->cancelled;
    redis->cancelled_user = options->cancelled_user;
    sam_status status = sam_redis_place_of(&redis->place, options, err);
    if (status != SAM_OK) {
        sam_redis_close(redis);
        return status;
    }
    *out = redis;
    return SAM_OK;
}

void sam_redis_close(sam_redis *redis)
{
    if (redis == NULL)
        return;
    forget_nodes(redis);
    sam_redis_place_free(&redis->place);
    sam_free(redis);
}

/* ---- one exchange ---- */

static struct timeval to_timeval(uint32_t ms)
{
    return (struct timeval){.tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000) * 1000};
}

/* The connection cannot be used further: what was asked may or may not have been done. */
static sam_status broken(sam_redis *redis, sam_error *err)
{
    const redisContext *context = redis->context;
    bool no_memory = context->err == REDIS_ERR_OOM;
    sam_fail(err, no_memory ? SAM_NO_MEMORY : SAM_UNAVAILABLE, "the connection to Redis at %s broke: %s%s",
             redis->place.shown, context->errstr, no_memory ? ", or an array too large to be an answer" : "");
    disconnect(redis);
    return no_memory ? SAM_NO_MEMORY : SAM_UNAVAILABLE;
}

static sam_status flush_out(sam_redis *redis, sam_error *err)
{
    for (int done = 0; !done;)
        if (redisBufferWrite(redis->context, &done) != REDIS_OK)
            return broken(redis, err);
    return SAM_OK;
}

/* Until a byte is there; hiredis itself could not be told to stop. */
static sam_status wait_readable(sam_redis *redis, uint64_t deadline_ms, uint32_t timeout_ms, sam_error *err)
{
    for (;;) {
        if (cancelled(redis)) {
            disconnect(redis);
            return sam_fail(err, SAM_CANCELLED,
                            "waiting for Redis at %s was given up because this process was told "
                            "to stop",
                            redis->place.shown);
        }
        uint64_t now = sam_monotonic_ms();
        if (now >= deadline_ms) {
            disconnect(redis);
            return sam_fail(err, SAM_TIMEOUT, "Redis at %s did not answer within %u ms", redis->place.shown,
                            timeout_ms);
        }
        uint64_t left = deadline_ms - now;
        struct pollfd fd = {.fd = redis->context->fd, .events = POLLIN};
        int count = poll(&fd, 1, left < POLL_MS ? (int)left : POLL_MS);
        if (count > 0)
            return SAM_OK;
        if (count < 0 && errno != EINTR) {
            sam_fail_errno(err, SAM_UNAVAILABLE, errno, "cannot wait for Redis at %s", redis->place.shown);
            disconnect(redis);
            return SAM_UNAVAILABLE;
        }
    }
}

static sam_status read_reply(sam_redis *redis, uint32_t timeout_ms, redisReply **reply, sam_error *err)
{
    uint64_t deadline_ms = sam_monotonic_ms() + timeout_ms;
    void *raw = NULL;
    for (;;) {
        if (redisGetReplyFromReader(redis->context, &raw) != REDIS_OK)
            return broken(redis, err);
        if (raw != NULL)
            break;
        sam_status status = wait_readable(redis, deadline_ms, timeout_ms, err);
        if (status != SAM_OK)
            return status;
        if (redisBufferRead(redis->context) != REDIS_OK)
            return broken(redis, err);
    }
    *reply = raw;
    return SAM_OK;
}

static sam_status append(sam_redis *redis, int count, const char *const *words, const size_t *lengths, sam_error *err)
{
    const char **argv = (const char **)words; /* hiredis forgot one const */
    if (redisAppendCommandArgv(redis->context, count, argv, lengths) == REDIS_OK)
        return SAM_OK;
    return broken(redis, err);
}

static sam_status exchange(sam_redis *redis, uint32_t timeout_ms, redisReply **reply, sam_error *err, int count,
                           const char *const *words, const size_t *lengths)
{
    sam_status status = append(redis, count, words, lengths, err);
    if (status == SAM_OK)
        status = flush_out(redis, err);
    if (status == SAM_OK)
        status = read_reply(redis, timeout_ms, reply, err);
    return status;
}

/* ---- connecting ---- */

static sam_status greet(sam_redis *redis, sam_error *err, int count, const char *const *words)
{
    redisReply *reply = NULL;
    sam_status status = exchange(redis, redis->command_timeout_ms, &reply, err, count, words, NULL);
    if (status == SAM_OK)
        status = sam_redis_error_of(reply, err);
    sam_redis_reply_free(reply);
    return status;
}

/* AUTH and SELECT, where they are asked for. */
static sam_status introduce(sam_redis *redis, sam_error *err)
{
    const sam_redis_place *place = &redis->place;
    sam_status status = SAM_OK;
    if (place->password != NULL && place->user != NULL)
        status = greet(redis, err, 3, (const char *[]){"AUTH", place->user, place->password});
    else if (place->password != NULL)
        status = greet(redis, err, 2, (const char *[]){"AUTH", place->password});
    char number[12];
    snprintf(number, sizeof number, "%u", place->database);
    if (status == SAM_OK && place->database != 0)
        status = greet(redis, err, 2, (const char *[]){"SELECT", number});
    if (status == SAM_OK)
        status = greet(redis, err, 1, (const char *[]){"PING"});
    if (status != SAM_OK)
        sam_fail_context(err, "Redis at %s", place->shown);
    return status;
}

/* hiredis makes room for as many elements as a server announces, before it has seen one. */
#if HIREDIS_MAJOR >= 1
static void limit_arrays(redisContext *context)
{
    context->reader->maxelements = ELEMENTS_MAX;
}
#else
static redisReplyObjectFunctions usual, limited;

static void *create_limited_array(const redisReadTask *task, int elements)
{
    return elements > ELEMENTS_MAX ? NULL : usual.createArray(task, elements);
}

static void find_usual(void)
{
    redisReader *reader = redisReaderCreate();
    if (reader == NULL)
        return;
    usual = limited = *reader->fn;
    limited.createArray = create_limited_array;
    redisReaderFree(reader);
}

static void limit_arrays(redisContext *context)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, find_usual);
    if (usual.createArray != NULL)
        context->reader->fn = &limited;
}
#endif

static redisContext *dial(const sam_redis *redis, const char *host, unsigned port)
{
    struct timeval timeout = to_timeval(redis->connect_timeout_ms);
    redisContext *context = host == NULL ? redisConnectUnixWithTimeout(redis->place.socket_path, timeout)
                                         : redisConnectWithTimeout(host, (int)port, timeout);
    if (context != NULL && context->err == 0) {
        limit_arrays(context);
        (void)redisSetTimeout(context, to_timeval(redis->command_timeout_ms)); /* of writes that do not go on */
        if (host != NULL)
            (void)redisEnableKeepAlive(context);
    }
    return context;
}

/* `host` NULL: the socket. */
static sam_status connect_to(sam_redis *redis, const char *host, unsigned port, sam_error *err)
{
    redis->context = dial(redis, host, port);
    if (redis->context == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory connecting to Redis at %s", redis->place.shown);
    if (redis->context->err != 0) {
        sam_fail(err, SAM_UNAVAILABLE, "cannot reach Redis at %s: %s; start it or name another with --redis",
                 redis->place.shown, redis->context->errstr);
        disconnect(redis);
        return SAM_UNAVAILABLE;
    }
    sam_status status = introduce(redis, err);
    if (status != SAM_OK)
        disconnect(redis);
    return status;
}

/* A replica answers reads with what may be old, and no writes. */
static sam_status refuse_replica(sam_redis *redis, sam_error *err)
{
    redisReply *reply = NULL;
    sam_status status = exchange(redis, redis->command_timeout_ms, &reply, err, 1, (const char *const[]){"ROLE"}, NULL);
    bool replica = status == SAM_OK && reply->type == REDIS_REPLY_ARRAY && reply->elements > 0 &&
                   reply->element[0]->type == REDIS_REPLY_STRING && strcmp(reply->element[0]->str, "slave") == 0;
    sam_redis_reply_free(reply);
    if (!replica)
        return status;
    disconnect(redis);
    return sam_fail(err, SAM_UNAVAILABLE, "Redis at %s is a replica at the moment; waiting for a primary",
                    redis->place.shown);
}

/* Hands out the hosts of the place, one after the other. */
static const char *host_of(const sam_redis_place *place, size_t i, unsigned *port)
{
    *port = i == 0 ? place->port : place->other_ports[i - 1];
    return i == 0 ? place->host : place->others[i - 1];
}

/* Where the primary is, by the word of one sentinel. */
static sam_status ask_sentinel(const sam_redis *redis, const char *host, unsigned port, char primary[256],
                               unsigned *primary_port, sam_error *err)
{
    const sam_redis_place *place = &redis->place;
    uint64_t number = 0;
    redisContext *sentinel = dial(redis, host, port);
    redisReply *reply = NULL;
    if (sentinel != NULL && sentinel->err == 0)
        reply = redisCommand(sentinel, "SENTINEL get-master-addr-by-name %s", place->master);
    bool known = reply != NULL && reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
                 reply->element[0]->type == REDIS_REPLY_STRING && reply->element[0]->len < 256 &&
                 sam_redis_u64(reply->element[1], "SENTINEL", &number, NULL) == SAM_OK && number <= 65535;
    if (known) {
        memcpy(primary, reply->element[0]->str, reply->element[0]->len + 1);
        *primary_port = (unsigned)number;
    } else {
        sam_fail(err, SAM_UNAVAILABLE, "no sentinel of %s knows the primary: %s", place->shown,
                 sentinel == NULL                   ? "out of memory"
                 : sentinel->err                    ? sentinel->errstr
                 : reply == NULL                    ? "no answer"
                 : reply->type == REDIS_REPLY_ERROR ? reply->str
                                                    : "the name is not among those it watches");
    }
    sam_redis_reply_free(reply);
    if (sentinel != NULL)
        redisFree(sentinel);
    return known ? SAM_OK : SAM_UNAVAILABLE;
}

/* One host after the other, until one is, or names, a primary. */
static sam_status connect_to_any(sam_redis *redis, sam_error *err)
{
    const sam_redis_place *place = &redis->place;
    sam_status status = SAM_UNAVAILABLE;
    for (size_t i = 0; i <= place->other_count && status != SAM_OK; i++) {
        char primary[256];
        unsigned port;
        const char *host = host_of(place, i, &port);
        status = SAM_OK;
        if (place->master != NULL) {
            status = ask_sentinel(redis, host, port, primary, &port, err);
            host = primary;
        }
        if (status == SAM_OK)
            status = connect_to(redis, host, port, err);
        if (status == SAM_OK)
            status = refuse_replica(redis, err);
    }
    return status;
}

static sam_status connect_once(sam_redis *redis, sam_error *err)
{
    const sam_redis_place *place = &redis->place;
    if (redis->node > 0) {
        char host[256];
        unsigned port = redis->nodes[redis->node].port;
        memcpy(host, redis->nodes[redis->node].host, sizeof host);
        sam_status status = connect_to(redis, host, port, err);
        if (status != SAM_OK) /* it may be gone for good: the others know who has taken its place */
            forget_nodes(redis);
        return status;
    }
    if (place->master != NULL || place->other_count > 0)
        return connect_to_any(redis, err);
    return connect_to(redis, place->host, place->port, err);
}

/* So that a thousand clients of a Redis that comes back do not all knock at once: half fixed, half chance. */
static void back_off(sam_redis *redis, const sam_error *failure)
{
    uint32_t next = redis->backoff_ms == 0 ? BACKOFF_FIRST_MS : redis->backoff_ms * 2;
    redis->backoff_ms = next > BACKOFF_MOST_MS ? BACKOFF_MOST_MS : next;
    redis->not_before_ms = sam_monotonic_ms() + redis->backoff_ms / 2 + randombytes_uniform(redis->backoff_ms / 2 + 1);
    redis->last_failure = *failure;
}

static sam_status ensure_connected(sam_redis *redis, sam_error *err)
{
    if (redis->context != NULL)
        return SAM_OK;
    if (redis->backoff_ms > 0 && sam_monotonic_ms() < redis->not_before_ms) {
        if (err != NULL)
            *err = redis->last_failure;
        return sam_failed(redis->last_failure.status);
    }
    sam_error failure = {0};
    sam_status status = connect_once(redis, &failure);
    if (status == SAM_OK) {
        if (redis->backoff_ms > 0)
            sam_log_info("connected to Redis at %s again", redis->place.shown);
        redis->backoff_ms = 0;
        return SAM_OK;
    }
    if (redis->backoff_ms == 0)
        sam_log_warn("%s", failure.text);
    back_off(redis, &failure);
    if (err != NULL)
        *err = failure;
    return status;
}

/* ---- commands ---- */

/* An idle connection that Redis has closed meanwhile is noticed before anything is sent, when it is still safe. */
static void drop_if_hung_up(sam_redis *redis)
{
    if (redis->context == NULL)
        return;
    struct pollfd fd = {.fd = redis->context->fd, .events = POLLIN};
    if (poll(&fd, 1, 0) != 0) /* readable though nothing was asked: the end, or a stray reply */
        disconnect(redis);
}

/* ---- a cluster: to the node that has the key ---- */

static void use_node(sam_redis *redis, size_t node)
{
    if (node == redis->node)
        return;
    redis->nodes[redis->node].context = redis->context;
    redis->node = node;
    redis->context = redis->nodes[node].context;
    redis->nodes[node].context = NULL;
}

/* To the node that has, or had, the slot. */
static void use_node_of(sam_redis *redis, int slot)
{
    if (redis->node_of_slot != NULL && slot >= 0 && redis->node_of_slot[slot] != 0)
        use_node(redis, redis->node_of_slot[slot]);
}

static bool begin_nodes(sam_redis *redis)
{
    if (redis->nodes != NULL)
        return true;
    redis->nodes = sam_alloc(NODES_MAX, sizeof *redis->nodes);
    redis->node_of_slot = sam_alloc(SAM_REDIS_SLOTS, 1);
    if (redis->nodes == NULL || redis->node_of_slot == NULL) {
        forget_nodes(redis);
        return false;
    }
    redis->node_count = 1;
    return true;
}

static size_t node_at(sam_redis *redis, const char *host, unsigned port)
{
    size_t node = 1;
    while (node < redis->node_count && (redis->nodes[node].port != port || strcmp(redis->nodes[node].host, host) != 0))
        node++;
    if (node == redis->node_count && node < NODES_MAX) {
        redis->nodes[node] = (cluster_node){.port = port};
        snprintf(redis->nodes[node].host, sizeof redis->nodes[node].host, "%s", host);
        redis->node_count++;
    }
    return node;
}

/* Goes where the last answer sent us. */
static sam_status follow_move(sam_redis *redis, const sam_redis_move *move, sam_error *err)
{
    char host[256];
    if (!begin_nodes(redis))
        return sam_fail(err, SAM_NO_MEMORY, "out of memory for the nodes of the cluster at %s", redis->place.shown);
    const char *here = redis->node > 0 ? redis->nodes[redis->node].host : redis->place.host;
    snprintf(host, sizeof host, "%s", move->host[0] != 0 || here == NULL ? move->host : here);
    size_t node = node_at(redis, host, move->port);
    if (node == NODES_MAX) {
        forget_nodes(redis);
        return sam_fail(err, SAM_UNAVAILABLE, "the cluster at %s has named more than %u nodes", redis->place.shown,
                        NODES_MAX - 1);
    }
    if (!move->once)
        redis->node_of_slot[move->slot] = (uint8_t)node;
    use_node(redis, node);
    sam_status status = move->once ? ensure_connected(redis, err) : SAM_OK;
    return status == SAM_OK && move->once ? greet(redis, err, 1, (const char *[]){"ASKING"}) : status;
}

static sam_status lost_way(const sam_redis *redis, sam_error *err)
{
    return sam_fail(err, SAM_UNAVAILABLE, "the nodes of the cluster at %s send us to and fro", redis->place.shown);
}

/* One command to the right node. What was answered with MOVED or ASK was not done, so it may be sent again. */
static sam_status ask(sam_redis *redis, uint32_t timeout_ms, redisReply **reply, sam_error *err, int count,
                      const char *const *words, const size_t *lengths)
{
    use_node_of(redis, redis->node_of_slot == NULL ? -1 : sam_redis_slot(count, words, lengths));
    for (int hop = 0; hop < HOPS_MAX; hop++) {
        sam_redis_move move;
        drop_if_hung_up(redis);
        sam_status status = ensure_connected(redis, err);
        if (status == SAM_OK)
            status = exchange(redis, timeout_ms, reply, err, count, words, lengths);
        if (status != SAM_OK || !sam_redis_move_of(&move, *reply))
            return status;
        sam_redis_reply_free(*reply);
        *reply = NULL;
        status = follow_move(redis, &move, err);
        if (status != SAM_OK)
            return status;
    }
    return lost_way(redis, err);
}

sam_status sam_redis_command_within(sam_redis *redis, uint32_t timeout_ms, redisReply **reply, sam_error *err,
                                    int count, const char *const *words, const size_t *lengths)
{
    *reply = NULL;
    sam_status status = ask(redis, timeout_ms, reply, err, count, words, lengths);
    bool demoted = status == SAM_OK && (*reply)->type == REDIS_REPLY_ERROR && strstr((*reply)->str, "READONLY") != NULL;
    if (status == SAM_OK)
        status = sam_redis_error_of(*reply, err);
    if (status != SAM_OK) {
        sam_redis_reply_free(*reply);
        *reply = NULL;
    }
    if (demoted) /* a replica now: the next attempt looks for the primary */
        forget_nodes(redis);
    return status;
}

sam_status sam_redis_command(sam_redis *redis, redisReply **reply, sam_error *err, int count, const char *const *words,
                             const size_t *lengths)
{
    return sam_redis_command_within(redis, redis->command_timeout_ms, reply, err, count, words, lengths);
}

sam_status sam_redis_words(sam_redis *redis, redisReply **reply, sam_error *err, ...)
{
    const char *words[MAX_WORDS];
    int count = 0;
    va_list args;
    va_start(args, err);
    for (const char *word; (word = va_arg(args, const char *)) != NULL; count++)
        if (count < MAX_WORDS)
            words[count] = word;
    va_end(args);
    *reply = NULL;
    if (count == 0 || count > MAX_WORDS)
        return sam_fail(err, SAM_INTERNAL, "a Redis command of %d words; sam_redis_words takes 1 to %d", count,
                        MAX_WORDS);
    return sam_redis_command(redis, reply, err, count, words, NULL);
}

sam_status sam_redis_ping(sam_redis *redis, sam_error *err)
{
    redisReply *reply;
    sam_status status = sam_redis_words(redis, &reply, err, "PING", NULL);
    sam_redis_reply_free(reply);
    return status;
}

void sam_redis_reply_free(redisReply *reply)
{
    if (reply != NULL)
        freeReplyObject(reply);
}

/* ---- pipelining ---- */

struct sam_redis_batch {
    sam_redis *redis;
    size_t count, room;
    int slot;        /* of the first command's key */
    char **commands; /* formatted, hiredis's memory */
    size_t *lengths;
    redisReply **replies;
    size_t replied;
};

sam_redis_batch *sam_redis_batch_new(sam_redis *redis)
{
    sam_redis_batch *batch = sam_alloc(1, sizeof *batch);
    if (batch != NULL)
        batch->redis = redis;
    return batch;
}

static bool batch_grow(sam_redis_batch *batch)
{
    if (batch->count < batch->room)
        return true;
    size_t room = batch->room * 2 + 16;
    char **commands = sam_realloc(batch->commands, room, sizeof *commands);
    if (commands == NULL)
        return false;
    batch->commands = commands;
    size_t *lengths = sam_realloc(batch->lengths, room, sizeof *lengths);
    if (lengths == NULL)
        return false;
    batch->lengths = lengths;
    batch->room = room;
    return true;
}

sam_status sam_redis_batch_add(sam_redis_batch *batch, sam_error *err, int count, const char *const *words,
                               const size_t *lengths)
{
    char *command = NULL;
    const char **argv = (const char **)words;
    int length = batch_grow(batch) ? redisFormatCommandArgv(&command, count, argv, lengths) : -1;
    if (length < 0)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory for a batch of %zu Redis commands", batch->count + 1);
    if (batch->count == 0)
        batch->slot = sam_redis_slot(count, words, lengths);
    batch->commands[batch->count] = command;
    batch->lengths[batch->count++] = (size_t)length;
    return SAM_OK;
}

static void drop_replies(sam_redis_batch *batch)
{
    for (size_t i = 0; i < batch->replied; i++)
        sam_redis_reply_free(batch->replies[i]);
    sam_free(batch->replies);
    batch->replies = NULL;
    batch->replied = 0;
}

static sam_status batch_send(sam_redis_batch *batch, sam_error *err)
{
    for (size_t i = 0; i < batch->count; i++)
        if (redisAppendFormattedCommand(batch->redis->context, batch->commands[i], batch->lengths[i]) != REDIS_OK)
            return broken(batch->redis, err);
    return flush_out(batch->redis, err);
}

static sam_status batch_once(sam_redis_batch *batch, sam_error *err)
{
    sam_redis *redis = batch->redis;
    drop_replies(batch);
    batch->replies = sam_alloc(batch->count, sizeof *batch->replies);
    if (batch->replies == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory for the replies to %zu Redis commands", batch->count);
    drop_if_hung_up(redis);
    sam_status status = ensure_connected(redis, err);
    if (status == SAM_OK)
        status = batch_send(batch, err);
    while (status == SAM_OK && batch->replied < batch->count) {
        status = read_reply(redis, redis->command_timeout_ms, &batch->replies[batch->replied], err);
        batch->replied += status == SAM_OK;
    }
    return status;
}

sam_status sam_redis_batch_run(sam_redis_batch *batch, redisReply *const **replies, size_t *count, sam_error *err)
{
    sam_redis_move move;
    use_node_of(batch->redis, batch->slot);
    sam_status status = batch_once(batch, err);
    for (int hop = 1; status == SAM_OK && batch->count > 0 && sam_redis_move_of(&move, batch->replies[0]); hop++) {
        move.once = false; /* ASK holds for one command only; then the rest is answered with MOVED or TRYAGAIN */
        status = hop < HOPS_MAX ? follow_move(batch->redis, &move, err) : lost_way(batch->redis, err);
        if (status == SAM_OK)
            status = batch_once(batch, err);
    }
    *replies = batch->replies;
    *count = status == SAM_OK ? batch->replied : 0;
    return status;
}

void sam_redis_batch_free(sam_redis_batch *batch)
{
    if (batch == NULL)
        return;
    drop_replies(batch);
    for (size_t i = 0; i < batch->count; i++)
        redisFreeCommand(batch->commands[i]);
    sam_free(batch->commands);
    sam_free(batch->lengths);
    sam_free(batch);
}

/* ---- the pool ---- */

struct sam_redis_pool {
    sam_redis_options options;
    char *address, *user, *password;
    pthread_mutex_t lock; /* guards idle */
    sam_redis *idle;
};

static bool copy_text(char **to, const char **from)
{
    if (*from == NULL)
        return true;
    *from = *to = sam_strdup(*from);
    return *to != NULL;
}

sam_status sam_redis_pool_new(sam_redis_pool **out, const sam_redis_options *options, sam_error *err)
{
    *out = NULL;
    sam_redis_pool *pool = sam_alloc(1, sizeof *pool);
    if (pool == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory for connections to Redis");
    pool->options = *options;
    pthread_mutex_init(&pool->lock, NULL);
    bool copied = copy_text(&pool->address, &pool->options.address) && copy_text(&pool->user, &pool->options.user) &&
                  copy_text(&pool->password, &pool->options.password);
    sam_status status = copied ? sam_redis_open(&pool->idle, &pool->options, err)
                               : sam_fail(err, SAM_NO_MEMORY, "out of memory for connections to Redis");
    if (status != SAM_OK) {
        sam_redis_pool_free(pool);
        return status;
    }
    *out = pool;
    return SAM_OK;
}

void sam_redis_pool_free(sam_redis_pool *pool)
{
    if (pool == NULL)
        return;
    while (pool->idle != NULL) {
        sam_redis *redis = pool->idle;
        pool->idle = redis->next;
        sam_redis_close(redis);
    }
    pthread_mutex_destroy(&pool->lock);
    sam_free(pool->address);
    sam_free(pool->user);
    sam_free(pool->password);
    sam_free(pool);
}

sam_status sam_redis_borrow(sam_redis_pool *pool, sam_redis **redis, sam_error *err)
{
    pthread_mutex_lock(&pool->lock);
    *redis = pool->idle;
    if (*redis != NULL)
        pool->idle = (*redis)->next;
    pthread_mutex_unlock(&pool->lock);
    return *redis != NULL ? SAM_OK : sam_redis_open(redis, &pool->options, err);
}

void sam_redis_give_back(sam_redis_pool *pool, sam_redis *redis)
{
    if (redis == NULL)
        return;
    pthread_mutex_lock(&pool->lock);
    redis->next = pool->idle;
    pool->idle = redis;
    pthread_mutex_unlock(&pool->lock);
}
