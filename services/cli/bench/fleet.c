#include "cli/bench/fleet.h"

#include "base/bytes.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/shutdown.h"
#include "cli/bench/private_ledger.h"
#include "run/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS        512
#define CHUNK         ((size_t)256 * 1024)
#define WAIT_MS       20000u
#define JOINING_MAX   128u   /* joins that are under way at a time */
#define SILENCE_MS    60000u /* without an answer to anyone */
#define LATENCY_STEPS 2048   /* from 1 us on, each 1 % longer than the one before */

typedef struct bot {
    int fd;
    uint32_t number; /* 0: has not joined */
    uint64_t cursor;
    uint64_t sent_ns; /* 0: it waits for no answer */
    sam_buffer in;    /* the part of an answer that is here */
    sam_lease *work;  /* [work_count] what it sent last, or sends next */
    uint32_t work_count;
} bot;

struct cli_fleet {
    cli_fleet_plan plan;
    int epoll;
    bot *bots;
    sam_lease *leases;   /* [workers][slots_per_sync] */
    sam_result *results; /* [slots_per_sync], each with codes [probes] */
    uint8_t *codes;
    uint8_t *chunk;
    sam_buffer body, out;
    size_t connected, joined;
    bool working; /* they send results; otherwise they only take answers in */
    uint64_t head, heard_ms;
    uint32_t *acknowledged; /* [acknowledged_room] slots of each round */
    size_t acknowledged_room;
    cli_fleet_figures now;
    uint64_t latency[LATENCY_STEPS];
};

/* ---- sending ---- */

/* The header fields are those of samara-worker. */
static sam_status post(cli_fleet *fleet, bot *of, const char *what, const void *body, size_t length, sam_error *err)
{
    sam_buffer_clear(&fleet->out);
    sam_put_format(&fleet->out, "POST /v1/runs/%s/%s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nContent-Length: %zu\r\n\r\n",
                   fleet->plan.run, what, fleet->plan.port, length);
    sam_put_bytes(&fleet->out, body, length);
    if (fleet->out.failed)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory for a request");
    ssize_t sent = send(of->fd, fleet->out.bytes, fleet->out.length, MSG_NOSIGNAL);
    if (sent != (ssize_t)fleet->out.length) /* it is far smaller than an empty socket buffer */
        return sam_fail_errno(err, SAM_UNAVAILABLE, errno, "the ledger took no request of a simulated worker");
    fleet->now.bytes_sent += (uint64_t)sent;
    of->sent_ns = sam_monotonic_ns();
    return SAM_OK;
}

static sam_status send_join(cli_fleet *fleet, bot *of, sam_error *err)
{
    static const char BODY[] = "{\"name\":\"bench\",\"threads\":1,\"kernel\":\"none\"}";
    return post(fleet, of, "join", BODY, sizeof BODY - 1, err);
}

static void compute(cli_fleet *fleet, const bot *of)
{
    for (uint32_t i = 0; i < of->work_count; i++) {
        const sam_lease *lease = &of->work[i];
        sam_result *result = &fleet->results[i];
        *result = (sam_result){.kind = SAM_WORK_SLOT,
                               .round = lease->round,
                               .index = lease->index,
                               .elapsed_ms = 500,
                               .codes = fleet->codes + (size_t)i * fleet->plan.probes,
                               .code_count = fleet->plan.probes,
                               .weight = 1};
        for (uint32_t p = 0; p < fleet->plan.probes; p++)
            result->codes[p] = cli_bench_code(lease->round, lease->index, p);
    }
}

static sam_status send_sync(cli_fleet *fleet, bot *of, sam_error *err)
{
    compute(fleet, of);
    const sam_sync_request request = {.worker = of->number,
                                      .cursor = of->cursor,
                                      .wants = fleet->plan.slots_per_sync,
                                      .wait_ms = WAIT_MS,
                                      .results = fleet->results,
                                      .result_count = of->work_count};
    sam_buffer_clear(&fleet->body);
    sam_sync_request_encode(&fleet->body, &request);
    return post(fleet, of, "sync", fleet->body.bytes, fleet->body.length, err);
}

/* ---- answers ---- */

static void count_latency(cli_fleet *fleet, uint64_t ns)
{
    double step = log((double)ns / 1000 + 1e-9) / log(1.01);
    fleet->latency[step < 0 ? 0 : step >= LATENCY_STEPS ? LATENCY_STEPS - 1 : (size_t)step]++;
}

static double percentile(const cli_fleet *fleet, double share)
{
    uint64_t all = 0, below = 0;
    for (size_t i = 0; i < LATENCY_STEPS; i++)
        all += fleet->latency[i];
    size_t step = 0;
    while (step < LATENCY_STEPS - 1 && (double)(below += fleet->latency[step]) < share * (double)all)
        step++;
    return pow(1.01, (double)step + 0.5) / 1000;
}

static sam_status acknowledge(cli_fleet *fleet, const bot *of, uint32_t refused, sam_error *err)
{
    fleet->now.late += refused;
    fleet->now.acknowledged += of->work_count - refused;
    for (uint32_t i = 0; refused == 0 && i < of->work_count; i++) {
        uint64_t round = of->work[i].round;
        if (round >= fleet->acknowledged_room) {
            size_t room = 2 * round + 1024;
            uint32_t *longer = sam_realloc(fleet->acknowledged, room, sizeof *longer);
            if (longer == NULL)
                return sam_fail(err, SAM_NO_MEMORY, "out of memory counting slots");
            memset(longer + fleet->acknowledged_room, 0, (room - fleet->acknowledged_room) * sizeof *longer);
            fleet->acknowledged = longer;
            fleet->acknowledged_room = room;
        }
        fleet->acknowledged[round]++;
    }
    return SAM_OK;
}

static sam_status take_sync(cli_fleet *fleet, bot *of, const uint8_t *bytes, size_t length, sam_error *err)
{
    sam_sync_reply reply;
    sam_status status = sam_sync_reply_decode(&reply, bytes, length, err);
    if (status != SAM_OK)
        return status;
    status = acknowledge(fleet, of, reply.refused, err);
    for (size_t i = 0; i < reply.round_count; i++)
        fleet->now.bytes_of_rounds += reply.round_lengths[i];
    of->cursor += reply.round_count;
    fleet->head = reply.head > fleet->head ? reply.head : fleet->head;
    of->work_count = 0;
    for (size_t i = 0; i < reply.lease_count && i < fleet->plan.slots_per_sync; i++)
        of->work[of->work_count++] = reply.leases[i];
    sam_sync_reply_free(&reply);
    fleet->now.syncs++;
    if (status == SAM_OK && fleet->working)
        status = send_sync(fleet, of, err);
    return status;
}

static sam_status take_answer(cli_fleet *fleet, bot *of, int code, const uint8_t *body, size_t length, sam_error *err)
{
    uint64_t now = sam_monotonic_ns();
    count_latency(fleet, now - of->sent_ns);
    of->sent_ns = 0;
    fleet->heard_ms = now / 1000000;
    if (code != 200 && code != 201)
        return sam_fail(err, SAM_UNAVAILABLE, "the ledger answered a simulated worker with HTTP %d: %.*s", code,
                        length < 200 ? (int)length : 200, (const char *)body);
    if (of->number != 0)
        return take_sync(fleet, of, body, length, err);
    char text[80];
    snprintf(text, sizeof text, "%.*s", length < 79 ? (int)length : 79, (const char *)body);
    if (sscanf(text, "{\"worker\":%u", &of->number) != 1)
        return sam_fail(err, SAM_CORRUPT, "the ledger answered a join with %s", text);
    fleet->joined++;
    return SAM_OK;
}

/* Bytes of the answer that stands at the start; 0: not all of it is there. */
static size_t whole_answer(const uint8_t *bytes, size_t have, int *code, size_t *header)
{
    static const char FIELD[] = "Content-Length: ";
    const char *text = (const char *)bytes, *end = memmem(bytes, have, "\r\n\r\n", 4);
    if (end == NULL)
        return 0;
    *header = (size_t)(end + 4 - text);
    const char *length = memmem(bytes, *header, FIELD, sizeof FIELD - 1);
    *code = *header > 12 ? atoi(text + 9) : 0;
    size_t whole = *header + (length == NULL ? 0 : strtoul(length + sizeof FIELD - 1, NULL, 10));
    return whole <= have ? whole : 0;
}

/* There is one answer at a time: a worker asks when it has the last one. */
static sam_status take_bytes(cli_fleet *fleet, bot *of, const uint8_t *bytes, size_t count, sam_error *err)
{
    int code;
    size_t header;
    fleet->now.bytes_received += count;
    if (of->in.length > 0 || whole_answer(bytes, count, &code, &header) == 0) {
        sam_put_bytes(&of->in, bytes, count);
        if (of->in.failed)
            return sam_fail(err, SAM_NO_MEMORY, "out of memory for an answer");
        bytes = of->in.bytes;
        count = of->in.length;
    }
    size_t whole = whole_answer(bytes, count, &code, &header);
    if (whole == 0)
        return SAM_OK;
    sam_status status = take_answer(fleet, of, code, bytes + header, whole - header, err);
    sam_buffer_free(&of->in);
    return status;
}

static sam_status read_some(cli_fleet *fleet, bot *of, sam_error *err)
{
    ssize_t count = recv(of->fd, fleet->chunk, CHUNK, MSG_DONTWAIT);
    if (count > 0)
        return take_bytes(fleet, of, fleet->chunk, (size_t)count, err);
    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return SAM_OK;
    return sam_fail(err, SAM_UNAVAILABLE, "the ledger closed the connection of simulated worker %u", of->number);
}

/* One look at all connections. */
static sam_status turn(cli_fleet *fleet, sam_error *err)
{
    struct epoll_event events[EVENTS];
    int count = epoll_wait(fleet->epoll, events, EVENTS, 100);
    sam_status status = SAM_OK;
    for (int i = 0; i < count && status == SAM_OK; i++)
        status = read_some(fleet, events[i].data.ptr, err);
    if (status == SAM_OK && sam_monotonic_ms() - fleet->heard_ms > SILENCE_MS)
        status = sam_fail(err, SAM_TIMEOUT, "the ledger has answered nobody for %u s", SILENCE_MS / 1000);
    if (status == SAM_OK && sam_shutdown_requested())
        status = sam_fail(err, SAM_CANCELLED, "told to stop");
    return status;
}

/* ---- from beginning to end ---- */

static sam_status connect_bot(cli_fleet *fleet, bot *of, sam_error *err)
{
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_port = htons((uint16_t)fleet->plan.port)};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = of};
    int one = 1;
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    of->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (of->fd < 0)
        return sam_fail_errno(err, SAM_UNAVAILABLE, errno, "no socket for simulated worker %zu (ulimit -n)",
                              fleet->connected + 1);
    fleet->connected++;
    if (connect(of->fd, (struct sockaddr *)&where, sizeof where) != 0 ||
        setsockopt(of->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) != 0 ||
        epoll_ctl(fleet->epoll, EPOLL_CTL_ADD, of->fd, &event) != 0)
        return sam_fail_errno(err, SAM_UNAVAILABLE, errno, "simulated worker %zu cannot connect", fleet->connected);
    return send_join(fleet, of, err);
}

static sam_status join_all(cli_fleet *fleet, sam_error *err)
{
    sam_status status = SAM_OK;
    fleet->heard_ms = sam_monotonic_ms();
    while (status == SAM_OK && fleet->joined < fleet->plan.workers) {
        while (status == SAM_OK && fleet->connected < fleet->plan.workers &&
               fleet->connected - fleet->joined < JOINING_MAX)
            status = connect_bot(fleet, &fleet->bots[fleet->connected], err);
        if (status == SAM_OK)
            status = turn(fleet, err);
    }
    return status;
}

static bool allocate(cli_fleet *fleet)
{
    const cli_fleet_plan *plan = &fleet->plan;
    fleet->bots = sam_alloc(plan->workers, sizeof *fleet->bots);
    fleet->leases = sam_alloc(plan->workers * plan->slots_per_sync, sizeof *fleet->leases);
    fleet->results = sam_alloc(plan->slots_per_sync, sizeof *fleet->results);
    fleet->codes = sam_alloc(plan->slots_per_sync, plan->probes);
    fleet->chunk = sam_alloc(1, CHUNK);
    if (fleet->bots == NULL || fleet->leases == NULL || fleet->results == NULL || fleet->codes == NULL ||
        fleet->chunk == NULL)
        return false;
    for (size_t i = 0; i < plan->workers; i++)
        fleet->bots[i].work = fleet->leases + i * plan->slots_per_sync;
    return true;
}

sam_status cli_fleet_open(cli_fleet **out, const cli_fleet_plan *plan, sam_error *err)
{
    cli_fleet *fleet = *out = sam_alloc(1, sizeof *fleet);
    if (fleet == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory for simulated workers");
    fleet->plan = *plan;
    fleet->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (fleet->epoll < 0)
        return sam_fail_errno(err, SAM_UNAVAILABLE, errno, "cannot watch connections");
    if (!allocate(fleet))
        return sam_fail(err, SAM_NO_MEMORY, "out of memory for %zu simulated workers", plan->workers);
    return join_all(fleet, err);
}

void cli_fleet_close(cli_fleet *fleet)
{
    if (fleet == NULL)
        return;
    for (size_t i = 0; i < fleet->connected; i++) {
        close(fleet->bots[i].fd);
        sam_buffer_free(&fleet->bots[i].in);
    }
    if (fleet->epoll >= 0)
        close(fleet->epoll);
    sam_free(fleet->bots);
    sam_free(fleet->leases);
    sam_free(fleet->results);
    sam_free(fleet->codes);
    sam_free(fleet->chunk);
    sam_free(fleet->acknowledged);
    sam_buffer_free(&fleet->body);
    sam_buffer_free(&fleet->out);
    sam_free(fleet);
}

static sam_status start_work(cli_fleet *fleet, sam_error *err)
{
    sam_status status = SAM_OK;
    fleet->working = true;
    for (size_t i = 0; i < fleet->plan.workers && status == SAM_OK; i++)
        if (fleet->bots[i].sent_ns == 0)
            status = send_sync(fleet, &fleet->bots[i], err);
    return status;
}

sam_status cli_fleet_run(cli_fleet *fleet, double seconds, cli_fleet_figures *figures, sam_error *err)
{
    uint64_t head = fleet->head, begun = sam_monotonic_ns(), now = begun;
    uint64_t until = begun + (uint64_t)(seconds * 1e9);
    fleet->now = (cli_fleet_figures){0};
    memset(fleet->latency, 0, sizeof fleet->latency);
    sam_status status = start_work(fleet, err);
    for (; status == SAM_OK && now < until; now = sam_monotonic_ns())
        status = turn(fleet, err);
    *figures = fleet->now;
    figures->seconds = (double)(now - begun) * 1e-9;
    figures->rounds = fleet->head - head;
    figures->p50_ms = percentile(fleet, 0.5);
    figures->p99_ms = percentile(fleet, 0.99);
    return status;
}

static bool all_acknowledged(const cli_fleet *fleet)
{
    for (uint64_t r = 0; r < fleet->head; r++)
        if (r >= fleet->acknowledged_room || fleet->acknowledged[r] != fleet->plan.slots)
            return false;
    return true;
}

sam_status cli_fleet_settle(cli_fleet *fleet, uint64_t *rounds, sam_error *err)
{
    uint64_t until = sam_monotonic_ms() + SILENCE_MS / 2;
    sam_status status = SAM_OK;
    fleet->working = false;
    while (status == SAM_OK && !all_acknowledged(fleet) && sam_monotonic_ms() < until)
        status = turn(fleet, err);
    *rounds = fleet->head;
    if (status == SAM_OK && !all_acknowledged(fleet))
        return sam_fail(err, SAM_MISMATCH, "not every slot of %llu rounds was acknowledged exactly once",
                        (unsigned long long)fleet->head);
    return status;
}
