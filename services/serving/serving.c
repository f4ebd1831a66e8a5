#include "serving/serving.h"

#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/shutdown.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

/* The only line of a file that is neither empty nor a # comment; it borrows from *content. */
static sam_status read_line(const char *path, char **content, const char **only, sam_error *err)
{
    sam_file_map file;
    char *rest = NULL;
    sam_status status = sam_file_map_open(&file, path, err);
    if (status != SAM_OK)
        return status;
    *content = sam_strndup((const char *)file.bytes, file.length);
    sam_file_map_close(&file);
    if (*content == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory reading %s", path);
    *only = NULL;
    for (char *line = strtok_r(*content, "\r\n", &rest); line != NULL; line = strtok_r(NULL, "\r\n", &rest)) {
        if (line[0] == '#')
            continue;
        if (*only != NULL)
            return sam_fail(err, SAM_TOO_LARGE, "%s has more than one line", path);
        *only = line;
    }
    return *only != NULL ? SAM_OK : sam_fail(err, SAM_INVALID, "%s is empty", path);
}

sam_status serving_open(serving *set, sam_error *err)
{
    if (set->threads < 1 || set->threads > 256)
        return sam_fail(err, SAM_INVALID, "--threads is a number from 1 to 256");
    if (set->max_connections > 1000000 || set->max_per_client > 1000000)
        return sam_fail(err, SAM_INVALID, "--max-connections and --max-per-client are at most 1000000");
    sam_status status = set->tokens == NULL ? SAM_OK : sam_access_open(&set->access, set->tokens, err);
    if (status == SAM_OK && set->redis_password_file != NULL)
        status = read_line(set->redis_password_file, &set->secrets[0], &set->redis_password, err);
    if (status == SAM_OK && set->redis_user_file != NULL)
        status = read_line(set->redis_user_file, &set->secrets[1], &set->redis_user, err);
    return status;
}

void serving_close(serving *set)
{
    for (size_t i = 0; i < sizeof set->secrets / sizeof *set->secrets; i++)
        sam_free(set->secrets[i]);
    sam_access_free(set->access);
}

sam_http_server_options serving_http(const serving *set)
{
    return (sam_http_server_options){.listen = set->listen,
                                     .threads = (unsigned)set->threads,
                                     .max_connections = (unsigned)set->max_connections,
                                     .max_per_client = (unsigned)set->max_per_client,
                                     .rate = set->rate,
                                     .access = set->access,
                                     .tls_cert = set->tls_cert,
                                     .tls_key = set->tls_key};
}

sam_redis_options serving_redis(const serving *set)
{
    return (sam_redis_options){.address = set->redis, .user = set->redis_user, .password = set->redis_password};
}

void serving_until_shutdown(const sam_http_server *server)
{
    printf("listening on %s://%s\n", sam_http_server_scheme(server), sam_http_server_address(server));
    fflush(stdout);
    while (!sam_shutdown_requested())
        (void)poll(&(struct pollfd){.fd = sam_shutdown_fd(), .events = POLLIN}, 1, 1000);
    sam_log_info("stopping");
}
