/* Errors: every call that can fail returns a sam_status and fills a sam_error.
 *
 *     sam_status check_port(unsigned port, sam_error *err)
 *     {
 *         if (port > 65535)
 *             return sam_fail(err, SAM_INVALID, "the port %u does not exist: ports end at 65535", port);
 *         return SAM_OK;
 *     }
 *
 *     sam_error err = {0};
 *     if (check_port(70000, &err) != SAM_OK) {
 *         fprintf(stderr, "samara: %s\n", err.text);
 *         exit(sam_exit_code(err.status));
 *     }
 *
 * The text is one sentence for a person: what failed, where (file, line, byte offset, host), and what to do.
 * `err` may be NULL where the caller only wants the status. Nothing here allocates. Thread safety: a sam_error
 * belongs to its caller.
 */
#ifndef SAM_BASE_STATUS_H
#define SAM_BASE_STATUS_H

#include <stddef.h>

/* name, HTTP status when a service answers with it, process exit code, default sentence */
#define SAM_STATUS_TABLE(X)                                                                                            \
    X(OK, 200, 0, "success")                                                                                           \
    X(INVALID, 400, 2, "the input is not valid")                                                                       \
    X(UNAUTHORIZED, 401, 3, "the credentials are missing or wrong")                                                    \
    X(FORBIDDEN, 403, 3, "the credentials do not allow this")                                                          \
    X(NOT_FOUND, 404, 4, "no such thing")                                                                              \
    X(CONFLICT, 409, 5, "the request does not fit the present state")                                                  \
    X(GONE, 410, 5, "it was there and has ended")                                                                      \
    X(TOO_LARGE, 413, 2, "it is larger than the limit")                                                                \
    X(CORRUPT, 422, 6, "the bytes are damaged or do not match their digest")                                           \
    X(MISMATCH, 409, 6, "two things that must be equal differ")                                                        \
    X(UNSUPPORTED, 501, 7, "this build or version does not support it")                                                \
    X(UNAVAILABLE, 503, 8, "a service it needs cannot be reached")                                                     \
    X(TIMEOUT, 504, 8, "it did not answer in time")                                                                    \
    X(CANCELLED, 499, 130, "it was told to stop")                                                                      \
    X(IO, 500, 9, "the operating system refused a read or a write")                                                    \
    X(NO_MEMORY, 500, 10, "out of memory")                                                                             \
    X(INTERNAL, 500, 70, "a promise inside the program was broken")

typedef enum sam_status {
#define X(name, http, exit_code, sentence) SAM_##name,
    SAM_STATUS_TABLE(X)
#undef X
} sam_status;

#define SAM_ERROR_TEXT 512

typedef struct sam_error {
    sam_status status;
    char text[SAM_ERROR_TEXT];
} sam_error;

/* A failure is never SAM_OK. It stands in the header so that compilers and analyzers see it at every call. */
static inline sam_status sam_failed(sam_status status)
{
    return status == SAM_OK ? SAM_INTERNAL : status;
}

/* Fills `err` (when not NULL) with the formatted sentence and returns `status`. */
#define sam_fail(err, status, ...) sam_failed(sam_error_fill(err, status, __VA_ARGS__))

/* As sam_fail, and adds ": " and the sentence of the errno value given. */
#define sam_fail_errno(err, status, errno_value, ...)                                                                  \
    sam_failed(sam_error_fill_errno(err, status, errno_value, __VA_ARGS__))

/* Puts "context: " before the sentence that is there, and returns its status. For callers whose `err` is not NULL. */
#define sam_fail_context(err, ...) sam_failed(sam_error_prepend(err, __VA_ARGS__))

/* What the three above call. */
sam_status sam_error_fill(sam_error *err, sam_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
sam_status sam_error_fill_errno(sam_error *err, sam_status status, int errno_value, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
sam_status sam_error_prepend(sam_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

const char *sam_status_name(sam_status status);     /* "NOT_FOUND" */
const char *sam_status_sentence(sam_status status); /* "no such thing" */
int sam_http_status(sam_status status);
int sam_exit_code(sam_status status);

#endif
