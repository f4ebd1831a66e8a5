#include "model/tokenizer/pretokenizer.h"

#include "model/tokenizer/unicode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/tokenizer/pretokenizer_golden.h"

static void every_split_cuts_as_the_regex_module_does(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof GOLDEN / sizeof *GOLDEN; i++) {
        for (size_t split = 0; split < SAM_SPLIT_COUNT; split++) {
            sam_pretokenizer pretokenizer = {{(sam_split)split}, 1};
            sam_pieces pieces = sam_pieces_of(&pretokenizer, GOLDEN[i].text, GOLDEN[i].length);
            const uint8_t *expected = GOLDEN[i].pieces[split];
            size_t start, length;
            for (; sam_pieces_next(&pieces, &start, &length); expected++) {
                if (length != *expected)
                    fail_msg("text %zu, \"%s\": %s cuts %zu bytes at %zu, not %u", i, GOLDEN[i].text,
                             sam_split_pattern((sam_split)split), length, start, *expected);
            }
            assert_int_equal(*expected, 0);
        }
    }
}

static size_t piece_count(const char *name, const char *text, char *joined)
{
    sam_pretokenizer pretokenizer;
    assert_true(sam_pretokenizer_named(&pretokenizer, name));
    sam_pieces pieces = sam_pieces_of(&pretokenizer, text, strlen(text));
    size_t count = 0, start, length;
    *joined = 0;
    while (sam_pieces_next(&pieces, &start, &length)) {
        strncat(joined, text + start, length);
        strcat(joined, "/");
        count++;
    }
    return count;
}

static void splits_work_on_what_the_split_before_them_left(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text, *pieces;
    } CASES[] = {
        {"gpt-2", "It cost  42 dollars", "It/ cost/ / 42/ dollars/"},
        {"smollm", "It cost  42 dollars", "It/ cost/  /4/2/ dollars/"},
        {"llama-bpe", "I'LL pay 12345", "I/'LL/ pay/ /123/45/"},
        {"qwen2", "I'LL pay 12345", "I/'LL/ pay/ /1/2/3/4/5/"},
        {"falcon", "a` 12345", "a/`/ /123/45/"},
        {"default", "x+= 12345", "x/+=/ /123/45/"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        char joined[200];
        piece_count(CASES[i].name, CASES[i].text, joined);
        assert_string_equal(joined, CASES[i].pieces);
    }
}

static void a_name_that_is_not_known_is_refused(void **state)
{
    (void)state;
    sam_pretokenizer pretokenizer;
    sam_split split;
    assert_false(sam_pretokenizer_named(&pretokenizer, "tekken"));
    assert_false(sam_split_of_pattern(&split, "\\p{L}+"));
}

static void a_pattern_names_its_split(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAM_SPLIT_COUNT; i++) {
        sam_split split;
        assert_true(sam_split_of_pattern(&split, sam_split_pattern((sam_split)i)));
        assert_int_equal(split, i);
    }
}

/* Bytes of a seeded generator, with what the splits look for made frequent. */
static size_t some_bytes(uint64_t *seed, char *text, size_t most)
{
    static const char FREQUENT[] = "  \n\r\t''sStTlLvVeE019+$\xc5\xbf\xe3\x80";
    size_t length = (size_t)(*seed >> 40) % most + 1;
    for (size_t i = 0; i < length; i++) {
        *seed = *seed * 6364136223846793005u + 1442695040888963407u;
        text[i] = *seed >> 63 ? (char)(*seed >> 50) : FREQUENT[(*seed >> 40) % (sizeof FREQUENT - 1)];
    }
    return length;
}

static void every_byte_is_in_one_piece_whatever_the_bytes(void **state)
{
    (void)state;
    static const char *const NAMES[] = {"gpt-2", "smollm", "llama-bpe", "qwen2", "falcon", "default"};
    uint64_t seed = 7;
    for (int round = 0; round < 20000; round++) {
        char room[40];
        size_t length = some_bytes(&seed, room, sizeof room), at = 0, start, size;
        char *text = memcpy(malloc(length), room, length); /* of its exact size: a sanitizer sees a read past it */
        sam_pretokenizer pretokenizer;
        sam_pretokenizer_named(&pretokenizer, NAMES[round % 6]);
        sam_pieces pieces = sam_pieces_of(&pretokenizer, text, length);
        for (; sam_pieces_next(&pieces, &start, &size); at += size) {
            assert_true(size > 0);
            assert_int_equal(start, at);
        }
        assert_int_equal(at, length);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_split_cuts_as_the_regex_module_does),
        cmocka_unit_test(splits_work_on_what_the_split_before_them_left),
        cmocka_unit_test(a_name_that_is_not_known_is_refused),
        cmocka_unit_test(a_pattern_names_its_split),
        cmocka_unit_test(every_byte_is_in_one_piece_whatever_the_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
