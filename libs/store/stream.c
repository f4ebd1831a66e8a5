#include "store/stream.h"

#include "base/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

bool sam_stream_id_parse(sam_stream_id *id, const char *text)
{
    uint64_t *parts[2] = {&id->time, &id->sequence};
    for (int i = 0; i < 2; i++) {
        uint64_t value = 0;
        if (*text < '0' || *text > '9')
            return false;
        for (; *text >= '0' && *text <= '9'; text++)
            if (__builtin_mul_overflow(value, 10u, &value) ||
                __builtin_add_overflow(value, (uint64_t)(*text - '0'), &value))
                return false;
        if (*text != (i == 0 ? '-' : 0))
            return false;
        text += i == 0;
        *parts[i] = value;
    }
    return true;
}

void sam_stream_id_text(char out[SAM_STREAM_ID_TEXT], sam_stream_id id)
{
    snprintf(out, SAM_STREAM_ID_TEXT, "%" PRIu64 "-%" PRIu64, id.time, id.sequence);
}

static sam_status fields_of(const redisReply *reply, sam_stream_field *fields, size_t count, sam_error *err)
{
    for (size_t i = 0; i < count; i++) {
        sam_stream_field *field = &fields[i];
        sam_status status =
            sam_redis_bytes(reply->element[2 * i], "a stream field", &field->name, &field->name_length, err);
        if (status == SAM_OK)
            status =
                sam_redis_bytes(reply->element[2 * i + 1], "a stream value", &field->value, &field->value_length, err);
        if (status != SAM_OK)
            return status;
    }
    return SAM_OK;
}

/* reply: [id, [name, value, ...]] */
static sam_status visit_entry(const redisReply *reply, sam_stream_id *cursor, sam_stream_visit visit, void *user,
                              sam_error *err)
{
    redisReply *const *parts;
    size_t count, length;
    const char *id_text;
    sam_stream_entry entry = {0};
    sam_status status = sam_redis_array(reply, "a stream entry", 2, &parts, &count, err);
    if (status == SAM_OK)
        status = sam_redis_bytes(parts[0], "a stream id", &id_text, &length, err);
    if (status != SAM_OK)
        return status;
    if (!sam_stream_id_parse(&entry.id, id_text))
        return sam_fail(err, SAM_CORRUPT, "Redis named a stream entry \"%.42s\", which is no id", id_text);
    if (parts[1]->type != REDIS_REPLY_ARRAY || parts[1]->elements % 2 != 0)
        return sam_fail(err, SAM_CORRUPT, "the stream entry %s has no fields", id_text);
    entry.field_count = parts[1]->elements / 2;
    sam_stream_field *fields = sam_alloc(entry.field_count, sizeof *fields);
    if (fields == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory for the stream entry %s", id_text);
    entry.fields = fields;
    status = fields_of(parts[1], fields, entry.field_count, err);
    if (status == SAM_OK)
        status = visit(user, &entry, err);
    if (status == SAM_OK)
        *cursor = entry.id;
    sam_free(fields);
    return status;
}

static sam_status visit_all(const redisReply *entries, sam_stream_id *cursor, sam_stream_visit visit, void *user,
                            size_t *seen, sam_error *err)
{
    redisReply *const *each;
    size_t count;
    sam_status status = sam_redis_array(entries, "a stream read", 0, &each, &count, err);
    for (size_t i = 0; status == SAM_OK && i < count; i++) {
        status = visit_entry(each[i], cursor, visit, user, err);
        *seen += status == SAM_OK;
    }
    return status;
}

sam_status sam_stream_read(sam_redis *redis, const char *key, sam_stream_id *cursor, uint32_t page,
                           sam_stream_visit visit, void *user, size_t *seen, sam_error *err)
{
    char after[SAM_STREAM_ID_TEXT + 1] = "(", count[12];
    redisReply *reply;
    *seen = 0;
    sam_stream_id_text(after + 1, *cursor);
    snprintf(count, sizeof count, "%u", page);
    sam_status status = sam_redis_words(redis, &reply, err, "XRANGE", key, after, "+", "COUNT", count, NULL);
    if (status == SAM_OK)
        status = visit_all(reply, cursor, visit, user, seen, err);
    sam_redis_reply_free(reply);
    return status;
}

const sam_stream_field *sam_stream_field_named(const sam_stream_entry *entry, const char *name)
{
    size_t length = strlen(name);
    for (size_t i = 0; i < entry->field_count; i++)
        if (entry->fields[i].name_length == length && memcmp(entry->fields[i].name, name, length) == 0)
            return &entry->fields[i];
    return NULL;
}
