/* Replies of Redis, with their types checked. */
#include "store/redis.h"

#include "base/text.h"

#include <string.h>

static const char *type_name(int type)
{
    static const char *const NAMES[] = {"?", "a string", "an array", "an integer", "nil", "a status", "an error"};
    return type >= 1 && type <= 6 ? NAMES[type] : NAMES[0];
}

static sam_status wrong_type(const redisReply *reply, const char *what, const char *expected, sam_error *err)
{
    return sam_fail(err, SAM_CORRUPT, "Redis answered %s with %s where %s was expected", what, type_name(reply->type),
                    expected);
}

static bool is_text(const redisReply *reply)
{
    return reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS;
}

sam_status sam_redis_u64(const redisReply *reply, const char *what, uint64_t *value, sam_error *err)
{
    if (reply->type == REDIS_REPLY_INTEGER && reply->integer >= 0) {
        *value = (uint64_t)reply->integer;
        return SAM_OK;
    }
    if (reply->type == REDIS_REPLY_NIL)
        return sam_fail(err, SAM_NOT_FOUND, "Redis has nothing for %s", what);
    if (!is_text(reply) || strlen(reply->str) != reply->len || !sam_parse_u64(reply->str, value))
        return wrong_type(reply, what, "a number from 0 up", err);
    return SAM_OK;
}

sam_status sam_redis_bytes(const redisReply *reply, const char *what, const char **bytes, size_t *length,
                           sam_error *err)
{
    if (reply->type == REDIS_REPLY_NIL)
        return sam_fail(err, SAM_NOT_FOUND, "Redis has nothing for %s", what);
    if (!is_text(reply))
        return wrong_type(reply, what, "a string", err);
    *bytes = reply->str;
    *length = reply->len;
    return SAM_OK;
}

sam_status sam_redis_array(const redisReply *reply, const char *what, size_t least, redisReply *const **elements,
                           size_t *count, sam_error *err)
{
    if (reply->type != REDIS_REPLY_ARRAY)
        return wrong_type(reply, what, "an array", err);
    if (reply->elements < least)
        return sam_fail(err, SAM_CORRUPT, "Redis answered %s with %zu elements where at least %zu were expected", what,
                        reply->elements, least);
    *elements = reply->element;
    *count = reply->elements;
    return SAM_OK;
}

static bool starts_with_word(const char *text, const char *word)
{
    size_t length = strlen(word);
    return strncmp(text, word, length) == 0 && (text[length] == ' ' || text[length] == 0);
}

static bool named_status(const char *text, sam_status *status)
{
    for (int s = SAM_OK + 1; s <= SAM_INTERNAL; s++) {
        if (starts_with_word(text, sam_status_name((sam_status)s))) {
            *status = (sam_status)s;
            return true;
        }
    }
    return false;
}

static sam_status redis_status(const char *text)
{
    static const struct {
        const char *word;
        sam_status status;
    } KNOWN[] = {{"NOAUTH", SAM_UNAUTHORIZED},    {"WRONGPASS", SAM_UNAUTHORIZED}, {"NOPERM", SAM_FORBIDDEN},
                 {"NOSCRIPT", SAM_NOT_FOUND},     {"LOADING", SAM_UNAVAILABLE},    {"BUSY", SAM_UNAVAILABLE},
                 {"READONLY", SAM_UNAVAILABLE},   {"MASTERDOWN", SAM_UNAVAILABLE}, {"OOM", SAM_UNAVAILABLE},
                 {"MISCONF", SAM_UNAVAILABLE},    {"TRYAGAIN", SAM_UNAVAILABLE},   {"CLUSTERDOWN", SAM_UNAVAILABLE},
                 {"NOREPLICAS", SAM_UNAVAILABLE}, {"WRONGTYPE", SAM_CORRUPT}};
    for (size_t i = 0; i < sizeof KNOWN / sizeof KNOWN[0]; i++)
        if (starts_with_word(text, KNOWN[i].word))
            return KNOWN[i].status;
    return SAM_INVALID;
}

/* The sentence of a Lua function, without what Redis adds to it (" script: SHA, on @user_script:3."). */
static int own_length(const char *text)
{
    const char *added = strncmp(text, "script: ", 8) == 0 ? text : strstr(text, " script: ");
    return (int)(added == NULL ? strlen(text) : (size_t)(added - text));
}

/* Redis 7 puts "ERR " before a Lua function's error of one word, and takes a leading '-' away; Redis 6 keeps it. */
static const char *without_prefix(const char *text)
{
    if (strncmp(text, "ERR ", 4) == 0)
        return text + 4;
    return text + (*text == '-');
}

bool sam_redis_is_crossslot(const sam_error *err)
{
    return strstr(err->text, "CROSSSLOT") != NULL;
}

sam_status sam_redis_error_of(const redisReply *reply, sam_error *err)
{
    if (reply->type != REDIS_REPLY_ERROR)
        return SAM_OK;
    const char *text = without_prefix(reply->str);
    sam_status status;
    if (named_status(text, &status)) {
        const char *rest = text + strlen(sam_status_name(status));
        rest += *rest == ' ';
        if (own_length(rest) == 0)
            return sam_fail(err, status, "%s", sam_status_sentence(status));
        return sam_fail(err, status, "%.*s", own_length(rest), rest);
    }
    return sam_fail(err, redis_status(text), "Redis refused: %s", reply->str);
}
