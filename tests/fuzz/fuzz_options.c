/* libFuzzer target: a configuration file and command line of any bytes set options or are refused with a sentence,
 * and the small texts below them (numbers, hexadecimal digits, UTF-8) are read as they are written.
 *
 * The first line is the command line, its words apart by spaces; the rest is the file. */
#include "base/files.h"
#include "base/memory.h"
#include "base/options.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

#define WORDS_MAX 16

/* Of a leak checker, where there is one: texts of a configuration file live until the process ends. */
void __lsan_disable(void) __attribute__((weak));
void __lsan_enable(void) __attribute__((weak));

/* A number that is read is spelt as snprintf spells it, but for zeros before it. */
static void read_number(const char *text)
{
    uint64_t value;
    char spelt[24];
    if (!sam_parse_u64(text, &value))
        return;
    snprintf(spelt, sizeof spelt, "%" PRIu64, value);
    text += strspn(text, "0");
    if (strcmp(text, value == 0 ? "" : spelt) != 0)
        __builtin_trap();
}

static void read_words(int argc, char **argv)
{
    uint8_t digits[8];
    for (int i = 0; i < argc; i++) {
        read_number(argv[i]);
        (void)sam_unhex(digits, sizeof digits, argv[i]);
        (void)sam_utf8_valid(argv[i], strlen(argv[i]));
    }
}

static void parse(int argc, char **argv)
{
    struct {
        const char *text;
        uint64_t count;
        double number;
        bool flag;
        unsigned choice;
    } set = {.text = "default"};
    const sam_option options[] = {{"text", SAM_OPTION_TEXT, &set.text, "TEXT", "a text"},
                                  {"count", SAM_OPTION_COUNT, &set.count, "N", "a count"},
                                  {"number", SAM_OPTION_NUMBER, &set.number, "X", "a number"},
                                  {"flag", SAM_OPTION_FLAG, &set.flag, NULL, "a flag"},
                                  {"choice", SAM_OPTION_CHOICE, &set.choice, "a|b", "a choice"},
                                  {0}};
    const sam_command command = {"fuzz", "", "Reads options.", options};
    int rest = 0;
    sam_error err = {0};
    sam_status status = sam_options_parse(&command, argc, argv, &rest, &err);
    if (status == SAM_OK ? rest < 1 || rest > argc || set.text == NULL || set.choice > 1 : err.text[0] == 0)
        __builtin_trap();
}

static int cut_words(char *line, char **words)
{
    int count = 0;
    for (char *word = strtok(line, " "); word != NULL && count < WORDS_MAX; word = strtok(NULL, " "))
        if (strcmp(word, "--help") != 0 && strcmp(word, "-h") != 0) /* what they print is of no interest */
            words[count++] = word;
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    const uint8_t *end = length == 0 ? NULL : memchr(bytes, '\n', length);
    size_t line_length = end == NULL ? length : (size_t)(end - bytes);
    char *line = sam_strndup((const char *)bytes, line_length), path[40];
    char *argv[WORDS_MAX + 3] = {"fuzz"};
    int file = memfd_create("options", MFD_CLOEXEC);
    if (line == NULL || file < 0)
        __builtin_trap();
    if (end != NULL && write(file, end + 1, length - line_length - 1) < 0)
        __builtin_trap();
    snprintf(path, sizeof path, "--config=/proc/self/fd/%d", file);
    argv[1] = path;
    int argc = 2 + cut_words(line, argv + 2);
    read_words(argc, argv);
    if (__lsan_disable != NULL)
        __lsan_disable();
    parse(argc, argv);
    if (__lsan_enable != NULL)
        __lsan_enable();
    close(file);
    sam_free(line);
    return 0;
}
