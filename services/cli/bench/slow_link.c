#include "cli/bench/slow_link.h"

#include "base/clock.h"
#include "base/memory.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS 64
#define CHUNK  ((size_t)64 * 1024)

/* Bytes on their way; none: the end. */
typedef struct parcel {
    struct parcel *next;
    uint64_t due_ns;
    size_t length, sent;
    uint8_t bytes[];
} parcel;

/* One side of a connection, and what is on its way to it. */
typedef struct end {
    struct pair *pair;
    struct end *other;
    int fd;
    parcel *first, *last;
    bool over; /* it sends no more */
} end;

typedef struct pair {
    struct pair *next;
    end ends[2];
    bool broken;
} pair;

/* All but `thread`, `port` and `stop` belongs to the thread. */
struct cli_slow_link {
    pthread_t thread;
    unsigned port, target;
    uint64_t delay_ns;
    int epoll, listener;
    int stop; /* an eventfd: readable when it must end */
    pair *pairs;
    uint8_t *chunk;
};

/* ---- bytes ---- */

static void send_off(cli_slow_link *link, end *from, const uint8_t *bytes, size_t length)
{
    end *to = from->other;
    parcel *made = sam_alloc(1, sizeof *made + length);
    if (made == NULL) {
        from->pair->broken = true;
        return;
    }
    made->due_ns = sam_monotonic_ns() + link->delay_ns;
    made->length = length;
    if (length > 0)
        memcpy(made->bytes, bytes, length);
    *(to->last == NULL ? &to->first : &to->last->next) = made;
    to->last = made;
}

static void take_in(cli_slow_link *link, end *from)
{
    ssize_t count = recv(from->fd, link->chunk, CHUNK, MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (count < 0) {
        from->pair->broken = true;
        return;
    }
    if (count == 0) {
        from->over = true;
        (void)epoll_ctl(link->epoll, EPOLL_CTL_DEL, from->fd, NULL);
    }
    send_off(link, from, link->chunk, (size_t)count);
}

static void drop_first(end *to)
{
    parcel *first = to->first;
    to->first = first->next;
    if (to->first == NULL)
        to->last = NULL;
    sam_free(first);
}

/* What is due; false: the socket takes no more for now. */
static bool hand_over(end *to, uint64_t now)
{
    while (to->first != NULL && to->first->due_ns <= now) {
        parcel *first = to->first;
        if (first->length == 0) {
            (void)shutdown(to->fd, SHUT_WR);
        } else {
            ssize_t count =
                send(to->fd, first->bytes + first->sent, first->length - first->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
            if (count < 0 && (errno == EAGAIN || errno == EINTR))
                return false;
            to->pair->broken = to->pair->broken || count < 0;
            if (to->pair->broken)
                return true;
            first->sent += (size_t)count;
        }
        if (first->sent == first->length)
            drop_first(to);
    }
    return true;
}

/* Milliseconds until something is due; -1: nothing is on its way. */
static int hand_all_over(cli_slow_link *link)
{
    uint64_t now = sam_monotonic_ns(), next = UINT64_MAX;
    for (pair *each = link->pairs; each != NULL; each = each->next)
        for (int i = 0; i < 2 && !each->broken; i++) {
            end *to = &each->ends[i];
            uint64_t due = !hand_over(to, now) ? now + 1000000 : to->first == NULL ? UINT64_MAX : to->first->due_ns;
            next = due < next ? due : next;
        }
    return next == UINT64_MAX ? -1 : next <= now ? 0 : (int)((next - now + 999999) / 1000000);
}

/* ---- connections ---- */

static void free_pair(pair *old)
{
    for (int i = 0; i < 2; i++) {
        if (old->ends[i].fd >= 0)
            close(old->ends[i].fd);
        while (old->ends[i].first != NULL)
            drop_first(&old->ends[i]);
    }
    sam_free(old);
}

static bool is_over(const pair *each)
{
    const end *ends = each->ends;
    return each->broken || (ends[0].over && ends[1].over && ends[0].first == NULL && ends[1].first == NULL);
}

static void drop_ended(cli_slow_link *link)
{
    for (pair **at = &link->pairs; *at != NULL;) {
        pair *each = *at;
        if (!is_over(each)) {
            at = &each->next;
            continue;
        }
        *at = each->next;
        free_pair(each);
    }
}

static int dial(unsigned port)
{
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&where, sizeof where) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static bool watch(cli_slow_link *link, end *side)
{
    int one = 1;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = side};
    return side->fd >= 0 && setsockopt(side->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) == 0 &&
           epoll_ctl(link->epoll, EPOLL_CTL_ADD, side->fd, &event) == 0;
}

static void take_connection(cli_slow_link *link)
{
    int client = accept4(link->listener, NULL, NULL, SOCK_CLOEXEC);
    if (client < 0)
        return;
    pair *made = sam_alloc(1, sizeof *made);
    if (made == NULL) {
        close(client);
        return;
    }
    made->ends[0] = (end){.pair = made, .other = &made->ends[1], .fd = client};
    made->ends[1] = (end){.pair = made, .other = &made->ends[0], .fd = dial(link->target)};
    made->broken = !watch(link, &made->ends[0]) || !watch(link, &made->ends[1]);
    made->next = link->pairs;
    link->pairs = made;
}

/* ---- the thread ---- */

static void *carry(void *argument)
{
    cli_slow_link *link = argument;
    struct epoll_event events[EVENTS];
    for (;;) {
        int wait_ms = hand_all_over(link), count = epoll_wait(link->epoll, events, EVENTS, wait_ms);
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == &link->stop)
                return NULL;
            if (events[i].data.ptr == &link->listener)
                take_connection(link);
            else
                take_in(link, events[i].data.ptr);
        }
        drop_ended(link);
    }
}

static sam_status listen_somewhere(cli_slow_link *link, sam_error *err)
{
    struct sockaddr_in where = {.sin_family = AF_INET};
    socklen_t size = sizeof where;
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    link->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (link->listener < 0 || bind(link->listener, (struct sockaddr *)&where, sizeof where) != 0 ||
        listen(link->listener, 1024) != 0 || getsockname(link->listener, (struct sockaddr *)&where, &size) != 0)
        return sam_fail_errno(err, SAM_UNAVAILABLE, errno, "cannot listen for a slow link");
    link->port = ntohs(where.sin_port);
    return SAM_OK;
}

static sam_status start(cli_slow_link *link, sam_error *err)
{
    struct epoll_event on_listener = {.events = EPOLLIN, .data.ptr = &link->listener};
    struct epoll_event on_stop = {.events = EPOLLIN, .data.ptr = &link->stop};
    link->epoll = epoll_create1(EPOLL_CLOEXEC);
    link->stop = eventfd(0, EFD_CLOEXEC);
    link->chunk = sam_alloc(CHUNK, 1);
    if (link->chunk == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory for a slow link");
    if (epoll_ctl(link->epoll, EPOLL_CTL_ADD, link->listener, &on_listener) != 0 ||
        epoll_ctl(link->epoll, EPOLL_CTL_ADD, link->stop, &on_stop) != 0)
        return sam_fail_errno(err, SAM_UNAVAILABLE, errno, "cannot watch a slow link");
    int failure = pthread_create(&link->thread, NULL, carry, link);
    return failure == 0 ? SAM_OK
                        : sam_fail_errno(err, SAM_UNAVAILABLE, failure, "cannot start the thread of a slow link");
}

static void free_link(cli_slow_link *link)
{
    while (link->pairs != NULL) {
        pair *first = link->pairs;
        link->pairs = first->next;
        free_pair(first);
    }
    const int fds[] = {link->listener, link->epoll, link->stop};
    for (size_t i = 0; i < 3; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    sam_free(link->chunk);
    sam_free(link);
}

sam_status cli_slow_link_open(cli_slow_link **link, unsigned port, uint32_t round_trip_ms, sam_error *err)
{
    cli_slow_link *made = sam_alloc(1, sizeof *made);
    if (made == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory for a slow link");
    made->epoll = made->listener = made->stop = -1;
    made->target = port;
    made->delay_ns = (uint64_t)round_trip_ms * 1000000 / 2;
    sam_status status = listen_somewhere(made, err);
    if (status == SAM_OK)
        status = start(made, err);
    if (status != SAM_OK) {
        free_link(made);
        return status;
    }
    *link = made;
    return SAM_OK;
}

unsigned cli_slow_link_port(const cli_slow_link *link)
{
    return link->port;
}

void cli_slow_link_close(cli_slow_link *link)
{
    if (link == NULL)
        return;
    (void)eventfd_write(link->stop, 1);
    pthread_join(link->thread, NULL);
    free_link(link);
}
