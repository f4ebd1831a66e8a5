#include "model/files/gguf.h"

#include "base/memory.h"
#include "model/files/gguf_write.h"
#include "model/test_models.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* Opens a copy of exactly these bytes, so that a sanitizer sees a read past them. The copy goes when the file does. */
static sam_status open_copy(sam_gguf **gguf, const uint8_t *bytes, size_t length, uint8_t **copy, sam_error *err)
{
    *copy = malloc(length == 0 ? 1 : length);
    assert_non_null(*copy);
    memcpy(*copy, bytes, length);
    *err = (sam_error){0};
    return sam_gguf_open_bytes(gguf, *copy, length, "test.gguf", err);
}

/* A file of any version by hand: u32 counts in version 1. */
static void put_count(sam_buffer *out, uint32_t version, uint64_t count)
{
    if (version == 1)
        sam_put_u32(out, (uint32_t)count);
    else
        sam_put_u64(out, count);
}

static void put_name(sam_buffer *out, uint32_t version, const char *name)
{
    put_count(out, version, strlen(name));
    sam_put_text(out, name);
}

static void put_key(sam_buffer *out, uint32_t version, const char *name, uint32_t type)
{
    put_name(out, version, name);
    sam_put_u32(out, type);
}

static void put_tensor(sam_buffer *out, uint32_t version, const char *name, uint64_t rows, uint32_t type,
                       uint64_t offset)
{
    put_name(out, version, name);
    sam_put_u32(out, 2);
    put_count(out, version, 32);
    put_count(out, version, rows);
    sam_put_u32(out, type);
    sam_put_u64(out, offset);
}

static void put_file(sam_buffer *out, uint32_t version)
{
    sam_put_text(out, "GGUF");
    sam_put_u32(out, version);
    put_count(out, version, 2);
    put_count(out, version, 7);
    put_key(out, version, "text", SAM_GGUF_TEXT);
    put_name(out, version, "hello");
    put_key(out, version, "small", SAM_GGUF_I8);
    sam_put_u8(out, 0xfe);
    put_key(out, version, "large", SAM_GGUF_U64);
    sam_put_u64(out, UINT64_MAX);
    put_key(out, version, "real", SAM_GGUF_F32);
    sam_put_f32(out, 0.5f);
    put_key(out, version, "yes", SAM_GGUF_BOOL);
    sam_put_u8(out, 1);
    put_key(out, version, "words", SAM_GGUF_ARRAY);
    sam_put_u32(out, SAM_GGUF_TEXT);
    put_count(out, version, 3);
    put_name(out, version, "a");
    put_name(out, version, "");
    put_name(out, version, "long");
    put_key(out, version, "numbers", SAM_GGUF_ARRAY);
    sam_put_u32(out, SAM_GGUF_I16);
    put_count(out, version, 2);
    sam_put_u32(out, 0xffff0007);               /* 7 and -1 */
    put_tensor(out, version, "first", 2, 8, 0); /* Q8_0: 68 bytes */
    put_tensor(out, version, "second", 1, 0, 96);
    while (out->length % 32 != 0)
        sam_put_u8(out, 0);
    for (unsigned i = 0; i < 96 + 128; i++)
        sam_put_u8(out, (uint8_t)i);
}

static void check_keys(const sam_gguf *gguf)
{
    uint64_t u;
    int64_t i;
    double d;
    bool b;
    const char *text;
    size_t length;
    assert_true(sam_gguf_text(gguf, "text", &text, &length) && length == 5 && memcmp(text, "hello", 5) == 0);
    assert_false(sam_gguf_u64(gguf, "small", &u));
    assert_true(sam_gguf_f64(gguf, "small", &d) && d == -2);
    assert_true(sam_gguf_u64(gguf, "large", &u) && u == UINT64_MAX);
    assert_true(sam_gguf_f64(gguf, "real", &d) && d == 0.5);
    assert_true(sam_gguf_bool(gguf, "yes", &b) && b);
    assert_false(sam_gguf_bool(gguf, "real", &b));
    assert_false(sam_gguf_u64(gguf, "absent", &u));
    assert_int_equal(sam_gguf_array_length(gguf, "words"), 3);
    assert_true(sam_gguf_array_text(gguf, "words", 1, &text, &length) && length == 0);
    assert_true(sam_gguf_array_text(gguf, "words", 2, &text, &length) && memcmp(text, "long", 4) == 0);
    assert_false(sam_gguf_array_text(gguf, "words", 3, &text, &length));
    assert_true(sam_gguf_array_i64(gguf, "numbers", 1, &i) && i == -1);
    assert_false(sam_gguf_text(gguf, "words", &text, &length));
    assert_int_equal(sam_gguf_array_length(gguf, "text"), 0);
}

static void versions_1_2_and_3_say_the_same(void **state)
{
    (void)state;
    for (uint32_t version = 1; version <= 3; version++) {
        sam_buffer file = {0};
        sam_gguf *gguf;
        uint8_t *copy;
        sam_error err;
        put_file(&file, version);
        assert_int_equal(open_copy(&gguf, file.bytes, file.length, &copy, &err), SAM_OK);
        check_keys(gguf);
        assert_int_equal(sam_gguf_tensor_count(gguf), 2);
        const sam_tensor *t = sam_gguf_find(gguf, "first");
        assert_non_null(t);
        assert_true(t->rank == 2 && t->shape[0] == 2 && t->shape[1] == 32 && t->length == 68 && t->bytes[1] == 1);
        assert_int_equal(sam_gguf_find(gguf, "second")->bytes[0], 96);
        assert_null(sam_gguf_find(gguf, "third"));
        sam_gguf_close(gguf);
        free(copy);
        sam_buffer_free(&file);
    }
}

static void a_file_cut_at_any_byte_is_refused_with_its_offset(void **state)
{
    (void)state;
    for (uint32_t version = 1; version <= 3; version += 2) {
        sam_buffer file = {0};
        put_file(&file, version);
        for (size_t length = 0; length < file.length; length++) {
            sam_gguf *gguf;
            uint8_t *copy;
            sam_error err;
            if (open_copy(&gguf, file.bytes, length, &copy, &err) != SAM_CORRUPT || strstr(err.text, "byte") == NULL)
                fail_msg("version %u cut at %zu of %zu: \"%s\"", version, length, file.length, err.text);
            assert_null(gguf);
            free(copy);
        }
        sam_buffer_free(&file);
    }
}

static void use(const sam_gguf *gguf)
{
    float block[256];
    for (size_t i = 0; i < sam_gguf_tensor_count(gguf); i++) {
        const sam_tensor *t = sam_gguf_tensor(gguf, i);
        sam_dtype_read(t->dtype, t->bytes, sam_dtype_block(t->dtype), block);
    }
    sam_buffer values = {0};
    for (size_t i = 0; i < sam_gguf_key_count(gguf); i++)
        sam_gguf_put_value(gguf, i, &values);
    sam_buffer_free(&values);
}

static void no_change_of_one_byte_leads_outside_the_file(void **state)
{
    (void)state;
    static const uint8_t VALUES[] = {0, 1, 0x7f, 0x80, 0xff};
    sam_buffer file = {0};
    put_file(&file, 3);
    for (size_t at = 0; at < file.length; at++) {
        for (size_t v = 0; v < sizeof VALUES; v++) {
            const uint8_t was = file.bytes[at];
            sam_gguf *gguf;
            uint8_t *copy;
            sam_error err;
            file.bytes[at] = VALUES[v];
            if (open_copy(&gguf, file.bytes, file.length, &copy, &err) == SAM_OK)
                use(gguf);
            sam_gguf_close(gguf);
            free(copy);
            file.bytes[at] = was;
        }
    }
    sam_buffer_free(&file);
}

/* Each puts a head of its own behind magic and version 3. */
static void head(sam_buffer *out, uint64_t tensors, uint64_t keys)
{
    sam_put_text(out, "GGUF");
    sam_put_u32(out, 3);
    sam_put_u64(out, tensors);
    sam_put_u64(out, keys);
}

static void wrong_magic(sam_buffer *out)
{
    sam_put_text(out, "GGML4444555566667777");
}

static void version_4(sam_buffer *out)
{
    head(out, 0, 0);
    out->bytes[4] = 4;
}

static void big_endian(sam_buffer *out)
{
    head(out, 0, 0);
    memcpy(out->bytes + 4, (uint8_t[]){0, 0, 0, 3}, 4);
}

static void huge_tensor_count(sam_buffer *out)
{
    head(out, UINT64_MAX, 0);
}

static void huge_key_count(sam_buffer *out)
{
    head(out, 0, UINT64_MAX / 2);
}

static void huge_array(sam_buffer *out)
{
    head(out, 0, 1);
    put_key(out, 3, "a", SAM_GGUF_ARRAY);
    sam_put_u32(out, SAM_GGUF_U64);
    sam_put_u64(out, UINT64_MAX / 8 + 2);
}

static void huge_text(sam_buffer *out)
{
    head(out, 0, 1);
    put_key(out, 3, "a", SAM_GGUF_TEXT);
    sam_put_u64(out, UINT64_MAX);
    sam_put_u64(out, 0);
}

static void nested_array(sam_buffer *out)
{
    head(out, 0, 1);
    put_key(out, 3, "a", SAM_GGUF_ARRAY);
    sam_put_u32(out, SAM_GGUF_ARRAY);
    sam_put_u64(out, 1);
}

static void unknown_value_type(sam_buffer *out)
{
    head(out, 0, 1);
    put_key(out, 3, "abc", 13);
    sam_put_u64(out, 0);
}

static void bool_of_2(sam_buffer *out)
{
    head(out, 0, 1);
    put_key(out, 3, "a", SAM_GGUF_BOOL);
    sam_put_u8(out, 2);
}

static void same_key_twice(sam_buffer *out)
{
    head(out, 0, 2);
    for (int i = 0; i < 2; i++) {
        put_key(out, 3, "a", SAM_GGUF_U8);
        sam_put_u8(out, 2);
    }
}

static void alignment(sam_buffer *out, uint32_t value)
{
    head(out, 0, 1);
    put_key(out, 3, "general.alignment", SAM_GGUF_U32);
    sam_put_u32(out, value);
}

static void alignment_0(sam_buffer *out)
{
    alignment(out, 0);
}

static void alignment_48(sam_buffer *out)
{
    alignment(out, 48);
}

static void data(sam_buffer *out, size_t bytes)
{
    while (out->length % 32 != 0)
        sam_put_u8(out, 0);
    for (; bytes > 0; bytes--)
        sam_put_u8(out, 0);
}

static void same_tensor_twice(sam_buffer *out)
{
    head(out, 2, 0);
    put_tensor(out, 3, "t", 1, 0, 0);
    put_tensor(out, 3, "t", 1, 0, 128);
    data(out, 256);
}

static void overlapping_tensors(sam_buffer *out)
{
    head(out, 2, 0);
    put_tensor(out, 3, "t", 1, 0, 0);
    put_tensor(out, 3, "u", 1, 0, 96);
    data(out, 256);
}

static void unaligned_offset(sam_buffer *out)
{
    head(out, 1, 0);
    put_tensor(out, 3, "t", 1, 0, 4);
    data(out, 256);
}

static void offset_out_of_file(sam_buffer *out)
{
    head(out, 1, 0);
    put_tensor(out, 3, "t", 1, 0, UINT64_MAX - 31);
    data(out, 256);
}

static void overflowing_shape(sam_buffer *out)
{
    head(out, 1, 0);
    put_tensor(out, 3, "t", UINT64_MAX / 16, 0, 0);
    data(out, 256);
}

static void overflowing_bytes(sam_buffer *out)
{
    head(out, 1, 0);
    put_tensor(out, 3, "t", UINT64_MAX / 33, 0, 0);
    data(out, 256);
}

static void size_of_0(sam_buffer *out)
{
    head(out, 1, 0);
    put_tensor(out, 3, "t", 0, 0, 0);
    data(out, 256);
}

static void rank_of_5(sam_buffer *out)
{
    head(out, 1, 0);
    put_name(out, 3, "t");
    sam_put_u32(out, 5);
    data(out, 256);
}

static void part_of_a_block(sam_buffer *out)
{
    head(out, 1, 0);
    put_tensor(out, 3, "t", 8, 12, 0); /* rows of 32, blocks of 256 */
    data(out, 256);
}

static void unknown_element_type(sam_buffer *out)
{
    head(out, 1, 0);
    put_tensor(out, 3, "t", 1, 16, 0);
    data(out, 256);
}

static void name_with_nul(sam_buffer *out)
{
    head(out, 1, 0);
    sam_put_u64(out, 2);
    sam_put_bytes(out, "t\0", 2);
    data(out, 64);
}

static void malformed_files_are_refused_and_say_why(void **state)
{
    (void)state;
    static const struct {
        void (*make)(sam_buffer *out);
        sam_status status;
        const char *says;
    } CASES[] = {
        {wrong_magic, SAM_CORRUPT, "first bytes"},
        {version_4, SAM_UNSUPPORTED, "version 4"},
        {big_endian, SAM_UNSUPPORTED, "big-endian"},
        {huge_tensor_count, SAM_CORRUPT, "tensors before byte 24"},
        {huge_key_count, SAM_CORRUPT, "keys before byte 24"},
        {huge_array, SAM_CORRUPT, "elements of an array before byte 49"},
        {huge_text, SAM_CORRUPT, "a text at byte"},
        {nested_array, SAM_UNSUPPORTED, "array of arrays at byte 37 (key a)"},
        {unknown_value_type, SAM_CORRUPT, "type 13 at byte 35"},
        {bool_of_2, SAM_CORRUPT, "bool at byte 37 is 2"},
        {same_key_twice, SAM_CORRUPT, "key a occurs twice"},
        {alignment_0, SAM_CORRUPT, "no power of two"},
        {alignment_48, SAM_CORRUPT, "no power of two"},
        {same_tensor_twice, SAM_CORRUPT, "two tensors are named t"},
        {overlapping_tensors, SAM_CORRUPT, "t and u overlap"},
        {unaligned_offset, SAM_CORRUPT, "offset 4 of tensor t"},
        {offset_out_of_file, SAM_CORRUPT, "after the end of the file"},
        {overflowing_shape, SAM_CORRUPT, "too large"},
        {overflowing_bytes, SAM_CORRUPT, "no whole blocks"},
        {size_of_0, SAM_CORRUPT, "size of 0"},
        {rank_of_5, SAM_CORRUPT, "5 dimensions at byte 33"},
        {part_of_a_block, SAM_CORRUPT, "no whole blocks of Q4_K"},
        {unknown_element_type, SAM_UNSUPPORTED, "element type 16"},
        {name_with_nul, SAM_CORRUPT, "NUL"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        sam_buffer file = {0};
        sam_gguf *gguf;
        uint8_t *copy;
        sam_error err;
        CASES[i].make(&file);
        sam_status status = open_copy(&gguf, file.bytes, file.length, &copy, &err);
        if (status != CASES[i].status || strstr(err.text, CASES[i].says) == NULL)
            fail_msg("case %zu: %s \"%s\", expected \"%s\"", i, sam_status_name(status), err.text, CASES[i].says);
        free(copy);
        sam_buffer_free(&file);
    }
}

static void what_is_written_reads_back_and_keys_are_carried_over(void **state)
{
    (void)state;
    sam_buffer first = {0}, second = {0};
    sam_gguf *gguf, *again;
    uint8_t *copy;
    sam_error err;
    put_file(&first, 1);
    assert_int_equal(open_copy(&gguf, first.bytes, first.length, &copy, &err), SAM_OK);
    sam_gguf_writer writer = {0};
    sam_gguf_write_copy(&writer, gguf, (const char *const[]){"text", NULL});
    sam_gguf_write_text(&writer, "text", "hello");
    sam_gguf_write_texts(&writer, "more", (const char *const[]){"x", "yz"}, NULL, 2);
    sam_gguf_write_i32s(&writer, "signed", (const int32_t[]){-5}, 1);
    sam_gguf_write_f32s(&writer, "floats", (const float[]){1.5f}, 1);
    sam_gguf_write_bool(&writer, "no", false);
    uint64_t a = sam_gguf_write_tensor(&writer, "t", SAM_F16, 2, (uint64_t[]){3, 5});
    uint64_t b = sam_gguf_write_tensor(&writer, "u", SAM_F32, 1, (uint64_t[]){2});
    assert_true(a == 0 && b == 32 && writer.data_length == 64);
    assert_int_equal(sam_gguf_write_head(&writer, &second, &err), SAM_OK);
    data(&second, 64);
    assert_int_equal(sam_gguf_open_bytes(&again, second.bytes, second.length, "again", &err), SAM_OK);
    check_keys(again);
    int64_t number;
    double real;
    assert_true(sam_gguf_array_i64(again, "signed", 0, &number) && number == -5);
    assert_true(sam_gguf_array_f64(again, "floats", 0, &real) && real == 1.5);
    assert_int_equal(sam_gguf_find(again, "t")->shape[1], 5);
    assert_int_equal(sam_gguf_find(again, "u")->bytes - sam_gguf_find(again, "t")->bytes, 32);
    sam_gguf_close(again);
    sam_gguf_close(gguf);
    free(copy);
    sam_gguf_writer_free(&writer);
    sam_buffer_free(&first);
    sam_buffer_free(&second);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    sam_buffer file = {0};
    put_file(&file, 3);
    for (long n = 1;; n++) {
        sam_gguf *gguf;
        sam_memory_fail_at(n);
        sam_status status = sam_gguf_open_bytes(&gguf, file.bytes, file.length, "test.gguf", NULL);
        sam_memory_fail_at(0);
        sam_gguf_close(gguf);
        if (status == SAM_OK)
            break;
        assert_int_equal(status, SAM_NO_MEMORY);
    }
    sam_buffer_free(&file);
}

static void the_vocabularies_of_llama_cpp_open(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t tokens;
    } FILES[] = {{"gpt-2", 50257}, {"llama-spm", 32000}, {"falcon", 65024}, {"phi-3", 32064}};
    for (size_t i = 0; i < sizeof FILES / sizeof *FILES; i++) {
        char path[512];
        sam_gguf *gguf;
        snprintf(path, sizeof path, SAMARA_SOURCE "/../shared/tokenizers/llamacpp/ggml-vocab-%s.gguf", FILES[i].name);
        if (!sam_file_exists(path))
            skip();
        assert_int_equal(sam_gguf_open(&gguf, path, NULL), SAM_OK);
        assert_int_equal(sam_gguf_array_length(gguf, "tokenizer.ggml.tokens"), FILES[i].tokens);
        sam_gguf_close(gguf);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions_1_2_and_3_say_the_same),
        cmocka_unit_test(a_file_cut_at_any_byte_is_refused_with_its_offset),
        cmocka_unit_test(no_change_of_one_byte_leads_outside_the_file),
        cmocka_unit_test(malformed_files_are_refused_and_say_why),
        cmocka_unit_test(what_is_written_reads_back_and_keys_are_carried_over),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(the_vocabularies_of_llama_cpp_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
