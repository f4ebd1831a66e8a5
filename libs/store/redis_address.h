/* Where a Redis is and who we are to it, read from what people write: "host:port", "unix:/path", "redis://...",
 * several hosts with commas between, or "sentinel://host,host/name".
 *
 *     sam_redis_place place;
 *     const sam_redis_options options = {.address = "redis://:secret@db:6379/2"};
 *     if (sam_redis_place_of(&place, &options, err) == SAM_OK)
 *         printf("%s, database %u\n", place.shown, place.database);        // "db:6379, database 2"
 *     sam_redis_place_free(&place);
 */
#ifndef SAM_STORE_REDIS_ADDRESS_H
#define SAM_STORE_REDIS_ADDRESS_H

#include "store/redis.h"

#define SAM_REDIS_HOSTS_MAX 16u

typedef struct sam_redis_place {
    char *host; /* NULL for a socket in the file system */
    unsigned port;
    char *others[SAM_REDIS_HOSTS_MAX - 1]; /* further hosts, to be tried in turn */
    unsigned other_ports[SAM_REDIS_HOSTS_MAX - 1];
    size_t other_count;
    char *master;      /* the hosts are sentinels, who know where the primary of this name is; NULL: they are Redis */
    char *socket_path; /* NULL for TCP */
    char *user, *password; /* NULL: none */
    unsigned database;
    char *shown; /* for people: never with a password */
} sam_redis_place;

sam_status sam_redis_place_of(sam_redis_place *place, const sam_redis_options *options, sam_error *err);
void sam_redis_place_free(sam_redis_place *place); /* also of a zeroed one */

#endif
