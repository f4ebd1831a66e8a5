#include "store/redis_address.h"

#include "base/memory.h"
#include "base/text.h"

#include <string.h>

#define DEFAULT_ADDRESS "127.0.0.1:6379"
#define DEFAULT_PORT    6379u

static sam_status not_understood(const char *shown, sam_error *err)
{
    return sam_fail(err, SAM_INVALID,
                    "the Redis address \"%s\" is not understood: expected HOST:PORT, unix:/PATH or "
                    "redis://[USER[:PASSWORD]@]HOST[:PORT][/DATABASE]",
                    shown);
}

/* Percent escapes undone in place; false for one that is none, and for NUL. */
static bool unescape(char *text)
{
    char *to = text;
    for (const char *from = text; *from != 0; from++) {
        char c = *from;
        if (c == '%') {
            char digits[3] = {from[1], from[1] == 0 ? (char)0 : from[2], 0};
            uint8_t byte;
            if (!sam_unhex(&byte, 1, digits) || byte == 0)
                return false;
            c = (char)byte;
            from += 2;
        }
        *to++ = c;
    }
    *to = 0;
    return true;
}

/* "host:port", "[::1]:port"; a port may be missing. */
static bool take_host(sam_redis_place *place, const char *text, size_t length)
{
    const char *end = text + length, *colon = memrchr(text, ':', length), *host_end = end;
    place->port = DEFAULT_PORT;
    if (length > 0 && text[0] == '[' && end[-1] == ']')
        colon = NULL;
    if (colon != NULL) {
        char digits[6] = "";
        uint64_t port;
        if ((size_t)(end - colon - 1) >= sizeof digits)
            return false;
        memcpy(digits, colon + 1, (size_t)(end - colon - 1));
        if (!sam_parse_u64(digits, &port) || port == 0 || port > 65535)
            return false;
        place->port = (unsigned)port;
        host_end = colon;
    }
    bool bracketed = host_end - text >= 2 && text[0] == '[' && host_end[-1] == ']';
    text += bracketed;
    host_end -= bracketed;
    if (host_end <= text || (!bracketed && memchr(text, ':', (size_t)(host_end - text)) != NULL))
        return false;
    place->host = sam_strndup(text, (size_t)(host_end - text));
    return place->host != NULL;
}

static bool take_credentials(sam_redis_place *place, const char *text, size_t length)
{
    const char *colon = memchr(text, ':', length);
    size_t user_length = colon == NULL ? length : (size_t)(colon - text);
    if (user_length > 0 && place->user == NULL)
        place->user = sam_strndup(text, user_length);
    if (colon != NULL && place->password == NULL)
        place->password = sam_strndup(colon + 1, length - user_length - 1);
    return (place->user == NULL || unescape(place->user)) && (place->password == NULL || unescape(place->password));
}

static bool take_url(sam_redis_place *place, const char *rest)
{
    size_t length = strcspn(rest, "/");
    const char *at = memrchr(rest, '@', length);
    if (at != NULL && !take_credentials(place, rest, (size_t)(at - rest)))
        return false;
    const char *host = at == NULL ? rest : at + 1;
    if (!take_host(place, host, (size_t)(rest + length - host)))
        return false;
    if (rest[length] == 0 || rest[length + 1] == 0)
        return true;
    uint64_t database;
    if (!sam_parse_u64(rest + length + 1, &database) || database > 65535)
        return false;
    place->database = (unsigned)database;
    return true;
}

static bool copy_text(char **to, const char *text)
{
    *to = text == NULL ? NULL : sam_strdup(text);
    return text == NULL || *to != NULL;
}

/* Given credentials win over those of the URL. */
static bool take_address(sam_redis_place *place, const char *address)
{
    if (strncmp(address, "unix:", 5) == 0) {
        const char *path = address + 5 + (strncmp(address, "unix://", 7) == 0 ? 2 : 0);
        return path[0] != 0 && copy_text(&place->socket_path, path);
    }
    if (strncmp(address, "redis://", 8) == 0)
        return take_url(place, address + 8);
    return take_host(place, address, strlen(address));
}

static bool name_for_people(sam_redis_place *place)
{
    if (place->socket_path != NULL)
        place->shown = sam_format("unix:%s", place->socket_path);
    else
        place->shown = sam_format(strchr(place->host, ':') != NULL ? "[%s]:%u" : "%s:%u", place->host, place->port);
    return place->shown != NULL;
}

sam_status sam_redis_place_of(sam_redis_place *place, const sam_redis_options *options, sam_error *err)
{
    *place = (sam_redis_place){.database = options->database};
    const char *address = options->address == NULL ? DEFAULT_ADDRESS : options->address;
    if (strncmp(address, "rediss://", 9) == 0)
        return sam_fail(err, SAM_UNSUPPORTED,
                        "rediss:// (Redis over TLS) is not supported: hiredis 0.14 has no TLS; use redis:// on a "
                        "trusted network, or a local TLS tunnel such as stunnel");
    bool copied = copy_text(&place->user, options->user) && copy_text(&place->password, options->password);
    const char *at = strrchr(address, '@'); /* what stands before it may be a password */
    if (!copied || !take_address(place, address) || !name_for_people(place)) {
        sam_redis_place_free(place);
        return not_understood(at == NULL ? address : at + 1, err);
    }
    return SAM_OK;
}

void sam_redis_place_free(sam_redis_place *place)
{
    sam_free(place->host);
    sam_free(place->socket_path);
    sam_free(place->user);
    sam_free(place->password);
    sam_free(place->shown);
    *place = (sam_redis_place){0};
}
