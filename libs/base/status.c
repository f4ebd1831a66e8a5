#include "base/status.h"

#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int http;
    int exit_code;
    const char *sentence;
} STATUS[] = {
#define X(name, http, exit_code, sentence) {#name, http, exit_code, sentence},
    SAM_STATUS_TABLE(X)
#undef X
};

static size_t row_of(sam_status status)
{
    size_t row = (size_t)status;
    return row < sizeof STATUS / sizeof STATUS[0] ? row : (size_t)SAM_INTERNAL;
}

/* A text that just fits may have been cut within a character: problem reports are JSON, which has no halves. */
static void end_at_character(char text[SAM_ERROR_TEXT])
{
    size_t length = strlen(text), first = length;
    if (length < SAM_ERROR_TEXT - 1)
        return;
    uint32_t last;
    do
        first--;
    while (length - first < 4 && ((unsigned char)text[first] & 0xC0) == 0x80);
    if (sam_utf8_decode(text + first, length - first, &last) == 0)
        text[first] = 0;
}

sam_status sam_error_fill(sam_error *err, sam_status status, const char *format, ...)
{
    if (err != NULL) {
        va_list args;
        va_start(args, format);
        vsnprintf(err->text, sizeof err->text, format, args);
        va_end(args);
        end_at_character(err->text);
        err->status = sam_failed(status);
    }
    return status;
}

sam_status sam_error_fill_errno(sam_error *err, sam_status status, int errno_value, const char *format, ...)
{
    if (err != NULL) {
        va_list args;
        va_start(args, format);
        vsnprintf(err->text, sizeof err->text, format, args);
        va_end(args);
        size_t used = strlen(err->text);
        snprintf(err->text + used, sizeof err->text - used, ": %s", strerror(errno_value));
        end_at_character(err->text);
        err->status = sam_failed(status);
    }
    return status;
}

sam_status sam_error_prepend(sam_error *err, const char *format, ...)
{
    if (err == NULL)
        return SAM_INTERNAL;
    char inner[SAM_ERROR_TEXT];
    memcpy(inner, err->text, sizeof inner);
    va_list args;
    va_start(args, format);
    vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    size_t used = strlen(err->text);
    snprintf(err->text + used, sizeof err->text - used, ": %s", inner);
    end_at_character(err->text);
    return err->status;
}

const char *sam_status_name(sam_status status)
{
    return STATUS[row_of(status)].name;
}

const char *sam_status_sentence(sam_status status)
{
    return STATUS[row_of(status)].sentence;
}

int sam_http_status(sam_status status)
{
    return STATUS[row_of(status)].http;
}

int sam_exit_code(sam_status status)
{
    return STATUS[row_of(status)].exit_code;
}
