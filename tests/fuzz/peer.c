#include "peer.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void must(int good)
{
    if (!good)
        __builtin_trap();
}

static void send_all(int fd, const fuzz_answer *answer)
{
    for (size_t sent = 0; sent < answer->length;) {
        ssize_t count = send(fd, answer->bytes + sent, answer->length - sent, MSG_NOSIGNAL);
        if (count <= 0)
            return;
        sent += (size_t)count;
    }
}

/* What was asked is never read. So the end of a connection waits for the next one: a close with unread bytes is a
 * reset, which could overtake the answer. */
static void *serve(void *argument)
{
    fuzz_peer *peer = argument;
    for (int last = -1;;) {
        int fd = accept4(peer->listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            continue;
        if (last >= 0)
            close(last);
        last = fd;
        pthread_mutex_lock(&peer->lock);
        send_all(fd, &peer->answers[peer->next]);
        peer->next += peer->next + 1 < peer->count;
        pthread_mutex_unlock(&peer->lock);
        shutdown(fd, SHUT_WR);
    }
    return NULL;
}

static void listen_on_loopback(fuzz_peer *peer)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    peer->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(bind(peer->listener, (struct sockaddr *)&at, sizeof at) == 0);
    must(getsockname(peer->listener, (struct sockaddr *)&at, &size) == 0);
    snprintf(peer->address, sizeof peer->address, "127.0.0.1:%u", ntohs(at.sin_port));
}

static void listen_on_path(fuzz_peer *peer, const char *path)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    must(strlen(path) < sizeof at.sun_path);
    memcpy(at.sun_path, path, strlen(path));
    peer->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    unlink(path);
    must(bind(peer->listener, (struct sockaddr *)&at, sizeof at) == 0);
    snprintf(peer->address, sizeof peer->address, "unix:%s", path);
}

void fuzz_peer_start(fuzz_peer *peer, const char *socket_path)
{
    pthread_t thread;
    pthread_mutex_init(&peer->lock, NULL);
    if (socket_path == NULL)
        listen_on_loopback(peer);
    else
        listen_on_path(peer, socket_path);
    must(listen(peer->listener, 64) == 0);
    must(pthread_create(&thread, NULL, serve, peer) == 0);
    pthread_detach(thread);
}

void fuzz_peer_set(fuzz_peer *peer, const uint8_t *bytes, size_t length)
{
    fuzz_peer_script(peer, &(fuzz_answer){bytes, length}, 1);
}

void fuzz_peer_script(fuzz_peer *peer, const fuzz_answer *answers, size_t count)
{
    must(count > 0 && count <= FUZZ_ANSWERS_MAX);
    pthread_mutex_lock(&peer->lock);
    memcpy(peer->answers, answers, count * sizeof *answers);
    peer->count = count;
    peer->next = 0;
    pthread_mutex_unlock(&peer->lock);
}

bool fuzz_peer_refers(const uint8_t *bytes, size_t length)
{
    return memmem(bytes, length, "MOVED", 5) != NULL || memmem(bytes, length, "ASK", 3) != NULL;
}
