/* What tests of several libraries need: a folder of their own, a private Redis, a port.
 *
 *     test_folder folder;
 *     test_folder_make(&folder);                       // $TMPDIR/samara-test-XXXXXX
 *     test_redis redis;
 *     if (!test_redis_start(&redis, folder.path)) skip();
 *     sam_redis_open(&connection, &(sam_redis_options){.address = redis.address}, &err);
 *     test_redis_kill(&redis);                         // SIGKILL, as a power cut
 *     test_redis_again(&redis);                        // same folder, same socket: what was synced is there
 *     test_redis_stop(&redis);
 *     test_folder_remove(&folder);
 */
#ifndef SAM_TEST_SUPPORT_H
#define SAM_TEST_SUPPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

typedef struct test_folder {
    char path[200];
} test_folder;

bool test_folder_make(test_folder *folder);
void test_folder_remove(const test_folder *folder); /* with all that is in it */
/* "folder/name" in `out`. */
void test_path(char *out, size_t size, const test_folder *folder, const char *name);

/* A file that only we may read, as secrets must be. */
bool test_secret(const char *path, const char *text);
/* A certificate of 127.0.0.1 that vouches for itself, and its key, by the program openssl. False: there is none. */
bool test_certificate(const char *cert, const char *key);

typedef struct test_redis {
    char folder[200];
    char address[256]; /* "unix:/.../redis.sock" */
    char config[64];   /* requirepass, or "" */
    pid_t pid;
} test_redis;

/* appendonly, fsync always. False when there is no redis-server or it does not come up within 10 s. */
bool test_redis_start(test_redis *redis, const char *folder);
bool test_redis_start_with_password(test_redis *redis, const char *folder, const char *password);
bool test_redis_again(test_redis *redis);
void test_redis_kill(test_redis *redis);
void test_redis_stop(test_redis *redis);

bool test_raise_open_files(size_t count); /* soft limit; false when the hard one is below */
unsigned test_free_port(void);            /* on 127.0.0.1, a moment ago; 0: none */

#endif
