#include "support/support.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

bool test_folder_make(test_folder *folder)
{
    const char *base = getenv("TMPDIR");
    snprintf(folder->path, sizeof folder->path, "%.100s/samara-test-XXXXXX", base == NULL ? "/tmp" : base);
    return mkdtemp(folder->path) != NULL;
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)info, (void)kind, (void)where;
    return remove(path);
}

void test_folder_remove(const test_folder *folder)
{
    if (strstr(folder->path, "/samara-test-") != NULL)
        (void)nftw(folder->path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

void test_path(char *out, size_t size, const test_folder *folder, const char *name)
{
    snprintf(out, size, "%s/%s", folder->path, name);
}

static bool accepts(const char *path)
{
    struct sockaddr_un where = {.sun_family = AF_UNIX};
    snprintf(where.sun_path, sizeof where.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval limit = {.tv_sec = 1};
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    char answer[64] = "";
    bool good = connect(fd, (struct sockaddr *)&where, sizeof where) == 0 && write(fd, "PING\r\n", 6) == 6 &&
                read(fd, answer, sizeof answer - 1) > 0 && strncmp(answer, "-LOADING", 8) != 0;
    close(fd);
    return good;
}

static bool wait_until_up(const test_redis *redis)
{
    for (int i = 0; i < 500; i++) {
        if (accepts(redis->address + strlen("unix:")))
            return true;
        int status;
        if (waitpid(redis->pid, &status, WNOHANG) == redis->pid)
            return false;
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
    return false;
}

bool test_redis_again(test_redis *redis)
{
    const char *socket_path = redis->address + strlen("unix:");
    const char *password[] = {"--requirepass", redis->config, NULL};
    const char *words[24] = {"redis-server",
                             "--port",
                             "0",
                             "--unixsocket",
                             socket_path,
                             "--dir",
                             redis->folder,
                             "--appendonly",
                             "yes",
                             "--appendfsync",
                             "always",
                             "--save",
                             "",
                             "--daemonize",
                             "no",
                             "--loglevel",
                             "warning",
                             "--logfile",
                             "redis.log",
                             redis->config[0] ? password[0] : NULL,
                             password[1],
                             NULL};
    char *const *argv = (char *const *)(uintptr_t)words;
    (void)unlink(socket_path);
    if (posix_spawnp(&redis->pid, "redis-server", NULL, NULL, argv, environ) != 0) {
        redis->pid = 0;
        return false;
    }
    if (wait_until_up(redis))
        return true;
    test_redis_kill(redis);
    return false;
}

bool test_redis_start_with_password(test_redis *redis, const char *folder, const char *password)
{
    *redis = (test_redis){0};
    snprintf(redis->folder, sizeof redis->folder, "%s", folder);
    snprintf(redis->address, sizeof redis->address, "unix:%s/redis.sock", folder);
    snprintf(redis->config, sizeof redis->config, "%s", password);
    return test_redis_again(redis);
}

bool test_redis_start(test_redis *redis, const char *folder)
{
    return test_redis_start_with_password(redis, folder, "");
}

static void end_process(test_redis *redis, int number)
{
    if (redis->pid <= 0)
        return;
    (void)kill(redis->pid, number);
    (void)waitpid(redis->pid, NULL, 0);
    redis->pid = 0;
}

void test_redis_kill(test_redis *redis)
{
    end_process(redis, SIGKILL);
}

void test_redis_stop(test_redis *redis)
{
    end_process(redis, SIGTERM);
}

bool test_secret(const char *path, const char *text)
{
    (void)unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    size_t length = strlen(text);
    bool good = fd >= 0 && write(fd, text, length) == (ssize_t)length;
    if (fd >= 0)
        close(fd);
    return good;
}

static bool run_quietly(char *const *words)
{
    int status = -1;
    pid_t pid = fork();
    if (pid == 0) {
        int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
        (void)dup2(nowhere, STDOUT_FILENO);
        (void)dup2(nowhere, STDERR_FILENO);
        execvp(words[0], words);
        _exit(127);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

bool test_certificate(const char *cert, const char *key)
{
    char text[] = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=samara "
                  "-addext subjectAltName=IP:127.0.0.1 -keyout KEY -out CERT";
    char kept_cert[256], kept_key[256], *words[24] = {NULL}, *rest = NULL;
    size_t count = 0;
    snprintf(kept_cert, sizeof kept_cert, "%s", cert);
    snprintf(kept_key, sizeof kept_key, "%s", key);
    for (char *word = strtok_r(text, " ", &rest); word != NULL && count < 23; word = strtok_r(NULL, " ", &rest))
        words[count++] = strcmp(word, "CERT") == 0 ? kept_cert : strcmp(word, "KEY") == 0 ? kept_key : word;
    return run_quietly(words) && chmod(key, 0600) == 0;
}

bool test_raise_open_files(size_t count)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return false;
    if (limit.rlim_cur >= count)
        return true;
    limit.rlim_cur = limit.rlim_max < count ? limit.rlim_max : count;
    return setrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur >= count;
}

unsigned test_free_port(void)
{
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof where;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool good = bind(fd, (struct sockaddr *)&where, sizeof where) == 0 &&
                getsockname(fd, (struct sockaddr *)&where, &size) == 0;
    close(fd);
    return good ? ntohs(where.sin_port) : 0;
}
