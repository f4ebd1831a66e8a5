/* Requests that wait for news without a thread.
 *
 *     handler returns SUSPEND -> sam_http_suspend: libmicrohttpd forgets the socket, we put it into our own epoll
 *                                (only for its end: EPOLLRDHUP) and into the list by deadline
 *     sam_http_resume  (any thread)      \
 *     deadline         (watcher thread)   > wake(): out of list and epoll, MHD_resume_connection -> handler again
 *     client hangs up  (watcher thread)  /          with `gone` the connection is closed instead
 *
 * sam_http_await leaves the watcher out: such a request is in a list without order, only to be found at stop.
 *
 * libmicrohttpd does not look at suspended sockets at all, which is why the watcher does: without it a worker that
 * died would be given new leases when its long poll ends.
 *
 * The list is kept sorted by inserting from its late end. Waits of one service are of one length, so that is one
 * step; a heap would win only where they differ widely.
 */
#include "net/http_internal.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define NO_SLOT UINT32_MAX
#define WAKE_UP 0 /* in epoll, where no ticket is 0 */

static void list_insert(waiting_list *list, sam_http_request *request)
{
    sam_http_request *after = list->latest;
    while (after != NULL && after->waiting.deadline_ms > request->waiting.deadline_ms)
        after = after->waiting.earlier;
    sam_http_request *before = after == NULL ? list->earliest : after->waiting.later;
    request->waiting.list = list;
    request->waiting.earlier = after;
    request->waiting.later = before;
    *(after == NULL ? &list->earliest : &after->waiting.later) = request;
    *(before == NULL ? &list->latest : &before->waiting.earlier) = request;
}

static void list_remove(sam_http_request *request)
{
    waiting_list *list = request->waiting.list;
    sam_http_request *after = request->waiting.earlier, *before = request->waiting.later;
    *(after == NULL ? &list->earliest : &after->waiting.later) = before;
    *(before == NULL ? &list->latest : &before->waiting.earlier) = after;
    request->waiting.list = NULL;
    request->waiting.earlier = request->waiting.later = NULL;
}

int sam_http_socket_of(struct MHD_Connection *connection)
{
    return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
}

static void wake(sam_http_server *server, sam_http_request *request)
{
    if (!request->waiting.suspended) {
        request->waiting.resume_pending = true;
        return;
    }
    if (request->waiting.list == &server->watched)
        (void)epoll_ctl(server->epoll, EPOLL_CTL_DEL, sam_http_socket_of(request->connection), NULL);
    list_remove(request);
    request->waiting.suspended = false;
    server->suspended--;
    MHD_resume_connection(request->connection);
}

static void poke_watcher(sam_http_server *server)
{
    uint64_t one = 1;
    ssize_t written = write(server->wake_fd, &one, sizeof one);
    (void)written; /* it can only be full, and then the watcher is awake */
}

/* ---- tickets ---- */

static bool more_slots(sam_http_server *server)
{
    size_t count = server->slot_count == 0 ? 64 : server->slot_count * 2;
    slot *slots = count > NO_SLOT / 2 ? NULL : sam_realloc(server->slots, count, sizeof *slots);
    if (slots == NULL)
        return false;
    for (size_t i = server->slot_count; i < count; i++)
        slots[i] = (slot){.generation = 1, .next_free = i + 1 < count ? (uint32_t)(i + 1) : NO_SLOT};
    server->first_free = (uint32_t)server->slot_count;
    server->slots = slots;
    server->slot_count = count;
    return true;
}

bool sam_http_slot_take(sam_http_request *request)
{
    sam_http_server *server = request->server;
    pthread_mutex_lock(&server->lock);
    bool room = server->first_free != NO_SLOT || more_slots(server);
    if (room) {
        uint32_t index = server->first_free;
        slot *mine = &server->slots[index];
        server->first_free = mine->next_free;
        mine->request = request;
        request->waiting.slot = index;
        request->waiting.ticket = (uint64_t)mine->generation << 32 | index;
        server->active++;
    }
    pthread_mutex_unlock(&server->lock);
    return room;
}

void sam_http_slot_give(sam_http_request *request)
{
    sam_http_server *server = request->server;
    pthread_mutex_lock(&server->lock);
    slot *mine = &server->slots[request->waiting.slot];
    mine->request = NULL;
    mine->generation++;
    if (mine->generation != 0) { /* a slot whose generations are used up is never used again */
        mine->next_free = server->first_free;
        server->first_free = request->waiting.slot;
    }
    if (--server->active == 0)
        pthread_cond_broadcast(&server->quiet);
    pthread_mutex_unlock(&server->lock);
}

static sam_http_request *find(sam_http_server *server, sam_http_ticket ticket)
{
    uint32_t index = (uint32_t)ticket;
    if (index >= server->slot_count || server->slots[index].generation != ticket >> 32)
        return NULL;
    return server->slots[index].request;
}

void sam_http_resume(sam_http_server *server, sam_http_ticket ticket)
{
    sam_http_resume_many(server, &ticket, 1);
}

void sam_http_resume_many(sam_http_server *server, const sam_http_ticket *tickets, size_t count)
{
    pthread_mutex_lock(&server->lock);
    for (size_t i = 0; i < count; i++) {
        sam_http_request *request = find(server, tickets[i]);
        if (request != NULL)
            wake(server, request);
    }
    pthread_mutex_unlock(&server->lock);
}

void sam_http_resume_all(sam_http_server *server)
{
    while (server->watched.earliest != NULL)
        wake(server, server->watched.earliest);
    while (server->unwatched.earliest != NULL)
        wake(server, server->unwatched.earliest);
}

/* Into the list by deadline, and under the eye of the watcher. */
static void watch_for_end(sam_http_server *server, sam_http_request *request)
{
    request->waiting.deadline_ms = sam_monotonic_ms() + request->wait_ms;
    list_insert(&server->watched, request);
    struct epoll_event event = {.events = EPOLLRDHUP | EPOLLONESHOT, .data.u64 = request->waiting.ticket};
    if (epoll_ctl(server->epoll, EPOLL_CTL_ADD, sam_http_socket_of(request->connection), &event) != 0)
        sam_log_warn("cannot watch a waiting connection for its end (errno %d); it ends at its deadline", errno);
}

bool sam_http_suspend(sam_http_request *request)
{
    sam_http_server *server = request->server;
    pthread_mutex_lock(&server->lock);
    bool at_once = request->waiting.resume_pending || server->stopping;
    if (at_once) {
        request->waiting.resume_pending = false;
    } else {
        request->waiting.suspended = true;
        request->waiting.deadline_ms = 0;
        server->suspended++;
        MHD_suspend_connection(request->connection);
        if (request->watched)
            watch_for_end(server, request);
        else
            list_insert(&server->unwatched, request);
    }
    bool first = !at_once && server->watched.earliest == request;
    pthread_mutex_unlock(&server->lock);
    if (first)
        poke_watcher(server);
    return !at_once;
}

size_t sam_http_server_waiting(sam_http_server *server)
{
    pthread_mutex_lock(&server->lock);
    size_t count = server->suspended;
    pthread_mutex_unlock(&server->lock);
    return count;
}

/* ---- the watcher ---- */

/* Wakes what is due. Returns how long epoll may sleep: -1 for ever. */
static int expire(sam_http_server *server)
{
    uint64_t now = sam_monotonic_ms();
    const waiting_list *list = &server->watched;
    while (list->earliest != NULL && list->earliest->waiting.deadline_ms <= now)
        wake(server, list->earliest);
    if (list->earliest == NULL)
        return -1;
    uint64_t left = list->earliest->waiting.deadline_ms - now;
    return left > 60000 ? 60000 : (int)left;
}

/* The wake-up is taken out of its file without the lock: it only says that there is something to look at under it. */
static void take_wake_up(const sam_http_server *server, const struct epoll_event *events, int count)
{
    eventfd_t times;
    for (int i = 0; i < count; i++)
        if (events[i].data.u64 == WAKE_UP)
            (void)eventfd_read(server->wake_fd, &times);
}

static void take_event(sam_http_server *server, const struct epoll_event *event)
{
    sam_http_request *request = event->data.u64 == WAKE_UP ? NULL : find(server, event->data.u64);
    if (request != NULL && request->waiting.suspended) {
        request->waiting.gone = true;
        wake(server, request);
    }
}

static void *watch(void *argument)
{
    sam_http_server *server = argument;
    struct epoll_event events[64];
    pthread_mutex_lock(&server->lock);
    while (!server->watcher_ends) {
        int timeout = expire(server);
        pthread_mutex_unlock(&server->lock);
        int count = epoll_wait(server->epoll, events, 64, timeout);
        take_wake_up(server, events, count);
        pthread_mutex_lock(&server->lock);
        for (int i = 0; i < count; i++)
            take_event(server, &events[i]);
    }
    pthread_mutex_unlock(&server->lock);
    return NULL;
}

sam_status sam_http_watch_start(sam_http_server *server, sam_error *err)
{
    server->first_free = NO_SLOT;
    server->epoll = epoll_create1(EPOLL_CLOEXEC);
    server->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = WAKE_UP};
    if (server->epoll < 0 || server->wake_fd < 0 ||
        epoll_ctl(server->epoll, EPOLL_CTL_ADD, server->wake_fd, &event) != 0)
        return sam_fail_errno(err, SAM_UNAVAILABLE, errno, "cannot watch HTTP connections");
    int failure = pthread_create(&server->watcher, NULL, watch, server);
    if (failure != 0)
        return sam_fail_errno(err, SAM_UNAVAILABLE, failure, "cannot start the thread that watches HTTP connections");
    server->watcher_runs = true;
    return SAM_OK;
}

void sam_http_watch_stop(sam_http_server *server)
{
    if (server->watcher_runs) {
        pthread_mutex_lock(&server->lock);
        server->watcher_ends = true;
        pthread_mutex_unlock(&server->lock);
        poke_watcher(server);
        pthread_join(server->watcher, NULL);
    }
    if (server->epoll >= 0)
        close(server->epoll);
    if (server->wake_fd >= 0)
        close(server->wake_fd);
    sam_free(server->slots);
}
