/* What a handler sends: bytes, JSON, problems, and content of known size with ranges and validators (RFC 9110). */
#include "net/http_internal.h"

#include "base/log.h"
#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#define BLOCK_BYTES ((size_t)256 * 1024)

void sam_http_drop_answer(sam_http_request *request)
{
    if (request->response != NULL)
        MHD_destroy_response(request->response);
    request->response = NULL;
    request->code = 0;
}

static sam_http_next give(sam_http_request *request, int code, struct MHD_Response *response, const char *type)
{
    sam_http_drop_answer(request);
    request->response = response; /* NULL: queue_answer makes it a 500 */
    request->code = code;
    if (response != NULL && type != NULL)
        (void)MHD_add_response_header(response, "Content-Type", type);
    return SAM_HTTP_ANSWERED;
}

void sam_http_set_header(sam_http_request *request, const char *name, const char *value)
{
    for (size_t i = 0; i < request->header_count; i++) {
        if (strcasecmp(request->headers[i].name, name) == 0) {
            request->headers[i].value = sam_arena_strndup(&request->arena, value, strlen(value));
            return;
        }
    }
    if (request->header_count == request->header_room) {
        size_t room = request->header_room * 2 + 8;
        pair *headers = sam_arena_array(&request->arena, room, sizeof *headers);
        if (headers == NULL)
            return;
        if (request->header_count > 0)
            memcpy(headers, request->headers, request->header_count * sizeof *headers);
        request->headers = headers;
        request->header_room = room;
    }
    const char *own_name = sam_arena_strndup(&request->arena, name, strlen(name));
    const char *own_value = sam_arena_strndup(&request->arena, value, strlen(value));
    if (own_name != NULL)
        request->headers[request->header_count++] = (pair){own_name, own_value};
}

static struct MHD_Response *out_of_memory(void)
{
    static char text[] = "{\"title\":\"Internal Server Error\",\"status\":500,\"detail\":\"out of memory\"}";
    return MHD_create_response_from_buffer(sizeof text - 1, text, MHD_RESPMEM_PERSISTENT);
}

enum MHD_Result sam_http_queue_answer(sam_http_request *request)
{
    if (request->response == NULL)
        give(request, 500, out_of_memory(), "application/problem+json");
    if (request->response == NULL)
        return MHD_NO;
    for (size_t i = 0; i < request->header_count; i++) {
        const pair *field = &request->headers[i];
        if (field->value == NULL || MHD_add_response_header(request->response, field->name, field->value) != MHD_YES)
            sam_log_warn("the answer field %s of %s was dropped: it has bytes that a field may not have", field->name,
                         request->path);
    }
    enum MHD_Result result = MHD_queue_response(request->connection, (unsigned)request->code, request->response);
    MHD_destroy_response(request->response);
    request->response = NULL;
    return result;
}

sam_http_next sam_http_answer_empty(sam_http_request *request, int code)
{
    return give(request, code, MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT), NULL);
}

sam_http_next sam_http_answer_bytes(sam_http_request *request, int code, const char *type, const void *bytes,
                                    size_t length)
{
    void *writable = (void *)bytes; /* copied at once, never written */
    return give(request, code, MHD_create_response_from_buffer(length, writable, MHD_RESPMEM_MUST_COPY), type);
}

sam_http_next sam_http_answer_buffer(sam_http_request *request, int code, const char *type, sam_buffer *buffer)
{
    if (buffer->failed) {
        sam_buffer_free(buffer);
        return give(request, 500, NULL, NULL);
    }
    if (buffer->length == 0) {
        sam_buffer_free(buffer);
        return give(request, code, MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT), type);
    }
    struct MHD_Response *response =
        MHD_create_response_from_buffer_with_free_callback(buffer->length, buffer->bytes, sam_free);
    if (response != NULL)
        *buffer = (sam_buffer){0};
    else
        sam_buffer_free(buffer);
    return give(request, code, response, type);
}

static int put_json(const char *bytes, size_t length, void *buffer)
{
    sam_put_bytes(buffer, bytes, length);
    return 0;
}

static sam_http_next answer_json_as(sam_http_request *request, int code, const char *type, json_t *value)
{
    sam_buffer text = {0};
    if (value == NULL || json_dump_callback(value, put_json, &text, JSON_COMPACT) != 0)
        text.failed = true;
    json_decref(value);
    return sam_http_answer_buffer(request, code, type, &text);
}

sam_http_next sam_http_answer_json(sam_http_request *request, int code, json_t *value)
{
    return answer_json_as(request, code, "application/json", value);
}

/* The sentence may quote bytes of the request, which need not be UTF-8; JSON must be. */
static void make_utf8(char *text)
{
    for (size_t left = strlen(text); left > 0;) {
        uint32_t code_point;
        size_t length = sam_utf8_decode(text, left, &code_point);
        if (length == 0) {
            *text = '?';
            length = 1;
        }
        text += length;
        left -= length;
    }
}

sam_http_next sam_http_answer_problem(sam_http_request *request, int code, const char *name, const char *detail)
{
    char text[SAM_ERROR_TEXT];
    snprintf(text, sizeof text, "%s", detail);
    make_utf8(text);
    const char *title = code == 499 ? "Client Closed Request" : MHD_get_reason_phrase_for((unsigned)code);
    json_t *problem = json_pack("{s:s, s:s, s:i, s:s, s:s}", "type", "about:blank", "title", title, "status", code,
                                "detail", text, "code", name);
    return answer_json_as(request, code, "application/problem+json", problem);
}

sam_http_next sam_http_answer_error(sam_http_request *request, const sam_error *err)
{
    sam_status status = err->status == SAM_OK ? SAM_INTERNAL : err->status;
    if (status == SAM_UNAVAILABLE)
        sam_http_set_header(request, "Retry-After", "1");
    return sam_http_answer_problem(request, sam_http_status(status), sam_status_name(status), err->text);
}

sam_http_next sam_http_answer_fail(sam_http_request *request, sam_status status, const char *format, ...)
{
    sam_error err = {.status = status};
    va_list args;
    va_start(args, format);
    vsnprintf(err.text, sizeof err.text, format, args);
    va_end(args);
    return sam_http_answer_error(request, &err);
}

/* ---- content of known size ---- */

typedef struct content_stream {
    sam_http_content content;
    struct MHD_Connection *connection;
    uint64_t first; /* offset of the answer's byte 0 */
    char path[128]; /* for the log */
} content_stream;

static void close_content(const sam_http_content *content)
{
    if (content->close != NULL)
        content->close(content->user);
}

/* libmicrohttpd closes a connection at the next thing that happens to it. Where no byte of the content was sent yet,
 * nothing does, and the client would wait for its own timeout: so its end is made to happen. */
static void cut_off(const content_stream *stream)
{
    (void)shutdown(sam_http_socket_of(stream->connection), SHUT_RDWR);
}

static ssize_t read_block(void *argument, uint64_t at, char *out, size_t most)
{
    content_stream *stream = argument;
    uint64_t offset = stream->first + at;
    uint64_t left = stream->content.size - offset;
    size_t length = left < most ? (size_t)left : most;
    sam_error err = {0};
    if (stream->content.read(stream->content.user, offset, length, (uint8_t *)out, &err) == SAM_OK)
        return (ssize_t)length;
    sam_log_error("%s: cut off at byte %llu: %s", stream->path, (unsigned long long)offset, err.text);
    cut_off(stream);
    return MHD_CONTENT_READER_END_WITH_ERROR;
}

static void free_stream(void *argument)
{
    content_stream *stream = argument;
    close_content(&stream->content);
    sam_free(stream);
}

/* Is `etag` (without quotes) in the list of a conditional field? Weak comparison when `weak`. */
static bool etag_listed(const char *list, const char *etag, bool weak)
{
    size_t length = strlen(etag);
    while (*list != 0) {
        list += strspn(list, " \t,");
        if (*list == '*')
            return true;
        bool is_weak = strncmp(list, "W/", 2) == 0;
        list += is_weak ? 2 : 0;
        if (*list != '"')
            return false;
        const char *end = strchr(++list, '"');
        if (end == NULL)
            return false;
        if ((weak || !is_weak) && (size_t)(end - list) == length && memcmp(list, etag, length) == 0)
            return true;
        list = end + 1;
    }
    return false;
}

typedef enum range_kind { RANGE_ALL, RANGE_PART, RANGE_OUTSIDE } range_kind;

static bool parse_number(const char **text, uint64_t *value)
{
    char digits[21];
    size_t length = strspn(*text, "0123456789");
    if (length == 0 || length >= sizeof digits)
        return false;
    memcpy(digits, *text, length);
    digits[length] = 0;
    *text += length;
    return sam_parse_u64(digits, value);
}

/* RFC 9110, 14.1.2. What is not one range of bytes is ignored, as the RFC allows, and all of it is sent. */
static range_kind parse_range(const char *text, uint64_t size, uint64_t *first, uint64_t *last)
{
    if (text == NULL || strncasecmp(text, "bytes=", 6) != 0)
        return RANGE_ALL;
    text += 6;
    bool from_start = *text != '-', to_end = false;
    uint64_t low = 0, high = 0;
    if (from_start && !parse_number(&text, &low))
        return RANGE_ALL;
    if (*text++ != '-')
        return RANGE_ALL;
    to_end = from_start && *text == 0;
    if ((!to_end && !parse_number(&text, &high)) || *text != 0 || (from_start && !to_end && high < low))
        return RANGE_ALL;
    if (!from_start) { /* the last `high` bytes */
        low = high > size ? 0 : size - high;
        to_end = true;
        if (high == 0)
            return RANGE_OUTSIDE;
    }
    if (low >= size)
        return RANGE_OUTSIDE;
    *first = low;
    *last = to_end || high >= size ? size - 1 : high;
    return RANGE_PART;
}

static range_kind range_asked(const sam_http_request *request, const sam_http_content *content, uint64_t *first,
                              uint64_t *last)
{
    *first = 0;
    *last = content->size - 1;
    const char *condition = sam_http_header(request, "If-Range");
    if (content->etag == NULL || (condition != NULL && !etag_listed(condition, content->etag, false)))
        return RANGE_ALL;
    return parse_range(sam_http_header(request, "Range"), content->size, first, last);
}

static void set_content_headers(sam_http_request *request, const sam_http_content *content)
{
    char text[512];
    if (content->etag != NULL) {
        snprintf(text, sizeof text, "\"%s\"", content->etag);
        sam_http_set_header(request, "ETag", text);
        sam_http_set_header(request, "Accept-Ranges", "bytes");
    }
    if (content->file_name != NULL && strpbrk(content->file_name, "\"\\\r\n") == NULL) {
        snprintf(text, sizeof text, "attachment; filename=\"%s\"", content->file_name);
        sam_http_set_header(request, "Content-Disposition", text);
    }
}

static sam_http_next send_content(sam_http_request *request, const sam_http_content *content, int code, uint64_t first,
                                  uint64_t length)
{
    content_stream *stream = sam_alloc(1, sizeof *stream);
    if (stream == NULL) {
        close_content(content);
        return give(request, 500, NULL, NULL);
    }
    stream->content = *content;
    stream->content.type = stream->content.etag = stream->content.file_name = NULL; /* the caller's, not kept */
    stream->connection = request->connection;
    stream->first = first;
    snprintf(stream->path, sizeof stream->path, "%s", request->path);
    size_t block = length < BLOCK_BYTES ? (size_t)length + 1 : BLOCK_BYTES;
    struct MHD_Response *response = MHD_create_response_from_callback(length, block, read_block, stream, free_stream);
    if (response == NULL)
        free_stream(stream);
    return give(request, code, response, content->type == NULL ? "application/octet-stream" : content->type);
}

sam_http_next sam_http_answer_content(sam_http_request *request, const sam_http_content *content)
{
    set_content_headers(request, content);
    const char *known = sam_http_header(request, "If-None-Match");
    if (content->etag != NULL && known != NULL && etag_listed(known, content->etag, true)) {
        close_content(content);
        return sam_http_answer_empty(request, 304);
    }
    uint64_t first, last;
    char text[80];
    switch (range_asked(request, content, &first, &last)) {
    case RANGE_OUTSIDE:
        snprintf(text, sizeof text, "bytes */%llu", (unsigned long long)content->size);
        sam_http_set_header(request, "Content-Range", text);
        close_content(content);
        return sam_http_answer_empty(request, 416);
    case RANGE_PART:
        snprintf(text, sizeof text, "bytes %llu-%llu/%llu", (unsigned long long)first, (unsigned long long)last,
                 (unsigned long long)content->size);
        sam_http_set_header(request, "Content-Range", text);
        return send_content(request, content, 206, first, last - first + 1);
    case RANGE_ALL:
        break;
    }
    return send_content(request, content, 200, 0, content->size);
}
