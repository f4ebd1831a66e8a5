/* What a handler reads of its request. */
#include "net/http_internal.h"

#include "base/text.h"

#include <string.h>

const char *sam_http_method(const sam_http_request *request)
{
    return request->method;
}

static const char *find(const pair *pairs, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (pairs[i].name != NULL && strcmp(pairs[i].name, name) == 0)
            return pairs[i].value;
    return NULL;
}

const char *sam_http_parameter(const sam_http_request *request, const char *name)
{
    return find(request->parameters, request->parameter_count, name);
}

const char *sam_http_query(const sam_http_request *request, const char *name)
{
    return find(request->query, request->query_count, name);
}

const char *sam_http_header(const sam_http_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

const uint8_t *sam_http_body(const sam_http_request *request, size_t *length)
{
    static const uint8_t NOTHING[1];
    *length = request->body.length;
    return request->body.bytes == NULL ? NOTHING : request->body.bytes;
}

sam_status sam_http_body_json(const sam_http_request *request, json_t **value, sam_error *err)
{
    size_t length;
    const uint8_t *bytes = sam_http_body(request, &length);
    json_error_t where;
    *value = json_loadb((const char *)bytes, length, JSON_REJECT_DUPLICATES, &where);
    if (*value == NULL)
        return sam_fail(err, SAM_INVALID, "the body is not valid JSON: line %d, column %d: %s", where.line,
                        where.column, where.text);
    return SAM_OK;
}

sam_status sam_http_query_u64(const sam_http_request *request, const char *name, uint64_t fallback, uint64_t most,
                              uint64_t *value, sam_error *err)
{
    const char *text = sam_http_query(request, name);
    *value = fallback;
    if (text == NULL)
        return SAM_OK;
    if (!sam_parse_u64(text, value) || *value > most)
        return sam_fail(err, SAM_INVALID, "%s=%.40s in the query: expected a number from 0 to %llu", name, text,
                        (unsigned long long)most);
    return SAM_OK;
}

const sam_caller *sam_http_caller(const sam_http_request *request)
{
    return &request->caller;
}

sam_http_ticket sam_http_ticket_of(const sam_http_request *request)
{
    return request->waiting.ticket;
}

sam_http_next sam_http_wait(sam_http_request *request, uint32_t timeout_ms)
{
    request->wait_ms = timeout_ms;
    request->watched = true;
    return SAM_HTTP_SUSPEND;
}

sam_http_next sam_http_await(sam_http_request *request)
{
    request->watched = false;
    return SAM_HTTP_SUSPEND;
}

void *sam_http_state(const sam_http_request *request)
{
    return request->state;
}

void sam_http_at_end(sam_http_request *request, void (*at_end)(void *state), void *state)
{
    request->at_end = at_end;
    request->state = state;
}
