/* Who is let in: how often an address may ask, whose token a route takes, and the server's own certificate. */
#include "net/http_internal.h"

#include "base/clock.h"
#include "base/files.h"

#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* ---- rate ---- */

/* What stands for a client: its IPv4 address, or the network of its IPv6 address, of which it has 2^64. */
static size_t client_of(const sam_http_request *request, unsigned char out[8])
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *address = info == NULL ? NULL : info->client_addr;
    if (address != NULL && address->sa_family == AF_INET) {
        memcpy(out, (const unsigned char *)address + offsetof(struct sockaddr_in, sin_addr), 4);
        return 4;
    }
    memset(out, 0, 8);
    if (address != NULL && address->sa_family == AF_INET6)
        memcpy(out, (const unsigned char *)address + offsetof(struct sockaddr_in6, sin6_addr), 8);
    return 8;
}

bool sam_http_admit_rate(sam_http_request *request)
{
    unsigned char client[8];
    char text[160];
    uint32_t wait_ms;
    const sam_http_server *server = request->server;
    if (server->rate == NULL)
        return true;
    size_t length = client_of(request, client);
    if (sam_rate_take(server->rate, client, length, sam_monotonic_ns(), &wait_ms))
        return true;
    snprintf(text, sizeof text, "%u", (unsigned)(wait_ms / 1000 + 1));
    sam_http_set_header(request, "Retry-After", text);
    snprintf(text, sizeof text, "this address asks more than %llu times a second; ask again in %u ms",
             (unsigned long long)server->options.rate, (unsigned)wait_ms);
    sam_http_answer_problem(request, 429, "TOO_MANY_REQUESTS", text);
    return false;
}

/* ---- roles ---- */

static bool token_fits(sam_http_request *request)
{
    const char *field = sam_http_header(request, "Authorization");
    if (field == NULL || strncasecmp(field, "Bearer ", 7) != 0)
        return false;
    field += 7 + strspn(field + 7, " ");
    return sam_access_find(request->server->options.access, field, &request->caller);
}

static void refuse_token(sam_http_request *request)
{
    bool given = sam_http_header(request, "Authorization") != NULL;
    sam_http_set_header(request, "WWW-Authenticate",
                        given ? "Bearer realm=\"samara\", error=\"invalid_token\"" : "Bearer realm=\"samara\"");
    sam_http_answer_fail(request, SAM_UNAUTHORIZED,
                         given ? "the bearer token is not one of this server's"
                               : "a bearer token is needed: send \"Authorization: Bearer TOKEN\"");
}

static void refuse_role(sam_http_request *request)
{
    sam_http_set_header(request, "WWW-Authenticate", "Bearer realm=\"samara\", error=\"insufficient_scope\"");
    sam_http_answer_fail(request, SAM_FORBIDDEN, "%s %s takes a token with the role %s; that of %s is %s",
                         request->method, request->route->pattern, sam_role_name(request->route->role),
                         request->caller.name, sam_role_name(request->caller.role));
}

bool sam_http_admit_caller(sam_http_request *request)
{
    sam_role wanted = request->route->role;
    if (request->server->options.access == NULL || wanted == SAM_ROLE_ANYONE)
        return true;
    if (!token_fits(request))
        refuse_token(request);
    else if (request->caller.role > wanted)
        refuse_role(request);
    else
        return true;
    return false;
}

/* ---- the certificate ---- */

static sam_status read_certificate(sam_http_server *server, sam_error *err)
{
    sam_file_map file;
    sam_status status = sam_file_map_open(&file, server->options.tls_cert, err);
    if (status != SAM_OK)
        return status;
    server->tls_cert = sam_strndup((const char *)file.bytes, file.length);
    sam_file_map_close(&file);
    return server->tls_cert == NULL ? sam_fail(err, SAM_NO_MEMORY, "out of memory for a certificate") : SAM_OK;
}

sam_status sam_http_read_tls(sam_http_server *server, sam_error *err)
{
    const char *cert = server->options.tls_cert, *key = server->options.tls_key;
    if (cert == NULL && key == NULL)
        return SAM_OK;
    if (cert == NULL || key == NULL)
        return sam_fail(err, SAM_INVALID, "TLS needs both a certificate and its key; only %s was given",
                        cert == NULL ? key : cert);
    if (MHD_is_feature_supported(MHD_FEATURE_TLS) != MHD_YES)
        return sam_fail(err, SAM_UNSUPPORTED,
                        "this libmicrohttpd was built without TLS: install one with GnuTLS, or put a proxy in front");
    sam_status status = read_certificate(server, err);
    return status == SAM_OK ? sam_secret_read(&server->tls_key, key, err) : status;
}
