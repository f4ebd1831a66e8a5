/* libFuzzer target: an address of Redis that is understood has a host or a path, and is never shown with its
 * password. The same text as an error of a cluster's node names a slot and a place, or nothing. */
#include "store/redis_address.h"
#include "store/redis_cluster.h"

#include "base/memory.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

/* What stands before an @ may be a password, and hosts are shown. */
static void must_hide(const sam_redis_place *place)
{
    if (place->host != NULL && strchr(place->host, '@') != NULL)
        __builtin_trap();
    for (size_t i = 0; i < place->other_count; i++)
        if (strchr(place->others[i], '@') != NULL)
            __builtin_trap();
}

static void read_move(char *text, size_t length)
{
    sam_redis_move move;
    const redisReply reply = {.type = REDIS_REPLY_ERROR, .str = text, .len = length};
    if (sam_redis_move_of(&move, &reply) && (move.slot < 0 || move.slot >= SAM_REDIS_SLOTS || move.port == 0 ||
                                             move.port > 65535 || memchr(move.host, 0, sizeof move.host) == NULL))
        __builtin_trap();
    if (sam_redis_slot_of_key(text, length) >= SAM_REDIS_SLOTS)
        __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    char *address = sam_strndup((const char *)bytes, length);
    sam_redis_place place;
    sam_error err = {0};
    if (address == NULL || memchr(bytes, 0, length) != NULL) {
        sam_free(address);
        return 0;
    }
    read_move(address, length);
    if (sam_redis_place_of(&place, &(sam_redis_options){.address = address}, &err) == SAM_OK) {
        if ((place.host == NULL) == (place.socket_path == NULL) || place.shown == NULL || place.port > 65535 ||
            (place.host != NULL && (place.port == 0 || place.host[0] == 0)))
            __builtin_trap();
        must_hide(&place);
        sam_redis_place_free(&place);
    } else if (err.text[0] == 0) {
        __builtin_trap();
    }
    sam_free(address);
    return 0;
}
