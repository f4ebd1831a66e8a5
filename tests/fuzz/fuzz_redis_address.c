/* libFuzzer target: an address of Redis that is understood has a host or a path, and is never shown with its
 * password. */
#include "store/redis_address.h"

#include "base/memory.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    char *address = sam_strndup((const char *)bytes, length);
    sam_redis_place place;
    sam_error err = {0};
    if (address == NULL || memchr(bytes, 0, length) != NULL) {
        sam_free(address);
        return 0;
    }
    if (sam_redis_place_of(&place, &(sam_redis_options){.address = address}, &err) == SAM_OK) {
        if ((place.host == NULL) == (place.socket_path == NULL) || place.shown == NULL || place.port > 65535 ||
            (place.host != NULL && (place.port == 0 || place.host[0] == 0)))
            __builtin_trap();
        if (place.host != NULL && strchr(place.shown, '@') != NULL && strchr(place.host, '@') == NULL)
            __builtin_trap();
        sam_redis_place_free(&place);
    } else if (err.text[0] == 0) {
        __builtin_trap();
    }
    sam_free(address);
    return 0;
}
