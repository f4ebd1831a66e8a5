/* What drives a fuzz target where libFuzzer does not: every file of the folders named, as it is and changed in a
 * few thousand ways that are the same in every run. It is what ctest runs, with any compiler and sanitizer.
 *
 *     fuzz_wire CHANGES CORPUS_FOLDER... */
#include "base/files.h"
#include "base/memory.h"
#include "base/text.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static uint64_t randomness = 1;

/* xorshift64: the same numbers everywhere */
static uint64_t draw(uint64_t below)
{
    randomness ^= randomness << 13;
    randomness ^= randomness >> 7;
    randomness ^= randomness << 17;
    return randomness % below;
}

/* In memory of just this size, so that a sanitizer sees a byte read beyond it. */
static void try_bytes(const uint8_t *bytes, size_t length)
{
    uint8_t *copy = sam_alloc(length, 1);
    if (copy == NULL)
        abort();
    if (length > 0)
        memcpy(copy, bytes, length);
    LLVMFuzzerTestOneInput(copy, length);
    sam_free(copy);
}

static void flip(uint8_t *bytes, size_t length)
{
    bytes[draw(length)] ^= (uint8_t)(1u << draw(8));
}

static void overwrite(uint8_t *bytes, size_t length)
{
    static const uint8_t ODD[] = {0, 1, 0x7f, 0x80, 0xff, ' ', '"', '%', '/', '0', '9', '{', '}', '\n'};
    bytes[draw(length)] = ODD[draw(sizeof ODD)];
}

/* A number as counts and lengths have it, of four or eight bytes. */
static void put_number(uint8_t *bytes, size_t length)
{
    static const uint64_t ODD[] = {0, 1, 0x7fffffff, 0x80000000, 0xffffffff, (uint64_t)1 << 62, UINT64_MAX};
    uint64_t number = ODD[draw(sizeof ODD / sizeof *ODD)];
    size_t width = draw(2) == 0 ? 4 : 8;
    if (length >= width)
        memcpy(bytes + draw(length - width + 1), &number, width);
}

static void copy_within(uint8_t *bytes, size_t length)
{
    size_t from = draw(length), to = draw(length), count = draw(length) + 1;
    size_t room = length - (from > to ? from : to);
    memmove(bytes + to, bytes + from, count < room ? count : room);
}

static void try_changed(const uint8_t *bytes, size_t length)
{
    static void (*const CHANGES[])(uint8_t *bytes, size_t length) = {flip, overwrite, put_number, copy_within};
    uint8_t *changed = sam_alloc(length, 1);
    if (changed == NULL)
        abort();
    memcpy(changed, bytes, length);
    for (uint64_t i = draw(4) + 1; i > 0; i--)
        CHANGES[draw(4)](changed, length);
    try_bytes(changed, draw(4) == 0 ? draw(length) : length);
    sam_free(changed);
}

static bool try_file(const char *path, uint64_t changes)
{
    sam_file_map file;
    sam_error err = {0};
    if (sam_file_map_open(&file, path, &err) != SAM_OK) {
        fprintf(stderr, "%s\n", err.text);
        return false;
    }
    try_bytes(file.bytes, file.length);
    for (uint64_t i = 0; i < changes && file.length > 0; i++)
        try_changed(file.bytes, file.length);
    sam_file_map_close(&file);
    return true;
}

/* The number of files tried; 0 where there is none, or one cannot be read. */
static int try_folder(const char *folder, uint64_t changes)
{
    struct dirent **entries;
    int count = scandir(folder, &entries, NULL, alphasort), tried = 0;
    bool good = count >= 0;
    for (int i = 0; i < count; i++) {
        char *path = entries[i]->d_name[0] == '.' ? NULL : sam_format("%s/%s", folder, entries[i]->d_name);
        if (path != NULL && good) {
            good = try_file(path, changes);
            tried++;
        }
        sam_free(path);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    return good ? tried : 0;
}

int main(int argc, char **argv)
{
    uint64_t changes;
    if (argc < 3 || !sam_parse_u64(argv[1], &changes)) {
        fprintf(stderr, "usage: %s CHANGES CORPUS_FOLDER...\n", argv[0]);
        return 2;
    }
    for (int i = 2; i < argc; i++) {
        int files = try_folder(argv[i], changes);
        if (files == 0) {
            fprintf(stderr, "%s: nothing to try\n", argv[i]);
            return 1;
        }
        printf("%s: %d files, each changed %llu times\n", argv[i], files, (unsigned long long)changes);
    }
    return 0;
}
