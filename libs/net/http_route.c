/* Paths: patterns compiled once, targets cut at '/' before their escapes are undone, so that %2F is no separator. */
#include "net/http_internal.h"

#include <stdio.h>
#include <string.h>

static bool is_parameter(const char *segment)
{
    size_t length = strlen(segment);
    return length >= 3 && segment[0] == '{' && segment[length - 1] == '}';
}

static bool compile_segments(sam_http_server *server, route *to)
{
    for (const char *at = to->pattern; *at == '/';) {
        size_t length = strcspn(++at, "/");
        if (to->segment_count == MAX_PARAMETERS || to->rest)
            return false;
        char *segment = sam_arena_strndup(&server->arena, at, length);
        if (segment == NULL)
            return false;
        if (is_parameter(segment) && segment[length - 2] == '*') {
            memcpy(segment + length - 2, "}", 2);
            to->rest = true;
        }
        to->segments[to->segment_count++] = segment;
        at += length;
    }
    return to->segment_count > 0;
}

sam_status sam_http_compile_routes(sam_http_server *server, const sam_http_route *routes, sam_error *err)
{
    size_t count = 0;
    while (routes[count].method != NULL)
        count++;
    server->routes = sam_arena_array(&server->arena, count == 0 ? 1 : count, sizeof *server->routes);
    if (server->routes == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory for %zu HTTP routes", count);
    for (size_t i = 0; i < count; i++) {
        const sam_http_route *from = &routes[i];
        route *to = &server->routes[i];
        to->method = sam_arena_strndup(&server->arena, from->method, strlen(from->method));
        to->pattern = sam_arena_strndup(&server->arena, from->pattern, strlen(from->pattern));
        to->handler = from->handler;
        to->user = from->user;
        to->role = from->role;
        to->max_body = from->max_body == 0 ? server->options.max_body : from->max_body;
        if (to->method == NULL || to->pattern == NULL || !compile_segments(server, to))
            return sam_fail(err, SAM_INVALID,
                            "the route pattern \"%s\" is not understood: it starts with '/', has at most %d segments, "
                            "and only its last one may be {name*}",
                            from->pattern, MAX_PARAMETERS);
        server->route_count++;
    }
    return SAM_OK;
}

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* NULL for an escape that is none, and for NUL, which would cut the text where a check does not see it. */
static const char *unescape(sam_arena *arena, const char *from, size_t length, bool plus_is_space)
{
    char *text = sam_arena_strndup(arena, from, length);
    if (text == NULL)
        return NULL;
    char *to = text;
    for (size_t i = 0; i < length; i++) {
        char c = from[i];
        if (c == '+' && plus_is_space) {
            c = ' ';
        } else if (c == '%') {
            int high = i + 2 < length ? digit(from[i + 1]) : -1;
            int low = high >= 0 ? digit(from[i + 2]) : -1;
            if (low < 0)
                return NULL;
            c = (char)(high << 4 | low);
            i += 2;
        }
        if (c == 0)
            return NULL;
        *to++ = c;
    }
    *to = 0;
    return text;
}

static const char BAD_ESCAPE[] = "has an escape that is not valid";

static void parse_path(sam_http_request *request)
{
    for (const char *at = request->path; *at == '/' && request->bad_target == NULL;) {
        size_t length = strcspn(++at, "/");
        if (request->segment_count > MAX_PARAMETERS)
            return; /* longer than every pattern without a rest; the raw text still serves {rest*} */
        const char *segment = unescape(&request->arena, at, length, false);
        request->bad_target = segment == NULL ? BAD_ESCAPE : NULL;
        request->segments[request->segment_count++] = segment;
        at += length;
    }
}

static const char *parse_pair(sam_http_request *request, const char *text, size_t length)
{
    size_t name_length = strcspn(text, "&="), value_at = name_length < length ? name_length + 1 : length;
    if (request->query_count == MAX_QUERY)
        return "has more parameters than any request here";
    if (request->query == NULL)
        request->query = sam_arena_array(&request->arena, MAX_QUERY, sizeof *request->query);
    pair next = {unescape(&request->arena, text, name_length, true),
                 unescape(&request->arena, text + value_at, length - value_at, true)};
    if (request->query == NULL || next.name == NULL || next.value == NULL)
        return BAD_ESCAPE;
    request->query[request->query_count++] = next;
    return NULL;
}

static void parse_query(sam_http_request *request, const char *text)
{
    while (*text != 0 && request->bad_target == NULL) {
        size_t length = strcspn(text, "&");
        if (length > 0)
            request->bad_target = parse_pair(request, text, length);
        text += length + (text[length] == '&');
    }
}

void sam_http_parse_target(sam_http_request *request, const char *target)
{
    size_t length = strcspn(target, "?");
    request->path = sam_arena_strndup(&request->arena, target, length);
    if (request->path == NULL || request->path[0] != '/') {
        request->bad_target = "does not begin with a /";
        return;
    }
    parse_path(request);
    if (target[length] == '?' && request->bad_target == NULL)
        parse_query(request, target + length + 1);
}

static void add_parameter(sam_http_request *request, const char *segment, const char *value)
{
    const char *name = sam_arena_strndup(&request->arena, segment + 1, strlen(segment) - 2);
    request->parameters[request->parameter_count++] = (pair){name, value};
}

/* What is left of the path from segment `from` on, decoded; NULL where it is empty or a segment of it is "..". */
static const char *rest_of_path(sam_http_request *request, size_t from)
{
    const char *at = request->path;
    for (size_t i = 0; i <= from; i++)
        at += 1 + (i < from ? strcspn(at + 1, "/") : 0);
    const char *rest = unescape(&request->arena, at, strlen(at), false);
    for (const char *part = rest; part != NULL; part = strchr(part, '/')) {
        part += *part == '/';
        if (strncmp(part, "..", 2) == 0 && (part[2] == 0 || part[2] == '/'))
            return NULL;
    }
    return rest == NULL || rest[0] == 0 ? NULL : rest;
}

static bool path_fits(sam_http_request *request, const route *candidate)
{
    size_t fixed = candidate->segment_count - (candidate->rest ? 1 : 0);
    if (candidate->rest ? request->segment_count <= fixed : request->segment_count != fixed)
        return false;
    request->parameter_count = 0;
    for (size_t i = 0; i < fixed; i++) {
        const char *segment = candidate->segments[i];
        if (is_parameter(segment) && request->segments[i][0] != 0)
            add_parameter(request, segment, request->segments[i]);
        else if (strcmp(segment, request->segments[i]) != 0)
            return false;
    }
    if (!candidate->rest)
        return true;
    const char *rest = rest_of_path(request, fixed);
    if (rest == NULL)
        return false;
    add_parameter(request, candidate->segments[fixed], rest);
    return true;
}

static bool method_fits(const char *sent, const char *offered)
{
    return strcmp(sent, offered) == 0 || (strcmp(sent, "HEAD") == 0 && strcmp(offered, "GET") == 0);
}

int sam_http_match(sam_http_request *request, char *allow, size_t size)
{
    allow[0] = 0;
    for (size_t i = 0; i < request->server->route_count; i++) {
        const route *candidate = &request->server->routes[i];
        if (!path_fits(request, candidate))
            continue;
        if (method_fits(request->method, candidate->method)) {
            request->route = candidate;
            return 0;
        }
        size_t used = strlen(allow);
        snprintf(allow + used, size - used, "%s%s%s", used > 0 ? ", " : "", candidate->method,
                 strcmp(candidate->method, "GET") == 0 ? ", HEAD" : "");
    }
    request->parameter_count = 0;
    return allow[0] == 0 ? 404 : 405;
}
