#include "base/shutdown.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

static atomic_bool asked;
static atomic_uint hangups;
static int pipe_ends[2] = {-1, -1};

void sam_shutdown_request(void)
{
    atomic_store(&asked, true);
    if (pipe_ends[1] >= 0) {
        ssize_t written = write(pipe_ends[1], "x", 1);
        (void)written; /* the pipe is full of asks already */
    }
}

static void on_signal(int number)
{
    int saved = errno;
    signal(number, SIG_DFL);
    sam_shutdown_request();
    errno = saved;
}

void sam_shutdown_catch(void)
{
    if (pipe(pipe_ends) == 0)
        for (int i = 0; i < 2; i++) {
            fcntl(pipe_ends[i], F_SETFD, FD_CLOEXEC);
            fcntl(pipe_ends[i], F_SETFL, O_NONBLOCK);
        }
    struct sigaction action = {.sa_handler = on_signal};
    sigemptyset(&action.sa_mask);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

bool sam_shutdown_requested(void)
{
    return atomic_load(&asked);
}

int sam_shutdown_fd(void)
{
    return pipe_ends[0];
}

static void on_hangup(int number)
{
    (void)number;
    atomic_fetch_add(&hangups, 1);
}

void sam_hangups_catch(void)
{
    struct sigaction action = {.sa_handler = on_hangup, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGHUP, &action, NULL);
}

unsigned sam_hangups(void)
{
    return atomic_load(&hangups);
}
