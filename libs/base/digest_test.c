#include "base/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

/* From Python: hashlib.blake2b(bytes(7 * i % 256 for i in range(n)), digest_size=32). */
static const struct {
    size_t length;
    const char *hex;
} CASES[] = {{0, "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8"},
             {1, "03170a2e7597b7b7e3d84c05391d139a62b157e78786d8c082f29dcf4c111314"},
             {127, "4ff62e7c4c43fe101a078479c48836be4907d9d498dcc577ca89d694b2c11f9b"},
             {128, "14696d2a98d9f8a280da8b132b1045b345e1033759c6b02fcc4ee885c8ae7c37"},
             {129, "3934215260b1039be9d9d2b073b059bcd50120c327a22af93eb4d98cf821c14c"},
             {256, "3d0cb2693dfbac42af5a6cc960953fea8714aa39c4bcd054ef61d6b5e98ade4a"},
             {1000, "6ac4bea923678eb024090384d6e767b5870f849057dc19b172d8d9f2df30bf8e"}};

static void fill(uint8_t bytes[1000])
{
    for (size_t i = 0; i < 1000; i++)
        bytes[i] = (uint8_t)(7 * i);
}

static void digests_are_those_of_another_implementation(void **state)
{
    (void)state;
    uint8_t bytes[1000];
    fill(bytes);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        sam_digest digest;
        char hex[SAM_DIGEST_HEX];
        sam_digest_of(&digest, bytes, CASES[i].length);
        sam_digest_hex(hex, &digest);
        assert_string_equal(hex, CASES[i].hex);
    }
}

static void a_stream_in_pieces_gives_the_digest_of_the_whole(void **state)
{
    (void)state;
    uint8_t bytes[1000];
    sam_digest whole, streamed;
    fill(bytes);
    sam_digest_of(&whole, bytes, sizeof bytes);
    for (size_t piece = 1; piece <= sizeof bytes; piece += 61) {
        sam_digest_stream stream;
        sam_digest_begin(&stream);
        for (size_t at = 0; at < sizeof bytes; at += piece)
            sam_digest_add(&stream, bytes + at, sizeof bytes - at < piece ? sizeof bytes - at : piece);
        sam_digest_end(&stream, &streamed);
        assert_true(sam_digest_equal(&whole, &streamed));
    }
    streamed.bytes[31] ^= 1;
    assert_false(sam_digest_equal(&whole, &streamed));
}

static void a_digest_is_parsed_only_whole(void **state)
{
    (void)state;
    sam_digest digest;
    char hex[SAM_DIGEST_HEX + 1];
    assert_true(sam_digest_parse(&digest, CASES[0].hex));
    memcpy(hex, CASES[0].hex, SAM_DIGEST_HEX);
    hex[SAM_DIGEST_HEX - 2] = 0;
    assert_false(sam_digest_parse(&digest, hex));
    assert_false(sam_digest_parse(&digest, ""));
}

static void a_missing_file_is_named(void **state)
{
    (void)state;
    sam_digest digest;
    sam_error err = {0};
    assert_int_equal(sam_digest_file(&digest, "/nowhere/base.gguf", &err), SAM_NOT_FOUND);
    assert_non_null(strstr(err.text, "/nowhere/base.gguf"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digests_are_those_of_another_implementation),
        cmocka_unit_test(a_stream_in_pieces_gives_the_digest_of_the_whole),
        cmocka_unit_test(a_digest_is_parsed_only_whole),
        cmocka_unit_test(a_missing_file_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
