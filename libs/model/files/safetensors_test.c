#include "model/files/safetensors.h"

#include "base/files.h"
#include "base/memory.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void *test_alloc(size_t size)
{
    return sam_alloc(size, 1);
}

/* A file of this header and so many bytes of data, 0, 1, 2 and so on. */
static void put_file(sam_buffer *out, const char *header, size_t data)
{
    sam_put_u64(out, strlen(header));
    sam_put_text(out, header);
    for (size_t i = 0; i < data; i++)
        sam_put_u8(out, (uint8_t)i);
}

/* Opens a copy of exactly these bytes, so that a sanitizer sees a read past them; closes it again. */
static sam_status try_copy(const uint8_t *bytes, size_t length, sam_error *err)
{
    sam_safetensors *files;
    uint8_t *copy = malloc(length == 0 ? 1 : length);
    assert_non_null(copy);
    memcpy(copy, bytes, length);
    *err = (sam_error){0};
    sam_status status = sam_safetensors_open_bytes(&files, copy, length, "test.safetensors", err);
    assert_true((status == SAM_OK) == (files != NULL));
    sam_safetensors_close(files);
    free(copy);
    return status;
}

#define TWO                                                                                                            \
    "{\"__metadata__\":{\"format\":\"pt\"},\"b\":{\"dtype\":\"F32\",\"shape\":[2,1],\"data_offsets\":[0,8]},"          \
    "\"a\":{\"dtype\":\"BF16\",\"shape\":[3],\"data_offsets\":[8,14]}}  "

static void tensors_are_found_by_name_in_byte_order(void **state)
{
    (void)state;
    sam_buffer file = {0};
    sam_safetensors *files;
    put_file(&file, TWO, 14);
    assert_int_equal(sam_safetensors_open_bytes(&files, file.bytes, file.length, "two", NULL), SAM_OK);
    assert_int_equal(sam_safetensors_count(files), 2);
    assert_string_equal(sam_safetensors_at(files, 0)->name, "a");
    const sam_tensor *b = sam_safetensors_find(files, "b");
    assert_non_null(b);
    assert_true(b->rank == 2 && b->shape[0] == 2 && b->shape[1] == 1 && b->dtype == SAM_F32 && b->bytes[1] == 1);
    assert_int_equal(sam_safetensors_find(files, "a")->bytes[0], 8);
    assert_null(sam_safetensors_find(files, "c"));
    sam_safetensors_close(files);
    sam_buffer_free(&file);
}

static void a_file_cut_at_any_byte_is_refused(void **state)
{
    (void)state;
    sam_buffer file = {0};
    sam_error err;
    put_file(&file, TWO, 14);
    for (size_t length = 0; length < file.length; length++) {
        if (try_copy(file.bytes, length, &err) != SAM_CORRUPT || strstr(err.text, "byte") == NULL)
            fail_msg("cut at %zu of %zu: \"%s\"", length, file.length, err.text);
    }
    sam_buffer_free(&file);
}

static void no_change_of_one_byte_leads_outside_the_file(void **state)
{
    (void)state;
    static const uint8_t VALUES[] = {0, 1, '9', '-', ']', 0x7f, 0xff};
    sam_buffer file = {0};
    sam_error err;
    put_file(&file, TWO, 14);
    for (size_t at = 0; at < file.length; at++) {
        const uint8_t was = file.bytes[at];
        for (size_t v = 0; v < sizeof VALUES; v++) {
            file.bytes[at] = VALUES[v];
            try_copy(file.bytes, file.length, &err);
        }
        file.bytes[at] = was;
    }
    sam_buffer_free(&file);
}

#define ONE(members)        "{\"t\":{" members "}}"
#define F32(shape, offsets) "\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":" offsets

static void lies_are_refused_and_named(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        size_t data;
        sam_status status;
        const char *says;
    } CASES[] = {
        {ONE(F32("[2]", "[0,8]")), 8, SAM_OK, ""},
        {ONE(F32("[]", "[0,4]")), 4, SAM_OK, ""},
        {ONE(F32("[2]", "[0,8]")), 9, SAM_CORRUPT, "end at byte 8 of the data, which has 9"},
        {ONE(F32("[2]", "[4,12]")), 12, SAM_CORRUPT, "gap"},
        {ONE(F32("[2]", "[0,9]")), 8, SAM_CORRUPT, "bytes 0 to 9"},
        {ONE(F32("[2]", "[8,0]")), 8, SAM_CORRUPT, "bytes 8 to 0"},
        {ONE(F32("[2]", "[-8,0]")), 8, SAM_CORRUPT, "bytes -8 to 0"},
        {ONE(F32("[3]", "[0,8]")), 8, SAM_CORRUPT, "has 8 bytes where its shape and dtype need 12"},
        {ONE(F32("[2]", "[0,8.0]")), 8, SAM_CORRUPT, "no pair"},
        {ONE(F32("[2]", "[0,8,8]")), 8, SAM_CORRUPT, "no pair"},
        {ONE(F32("[0]", "[0,0]")), 0, SAM_CORRUPT, "no number above 0"},
        {ONE(F32("[-2]", "[0,8]")), 8, SAM_CORRUPT, "no number above 0"},
        {ONE(F32("[1,1,1,1,2]", "[0,8]")), 8, SAM_CORRUPT, "at most 4"},
        {ONE(F32("[4294967296,4294967296]", "[0,8]")), 8, SAM_CORRUPT, "overflow"},
        {ONE(F32("[4611686018427387905]", "[0,4]")), 4, SAM_CORRUPT, "overflow"},
        {ONE("\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[0,8]"), 8, SAM_UNSUPPORTED, "dtype I64"},
        {ONE("\"shape\":[1],\"data_offsets\":[0,8]"), 8, SAM_CORRUPT, "no \"dtype\""},
        {ONE("\"x\":1," F32("[2]", "[0,8]")), 8, SAM_CORRUPT, "unknown member \"x\""},
        {"{\"t\":{" F32("[2]", "[0,8]") "},\"u\":{" F32("[2]", "[4,12]") "}}", 12, SAM_CORRUPT, "overlaps"},
        {"{\"t\":{" F32("[2]", "[0,8]") "},\"t\":{" F32("[2]", "[8,16]") "}}", 16, SAM_CORRUPT, "duplicate"},
        {"{\"t\":7}", 0, SAM_CORRUPT, "no object"},
        {"{\"__metadata__\":{\"a\":1}}", 0, SAM_CORRUPT, "\"a\" is no text"},
        {"{\"__metadata__\":7}", 0, SAM_CORRUPT, "no object of texts"},
        {"[]", 0, SAM_CORRUPT, "no JSON object"},
        {"{", 0, SAM_CORRUPT, "line 1"},
        {"{}{}", 0, SAM_CORRUPT, "end of file"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        sam_buffer file = {0};
        sam_error err;
        put_file(&file, CASES[i].header, CASES[i].data);
        sam_status status = try_copy(file.bytes, file.length, &err);
        if (status != CASES[i].status || strstr(err.text, CASES[i].says) == NULL)
            fail_msg("%s: %s \"%s\", expected \"%s\"", CASES[i].header, sam_status_name(status), err.text,
                     CASES[i].says);
        sam_buffer_free(&file);
    }
}

static void a_header_length_beyond_the_file_is_refused(void **state)
{
    (void)state;
    static const uint64_t LENGTHS[] = {UINT64_MAX, (uint64_t)1 << 40, 100000001, 3};
    for (size_t i = 0; i < sizeof LENGTHS / sizeof *LENGTHS; i++) {
        sam_buffer file = {0};
        sam_error err;
        sam_put_u64(&file, LENGTHS[i]);
        sam_put_text(&file, "{}");
        assert_int_equal(try_copy(file.bytes, file.length, &err), SAM_CORRUPT);
        assert_non_null(strstr(err.text, "claims a header"));
        sam_buffer_free(&file);
    }
}

static void the_header_written_is_the_header_read_and_always_the_same(void **state)
{
    (void)state;
    static const char *const METADATA[][2] = {{"format", "pt"}};
    const sam_tensor tensors[] = {{.name = "z", .dtype = SAM_F16, .rank = 2, .shape = {2, 3}},
                                  {.name = "a", .dtype = SAM_F32, .rank = 1, .shape = {5}}};
    sam_buffer file = {0}, again = {0};
    sam_safetensors *files;
    assert_int_equal(sam_safetensors_header(&file, tensors, 2, METADATA, 1, NULL), SAM_OK);
    assert_int_equal(sam_safetensors_header(&again, tensors, 2, METADATA, 1, NULL), SAM_OK);
    assert_int_equal(file.length % 8, 0);
    assert_true(file.length == again.length && memcmp(file.bytes, again.bytes, file.length) == 0);
    for (int i = 0; i < 32; i++)
        sam_put_u8(&file, (uint8_t)i);
    assert_int_equal(sam_safetensors_open_bytes(&files, file.bytes, file.length, "written", NULL), SAM_OK);
    assert_int_equal(sam_safetensors_find(files, "z")->bytes[0], 0);
    assert_int_equal(sam_safetensors_find(files, "a")->bytes[0], 12);
    assert_int_equal(sam_safetensors_find(files, "z")->shape[1], 3);
    sam_safetensors_close(files);
    sam_buffer_free(&file);
    sam_buffer_free(&again);
}

static void headers_that_nobody_could_read_are_not_written(void **state)
{
    (void)state;
    const sam_tensor twice[] = {{.name = "a", .dtype = SAM_F32}, {.name = "a", .dtype = SAM_F32}};
    const sam_tensor quantised = {.name = "q", .dtype = SAM_Q4_1, .rank = 1, .shape = {32}};
    const sam_tensor endless = {.name = "e", .dtype = SAM_F32, .rank = 2, .shape = {UINT64_MAX, 2}};
    sam_buffer out = {0};
    assert_int_equal(sam_safetensors_header(&out, twice, 2, NULL, 0, NULL), SAM_INVALID);
    assert_int_equal(sam_safetensors_header(&out, &quantised, 1, NULL, 0, NULL), SAM_UNSUPPORTED);
    assert_int_equal(sam_safetensors_header(&out, &endless, 1, NULL, 0, NULL), SAM_INVALID);
    sam_buffer_free(&out);
}

static void write_text(const char *folder, const char *name, const void *bytes, size_t length)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(sam_file_write(path, bytes, length, NULL), SAM_OK);
}

static void an_index_must_agree_with_its_files(void **state)
{
    (void)state;
    static const struct {
        const char *map;
        sam_status status;
        const char *says;
    } CASES[] = {
        {"{\"weight_map\":{\"a\":\"one.safetensors\",\"b\":\"one.safetensors\"}}", SAM_OK, ""},
        {"{\"weight_map\":{\"a\":\"one.safetensors\"}}", SAM_CORRUPT,
         "b is in one.safetensors, but the weight map says nothing"},
        {"{\"weight_map\":{\"a\":\"one.safetensors\",\"b\":\"one.safetensors\",\"c\":\"one.safetensors\"}}",
         SAM_CORRUPT, "names c, which one.safetensors does not hold"},
        {"{\"weight_map\":{\"a\":\"no.safetensors\"}}", SAM_NOT_FOUND, "no.safetensors"},
        {"{\"weight_map\":{\"a\":\"../index/one.safetensors\"}}", SAM_CORRUPT, "plain file name"},
        {"{\"weight_map\":{\"a\":\"/etc/passwd\"}}", SAM_CORRUPT, "plain file name"},
        {"{\"weight_map\":{\"a\":1}}", SAM_CORRUPT, "plain file name"},
        {"{}", SAM_CORRUPT, "no \"weight_map\""},
        {"{", SAM_CORRUPT, "line 1"},
    };
    sam_buffer file = {0};
    put_file(&file, TWO, 14);
    assert_int_equal(sam_make_folders("safetensors_index", NULL), SAM_OK);
    write_text("safetensors_index", "one.safetensors", file.bytes, file.length);
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        sam_safetensors *files;
        sam_error err = {0};
        write_text("safetensors_index", "model.safetensors.index.json", CASES[i].map, strlen(CASES[i].map));
        sam_status status = sam_safetensors_open(&files, "safetensors_index", &err);
        if (status != CASES[i].status || strstr(err.text, CASES[i].says) == NULL)
            fail_msg("%s: %s \"%s\", expected \"%s\"", CASES[i].map, sam_status_name(status), err.text, CASES[i].says);
        sam_safetensors_close(files);
    }
    sam_buffer_free(&file);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    const sam_tensor tensor = {.name = "a", .dtype = SAM_F32, .rank = 1, .shape = {1}};
    sam_buffer file = {0};
    put_file(&file, TWO, 14);
    json_set_alloc_funcs(test_alloc, sam_free);
    for (long n = 1, done = 0; !done; n++) {
        sam_safetensors *files;
        sam_buffer header = {0};
        sam_memory_fail_at(n);
        sam_status opened = sam_safetensors_open_bytes(&files, file.bytes, file.length, "test", NULL);
        sam_memory_fail_at(n);
        sam_status written = sam_safetensors_header(&header, &tensor, 1, NULL, 0, NULL);
        sam_memory_fail_at(0);
        sam_safetensors_close(files);
        sam_buffer_free(&header);
        /* jansson takes a failed allocation inside a string for a mistake in the JSON */
        if ((opened != SAM_OK && opened != SAM_NO_MEMORY && opened != SAM_CORRUPT) ||
            (written != SAM_OK && written != SAM_NO_MEMORY))
            fail_msg("allocation %ld: opened %s, written %s", n, sam_status_name(opened), sam_status_name(written));
        done = opened == SAM_OK && written == SAM_OK;
    }
    json_set_alloc_funcs(malloc, free);
    sam_buffer_free(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tensors_are_found_by_name_in_byte_order),
        cmocka_unit_test(a_file_cut_at_any_byte_is_refused),
        cmocka_unit_test(no_change_of_one_byte_leads_outside_the_file),
        cmocka_unit_test(lies_are_refused_and_named),
        cmocka_unit_test(a_header_length_beyond_the_file_is_refused),
        cmocka_unit_test(the_header_written_is_the_header_read_and_always_the_same),
        cmocka_unit_test(headers_that_nobody_could_read_are_not_written),
        cmocka_unit_test(an_index_must_agree_with_its_files),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
