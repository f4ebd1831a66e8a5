#include "base/log.h"

#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* The one process-wide setting of the libraries: where diagnostics go. Written by sam_log_init before threads start. */
static struct {
    char program[32];
    sam_log_level level;
    sam_log_format format;
} sink = {"samara", SAM_LOG_WARN, SAM_LOG_TEXT};

static const char *const LEVEL_NAME[] = {"error", "warn", "info", "debug"};

void sam_log_init(const char *program, sam_log_level level, sam_log_format format)
{
    snprintf(sink.program, sizeof sink.program, "%s", program);
    sink.level = level;
    sink.format = format;
    const char *wanted = getenv("SAMARA_LOG");
    for (int i = 0; wanted != NULL && i < 4; i++)
        if (strcmp(wanted, LEVEL_NAME[i]) == 0)
            sink.level = (sam_log_level)i;
    wanted = getenv("SAMARA_LOG_FORMAT");
    if (wanted != NULL)
        sink.format = strcmp(wanted, "json") == 0 ? SAM_LOG_JSON : SAM_LOG_TEXT;
}

int sam_log_enabled(sam_log_level level)
{
    return level <= sink.level;
}

static size_t json_escape(char *out, size_t size, const char *text)
{
    size_t used = 0, left = strlen(text);
    while (left > 0 && used + 7 < size) {
        uint32_t code_point;
        size_t count = sam_utf8_decode(text, left, &code_point);
        if (count == 0 || code_point < 0x20) { /* bytes from outside need not be UTF-8; JSON has to be */
            used += (size_t)snprintf(out + used, size - used, "\\u%04x", count == 0 ? 0xfffdu : code_point);
            count = 1;
        } else {
            if (*text == '"' || *text == '\\')
                out[used++] = '\\';
            memcpy(out + used, text, count);
            used += count;
        }
        text += count;
        left -= count;
    }
    out[used] = 0;
    return used;
}

/* No line breaks, and nothing that a terminal would obey. */
static void one_line(char *text)
{
    for (char *c = text; *c != 0; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = ' ';
}

void sam_log(sam_log_level level, const char *format, ...)
{
    if (!sam_log_enabled(level))
        return;
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    one_line(text);

    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    struct tm utc;
    gmtime_r(&now.tv_sec, &utc);
    char when[32];
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &utc);

    char line[2304];
    int length;
    if (sink.format == SAM_LOG_JSON) {
        char escaped[2048];
        json_escape(escaped, sizeof escaped, text);
        length = snprintf(line, sizeof line,
                          "{\"time\":\"%s.%03ldZ\",\"level\":\"%s\",\"program\":\"%s\",\"pid\":%d,\"text\":\"%s\"}\n",
                          when, now.tv_nsec / 1000000, LEVEL_NAME[level], sink.program, (int)getpid(), escaped);
    } else {
        length = snprintf(line, sizeof line, "%s.%03ldZ %s[%d] %s: %s\n", when, now.tv_nsec / 1000000, sink.program,
                          (int)getpid(), LEVEL_NAME[level], text);
    }
    if (length > 0) {
        size_t size = (size_t)length < sizeof line ? (size_t)length : sizeof line - 1;
        ssize_t written = write(STDERR_FILENO, line, size);
        (void)written; /* nowhere to report that the place for reports is gone */
    }
}
