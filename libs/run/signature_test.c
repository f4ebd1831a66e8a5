#include "run/signature.h"

#include "run/test_runs.h"

#include <sodium.h>

enum { ROUNDS = 3 };

static sam_signing_key key_number(uint8_t number)
{
    uint8_t seed[SAM_KEY_SEED_BYTES] = {number};
    sam_signing_key key;
    sam_signing_key_of(&key, seed);
    return key;
}

static void keys_are_those_of_rfc_8032(void **state)
{
    /* section 7.1, test 1 */
    static const char SEED[] = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
    static const char PUBLIC[] = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    uint8_t seed[SAM_KEY_SEED_BYTES];
    char hex[SAM_KEY_HEX];
    sam_signing_key key;
    sam_public_key again;
    (void)state;
    assert_int_equal(sodium_hex2bin(seed, sizeof seed, SEED, strlen(SEED), NULL, NULL, NULL), 0);
    sam_signing_key_of(&key, seed);
    sam_public_key_hex(hex, &key.open);
    assert_string_equal(hex, PUBLIC);
    assert_true(sam_public_key_parse(&again, hex));
    assert_memory_equal(&again, &key.open, sizeof again);
    hex[5] = 'G';
    assert_false(sam_public_key_parse(&again, hex));
    assert_false(sam_public_key_parse(&again, ""));
    assert_false(sam_public_key_parse(&again, "D75A980182B10AB7D54BFED3C964073A0EE172F3DAA62325AF021A68F707511A"));
}

static void a_changed_result_is_not_signed_any_more(void **state)
{
    uint8_t codes[] = {1, 2, 3};
    const sam_result slot = {.kind = SAM_WORK_SLOT, .round = 7, .index = 2, .codes = codes, .code_count = 3};
    sam_result other[] = {slot, slot, slot, slot, slot, slot};
    const sam_digest run = {{1}}, another = {{2}};
    sam_signing_key key = key_number(1), stranger = key_number(2);
    (void)state;
    other[0].round = 8;
    other[1].index = 3;
    other[2].kind = SAM_WORK_CHECK;
    other[3].code_count = 2;
    other[4].weight = 2;
    other[5].loss = 7;
    sam_result result = slot;
    sam_result_sign(&result, &run, 5, &key);
    assert_true(sam_result_is_signed(&result, &run, 5, &key.open));
    assert_false(sam_result_is_signed(&result, &another, 5, &key.open));
    assert_false(sam_result_is_signed(&result, &run, 6, &key.open));
    assert_false(sam_result_is_signed(&result, &run, 5, &stranger.open));
    for (size_t i = 0; i < sizeof other / sizeof other[0]; i++) {
        memcpy(other[i].signature, result.signature, sizeof result.signature);
        assert_false(sam_result_is_signed(&other[i], &run, 5, &key.open));
    }
    codes[1] = 9;
    assert_false(sam_result_is_signed(&result, &run, 5, &key.open));
}

static void sums_of_an_evaluation_are_signed_too(void **state)
{
    sam_result result = {.kind = SAM_WORK_EVALUATION, .evaluation = {.examples = 10, .correct = 4, .loss_micro = 12}};
    const sam_digest run = {{1}};
    sam_signing_key key = key_number(1);
    (void)state;
    sam_result_sign(&result, &run, 5, &key);
    assert_true(sam_result_is_signed(&result, &run, 5, &key.open));
    result.evaluation.correct = 5;
    assert_false(sam_result_is_signed(&result, &run, 5, &key.open));
}

static void whatever_is_changed_in_a_request_it_is_not_signed_any_more(void **state)
{
    uint8_t codes[] = {1, 2, 3};
    sam_result results[] = {
        {.kind = SAM_WORK_SLOT, .round = 7, .index = 2, .codes = codes, .code_count = 3, .weight = 1},
        {.kind = SAM_WORK_EVALUATION, .round = 5, .evaluation = {.examples = 10, .correct = 4}}};
    const sam_digest run = {{1}}, another = {{2}};
    sam_signing_key key = key_number(1), stranger = key_number(2);
    (void)state;
    for (size_t count = 0; count <= 2; count++) { /* one without results, too: it may say "leaving" */
        sam_sync_request request = {.worker = 5, .leaving = true, .results = results, .result_count = count}, again;
        sam_buffer out = {0};
        sam_sync_request_compose(&out, &request, &run, &key);
        assert_true(sam_sync_request_is_signed(out.bytes, out.length, &run, &key.open));
        assert_false(sam_sync_request_is_signed(out.bytes, out.length, &another, &key.open));
        assert_false(sam_sync_request_is_signed(out.bytes, out.length, &run, &stranger.open));
        assert_false(sam_sync_request_is_signed(out.bytes, 63, &run, &key.open));
        assert_int_equal(sam_sync_request_decode(&again, out.bytes, out.length, NULL), SAM_OK);
        for (size_t i = 0; i < count; i++)
            assert_true(sam_result_is_signed(&again.results[i], &run, 5, &key.open));
        for (size_t byte = 0; byte < out.length; byte++) {
            out.bytes[byte] ^= 4;
            assert_false(sam_sync_request_is_signed(out.bytes, out.length, &run, &key.open));
            out.bytes[byte] ^= 4;
        }
        sam_sync_request_free(&again);
        sam_buffer_free(&out);
    }
}

/* ---- a log and its signatures ---- */

typedef struct material {
    sam_samlog *log;
    sam_buffer signatures;
    size_t key_bytes; /* head and keys */
    uint64_t records;
} material;

static void sign_round(material *made, const sam_round *round, const sam_manifest *manifest, sam_signing_key keys[3])
{
    uint8_t all[8 * SAM_SIGNATURE_BYTES];
    size_t length = 0;
    for (size_t i = 0; i < round->record_count; i++) {
        uint32_t author = round->records[i].author;
        sam_result result = sam_result_of(&round->records[i]);
        sam_result_sign(&result, &manifest->id, author, &keys[author]);
        memcpy(all + length, result.signature, SAM_SIGNATURE_BYTES);
        length += SAM_SIGNATURE_BYTES;
        made->records++;
    }
    sam_samsig_put_round(&made->signatures, round->number, all, length);
}

static material make(void)
{
    uint64_t random = 77;
    sam_manifest draft = test_draft(), *manifest;
    sam_signing_key keys[3] = {key_number(0), key_number(1), key_number(2)};
    sam_buffer bytes = {0};
    material made = {0};
    draft.signed_records = true;
    assert_int_equal(sam_manifest_compose(&manifest, &draft, NULL), SAM_OK);
    const sam_round_shape shape = sam_manifest_shape(manifest);
    sam_digest chain = manifest->id;
    sam_samlog_put_head(&bytes, manifest);
    sam_samsig_put_head(&made.signatures, &manifest->id);
    sam_samsig_put_key(&made.signatures, 1, &keys[1].open);
    sam_samsig_put_key(&made.signatures, 2, &keys[2].open);
    made.key_bytes = made.signatures.length;
    for (uint64_t r = 0; r < ROUNDS; r++) {
        sam_buffer encoded = {0};
        sam_round round = test_round(&random, &shape, r);
        for (size_t i = 0; i < round.record_count; i++)
            round.records[i].author = 1 + round.records[i].place % 2;
        assert_int_equal(sam_round_encode(&encoded, &round, &shape, &chain, NULL), SAM_OK);
        chain = round.chain;
        sam_samlog_put_round(&bytes, encoded.bytes, encoded.length);
        sign_round(&made, &round, manifest, keys);
        sam_buffer_free(&encoded);
        sam_round_free(&round);
    }
    assert_int_equal(sam_samlog_parse(&made.log, bytes.bytes, bytes.length, NULL), SAM_OK);
    sam_buffer_free(&bytes);
    sam_manifest_free(manifest);
    return made;
}

static void unmake(material *made)
{
    sam_samlog_close(made->log);
    sam_buffer_free(&made->signatures);
}

static void signatures_of_a_log_are_found_good(void **state)
{
    material made = make();
    sam_signature_tally tally;
    sam_error err = {0};
    (void)state;
    if (sam_samsig_check(&tally, made.log, made.signatures.bytes, made.signatures.length, NULL, NULL, &err) != SAM_OK)
        fail_msg("%s", err.text);
    assert_true(made.records > 0 && tally.good == made.records && tally.bad == 0 && tally.missing == 0);
    unmake(&made);
}

typedef struct sighting {
    unsigned count;
    uint64_t round;
    bool missing;
} sighting;

static void note(void *user, uint64_t round, uint32_t slot, uint32_t worker, bool missing)
{
    sighting *seen = user;
    (void)slot, (void)worker;
    *seen = (sighting){seen->count + 1, round, missing};
}

static void one_wrong_signature_is_named_with_its_record(void **state)
{
    material made = make();
    sam_signature_tally tally;
    sighting seen = {0};
    (void)state;
    made.signatures.bytes[made.signatures.length - 1] ^= 1;
    assert_int_equal(
        sam_samsig_check(&tally, made.log, made.signatures.bytes, made.signatures.length, note, &seen, NULL), SAM_OK);
    assert_true(tally.bad == 1 && tally.good == made.records - 1 && tally.missing == 0);
    assert_true(seen.count == 1 && seen.round == ROUNDS - 1 && !seen.missing);
    unmake(&made);
}

static void records_without_a_signature_are_missing(void **state)
{
    material made = make();
    sam_signature_tally tally;
    sighting seen = {0};
    (void)state;
    assert_int_equal(sam_samsig_check(&tally, made.log, made.signatures.bytes, made.key_bytes, note, &seen, NULL),
                     SAM_OK);
    assert_true(tally.missing == made.records && tally.good == 0 && tally.bad == 0 && seen.missing);
    unmake(&made);
}

static void a_file_cut_anywhere_or_of_another_run_is_refused(void **state)
{
    material made = make();
    sam_signature_tally tally;
    sam_error err = {0};
    (void)state;
    for (size_t length = 0; length < made.signatures.length; length++) {
        sam_status status = sam_samsig_check(&tally, made.log, made.signatures.bytes, length, NULL, NULL, &err);
        assert_true(status == SAM_CORRUPT || (status == SAM_OK && tally.missing > 0));
    }
    made.signatures.bytes[8] ^= 1;
    assert_int_equal(
        sam_samsig_check(&tally, made.log, made.signatures.bytes, made.signatures.length, NULL, NULL, &err),
        SAM_MISMATCH);
    unmake(&made);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_those_of_rfc_8032),
        cmocka_unit_test(a_changed_result_is_not_signed_any_more),
        cmocka_unit_test(sums_of_an_evaluation_are_signed_too),
        cmocka_unit_test(whatever_is_changed_in_a_request_it_is_not_signed_any_more),
        cmocka_unit_test(signatures_of_a_log_are_found_good),
        cmocka_unit_test(one_wrong_signature_is_named_with_its_record),
        cmocka_unit_test(records_without_a_signature_are_missing),
        cmocka_unit_test(a_file_cut_anywhere_or_of_another_run_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
