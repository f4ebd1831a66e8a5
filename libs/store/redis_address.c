#include "store/redis_address.h"

#include "base/bytes.h"
#include "base/memory.h"
#include "base/text.h"

#include <string.h>

#define DEFAULT_ADDRESS "127.0.0.1:6379"
#define DEFAULT_PORT    6379u
#define SENTINEL_PORT   26379u

static sam_status not_understood(const char *shown, sam_error *err)
{
    return sam_fail(err, SAM_INVALID,
                    "the Redis address \"%s\" is not understood: expected HOST:PORT, unix:/PATH, "
                    "redis://[USER[:PASSWORD]@]HOST[:PORT][,HOST...][/DATABASE] or "
                    "sentinel://[USER[:PASSWORD]@]HOST[:PORT][,HOST...]/NAME[/DATABASE]",
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

/* "host:port", "[::1]:port"; where the port is missing, *given stays. */
static bool take_host(char **host, unsigned *given, const char *text, size_t length)
{
    const char *end = text + length, *colon = memrchr(text, ':', length), *host_end = end;
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
        *given = (unsigned)port;
        host_end = colon;
    }
    bool bracketed = host_end - text >= 2 && text[0] == '[' && host_end[-1] == ']';
    text += bracketed;
    host_end -= bracketed;
    size_t host_length = host_end <= text ? 0 : (size_t)(host_end - text);
    if (host_length == 0 || (!bracketed && memchr(text, ':', host_length) != NULL))
        return false;
    if (memchr(text, '@', host_length) != NULL) /* a password without redis:// before it; hosts are shown */
        return false;
    *host = sam_strndup(text, host_length);
    return *host != NULL;
}

/* One host, or several with commas between. */
static bool take_hosts(sam_redis_place *place, const char *text, size_t length, unsigned usual_port)
{
    const char *end = text + length, *comma = memchr(text, ',', length);
    place->port = usual_port;
    if (!take_host(&place->host, &place->port, text, (size_t)((comma == NULL ? end : comma) - text)))
        return false;
    while (comma != NULL) {
        size_t i = place->other_count;
        const char *next = comma + 1;
        comma = memchr(next, ',', (size_t)(end - next));
        if (i == SAM_REDIS_HOSTS_MAX - 1)
            return false;
        place->other_ports[i] = usual_port;
        if (!take_host(&place->others[i], &place->other_ports[i], next, (size_t)((comma == NULL ? end : comma) - next)))
            return false;
        place->other_count++;
    }
    return true;
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

/* "[user[:password]@]hosts"; `*rest` goes on with what follows it. */
static bool take_authority(sam_redis_place *place, const char **rest, unsigned usual_port)
{
    size_t length = strcspn(*rest, "/");
    const char *at = memrchr(*rest, '@', length);
    if (at != NULL && !take_credentials(place, *rest, (size_t)(at - *rest)))
        return false;
    const char *hosts = at == NULL ? *rest : at + 1;
    *rest += length;
    return take_hosts(place, hosts, (size_t)(*rest - hosts), usual_port);
}

/* "", "/" or "/3" */
static bool take_database(sam_redis_place *place, const char *path)
{
    uint64_t database;
    if (path[0] == 0 || path[1] == 0)
        return true;
    if (!sam_parse_u64(path + 1, &database) || database > 65535)
        return false;
    place->database = (unsigned)database;
    return true;
}

static bool take_url(sam_redis_place *place, const char *rest)
{
    return take_authority(place, &rest, DEFAULT_PORT) && take_database(place, rest);
}

static bool take_sentinel_url(sam_redis_place *place, const char *rest)
{
    if (!take_authority(place, &rest, SENTINEL_PORT) || rest[0] != '/')
        return false;
    size_t length = strcspn(rest + 1, "/");
    place->master = length == 0 ? NULL : sam_strndup(rest + 1, length);
    return place->master != NULL && unescape(place->master) && take_database(place, rest + 1 + length);
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
    if (strncmp(address, "sentinel://", 11) == 0)
        return take_sentinel_url(place, address + 11);
    return take_hosts(place, address, strlen(address), DEFAULT_PORT);
}

static void put_host(sam_buffer *text, const char *host, unsigned port)
{
    sam_put_format(text, strchr(host, ':') != NULL ? "[%s]:%u" : "%s:%u", host, port);
}

static bool name_for_people(sam_redis_place *place)
{
    sam_buffer text = {0};
    if (place->socket_path != NULL) {
        sam_put_format(&text, "unix:%s", place->socket_path);
    } else {
        sam_put_text(&text, place->master != NULL ? "sentinel://" : "");
        put_host(&text, place->host, place->port);
        for (size_t i = 0; i < place->other_count; i++) {
            sam_put_text(&text, ",");
            put_host(&text, place->others[i], place->other_ports[i]);
        }
        if (place->master != NULL)
            sam_put_format(&text, "/%s", place->master);
    }
    if (!text.failed)
        place->shown = sam_strndup((const char *)text.bytes, text.length);
    sam_buffer_free(&text);
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
    for (size_t i = 0; i < SAM_REDIS_HOSTS_MAX - 1; i++)
        sam_free(place->others[i]);
    sam_free(place->master);
    sam_free(place->socket_path);
    sam_free(place->user);
    sam_free(place->password);
    sam_free(place->shown);
    *place = (sam_redis_place){0};
}
