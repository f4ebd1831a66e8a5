/* What a program has that serves HTTP over Redis: its options, its secrets, and the time until it is told to stop.
 *
 *     serving set = {.listen = "127.0.0.1:8642", .redis = "127.0.0.1:6379", .threads = 2};
 *     const char *model = NULL;
 *     const sam_option table[] = {SERVING_OPTIONS(&set), {"model", SAM_OPTION_TEXT, &model, "MODEL", "to serve"}, {0}};
 *     const sam_command command = {"samara-gateway", "--model MODEL", "Serves models.", table};
 *     int rest;
 *     sam_status status = sam_options_parse(&command, argc, argv, &rest, err);
 *     if (status == SAM_OK)
 *         status = serving_open(&set, err);
 *     const sam_http_server_options http = serving_http(&set);        // and what is the program's own
 *     sam_http_server *server = NULL;
 *     if (status == SAM_OK)
 *         status = sam_http_server_start(&server, &http, routes, err);
 *     if (status == SAM_OK)
 *         serving_until_shutdown(server);
 *     sam_http_server_stop(server);
 *     serving_close(&set);
 *
 * Thread safety: main thread only.
 */
#ifndef SAM_SERVING_SERVING_H
#define SAM_SERVING_SERVING_H

#include "base/options.h"
#include "net/http_server.h"
#include "store/redis.h"

typedef struct serving {
    const char *listen, *tokens, *tls_cert, *tls_key;
    const char *redis, *redis_user, *redis_user_file, *redis_password, *redis_password_file;
    uint64_t threads, wait_redis, max_connections, max_per_client, rate;
    char *secrets[2]; /* contents of files, for the life of the process */
    sam_access *access;
} serving;

#define SERVING_OPTIONS(set)                                                                                           \
    {"listen", SAM_OPTION_TEXT, &(set)->listen, "ADDRESS", "where to serve HTTP; port 0: any free one"},               \
        {"redis", SAM_OPTION_TEXT, &(set)->redis, "ADDRESS", "host:port, unix:/path, redis://... or sentinel://..."},  \
        {"redis-user", SAM_OPTION_TEXT, &(set)->redis_user, "NAME", "user of Redis"},                                  \
        {"redis-user-file", SAM_OPTION_TEXT, &(set)->redis_user_file, "FILE", "file with nothing but that user"},      \
        {"redis-password", SAM_OPTION_TEXT, &(set)->redis_password, "TEXT", "password (other users can see flags)"},   \
        {"redis-password-file", SAM_OPTION_TEXT, &(set)->redis_password_file, "FILE", "file with the password"},       \
        {"wait-redis", SAM_OPTION_COUNT, &(set)->wait_redis, "SECONDS", "how long to try to reach Redis at start"},    \
        {"tokens", SAM_OPTION_TEXT, &(set)->tokens, "FILE",                                                            \
         "bearer tokens with roles (docs/operations.md), read again when it changes; none: open to all"},              \
        {"tls-cert", SAM_OPTION_TEXT, &(set)->tls_cert, "FILE", "certificate and its chain in PEM: serve HTTPS"},      \
        {"tls-key", SAM_OPTION_TEXT, &(set)->tls_key, "FILE", "its private key in PEM"},                               \
        {"rate", SAM_OPTION_COUNT, &(set)->rate, "N", "requests a second that one address may send; 0: any number"},   \
        {"max-connections", SAM_OPTION_COUNT, &(set)->max_connections, "N", "HTTP connections at a time; 0: 16000"},   \
        {"max-per-client", SAM_OPTION_COUNT, &(set)->max_per_client, "N",                                              \
         "HTTP connections of one address at a time; 0: any number"},                                                  \
        {"threads", SAM_OPTION_COUNT, &(set)->threads, "N", "threads that answer requests, 1 to 256"}

/* Checks the numbers, and reads the files of secrets. After a failure too serving_close is called. */
sam_status serving_open(serving *set, sam_error *err);
void serving_close(serving *set);

sam_http_server_options serving_http(const serving *set);
sam_redis_options serving_redis(const serving *set);

/* Says where the server listens, on stdout, and returns when SIGTERM or SIGINT came (base/shutdown.h). */
void serving_until_shutdown(const sam_http_server *server);

#endif
