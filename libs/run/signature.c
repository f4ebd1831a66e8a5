#include "run/signature.h"

#include "base/memory.h"

#include <sodium.h>
#include <string.h>

#define RESULT_MAGIC  "SAMRES2\n"
#define REQUEST_MAGIC "SAMSYN1\n"
#define FILE_MAGIC    "SAMSIG2\n"
#define MAGIC_SIZE    8
enum { ENTRY_KEY = 1, ENTRY_ROUND = 2 };

_Static_assert(SAM_SIGNATURE_BYTES == crypto_sign_BYTES && SAM_KEY_SEED_BYTES == crypto_sign_SEEDBYTES &&
                   sizeof(sam_public_key) == crypto_sign_PUBLICKEYBYTES &&
                   sizeof((sam_signing_key *)0)->secret == crypto_sign_SECRETKEYBYTES,
               "the sizes of Ed25519");

/* ---- keys ---- */

void sam_signing_key_of(sam_signing_key *key, const uint8_t seed[SAM_KEY_SEED_BYTES])
{
    (void)crypto_sign_seed_keypair(key->open.bytes, key->secret, seed);
}

void sam_signing_key_wipe(sam_signing_key *key)
{
    sodium_memzero(key, sizeof *key);
}

void sam_public_key_hex(char out[SAM_KEY_HEX], const sam_public_key *key)
{
    (void)sodium_bin2hex(out, SAM_KEY_HEX, key->bytes, sizeof key->bytes);
}

bool sam_public_key_parse(sam_public_key *key, const char *hex)
{
    size_t length = strlen(hex), count;
    return length == SAM_KEY_HEX - 1 && strspn(hex, "0123456789abcdef") == length &&
           sodium_hex2bin(key->bytes, sizeof key->bytes, hex, length, NULL, &count, NULL) == 0 &&
           count == sizeof key->bytes;
}

/* ---- results ---- */

/* What stands over a signature is a digest, so that it takes no room, however many codes a record has. */
static void begin_message(sam_digest_stream *stream, const char *magic, const sam_digest *run)
{
    sam_digest_begin(stream);
    sam_digest_add(stream, magic, MAGIC_SIZE);
    sam_digest_add(stream, run->bytes, SAM_DIGEST_BYTES);
}

static void add32(sam_digest_stream *stream, uint32_t value)
{
    uint8_t bytes[sizeof value];
    sam_store_u32(bytes, value);
    sam_digest_add(stream, bytes, sizeof bytes);
}

static void add64(sam_digest_stream *stream, uint64_t value)
{
    uint8_t bytes[sizeof value];
    sam_store_u64(bytes, value);
    sam_digest_add(stream, bytes, sizeof bytes);
}

static void digest_of_result(sam_digest *digest, const sam_result *result, const sam_digest *run, uint32_t worker)
{
    const uint8_t kind = (uint8_t)result->kind;
    sam_digest_stream stream;
    begin_message(&stream, RESULT_MAGIC, run);
    sam_digest_add(&stream, &kind, 1);
    add64(&stream, result->round);
    add32(&stream, result->index);
    add32(&stream, worker);
    if (sam_work_kind_of(kind)->yields == SAM_YIELDS_RECORD) {
        add32(&stream, result->weight);
        add32(&stream, result->loss);
        sam_digest_add(&stream, result->codes, result->code_count);
    } else {
        add32(&stream, result->evaluation.examples);
        add32(&stream, result->evaluation.correct);
        add64(&stream, result->evaluation.loss_micro);
    }
    sam_digest_end(&stream, digest);
}

void sam_result_sign(sam_result *result, const sam_digest *run, uint32_t worker, const sam_signing_key *key)
{
    sam_digest digest;
    digest_of_result(&digest, result, run, worker);
    (void)crypto_sign_detached(result->signature, NULL, digest.bytes, sizeof digest.bytes, key->secret);
}

bool sam_result_is_signed(const sam_result *result, const sam_digest *run, uint32_t worker, const sam_public_key *key)
{
    sam_digest digest;
    digest_of_result(&digest, result, run, worker);
    return crypto_sign_verify_detached(result->signature, digest.bytes, sizeof digest.bytes, key->bytes) == 0;
}

/* ---- requests ---- */

static void digest_of_request(sam_digest *digest, const void *bytes, size_t length, const sam_digest *run)
{
    sam_digest_stream stream;
    begin_message(&stream, REQUEST_MAGIC, run);
    sam_digest_add(&stream, bytes, length - SAM_SIGNATURE_BYTES);
    sam_digest_end(&stream, digest);
}

void sam_sync_request_compose(sam_buffer *out, sam_sync_request *request, const sam_digest *run,
                              const sam_signing_key *key)
{
    sam_digest digest;
    size_t before = out->length;
    request->is_signed = key != NULL;
    for (size_t i = 0; i < request->result_count && key != NULL; i++)
        sam_result_sign(&request->results[i], run, request->worker, key);
    sam_sync_request_encode(out, request);
    if (out->failed || key == NULL)
        return;
    digest_of_request(&digest, out->bytes + before, out->length - before, run);
    (void)crypto_sign_detached(out->bytes + out->length - SAM_SIGNATURE_BYTES, NULL, digest.bytes, sizeof digest.bytes,
                               key->secret);
}

bool sam_sync_request_is_signed(const uint8_t *bytes, size_t length, const sam_digest *run, const sam_public_key *key)
{
    sam_digest digest;
    if (length < SAM_SIGNATURE_BYTES)
        return false;
    digest_of_request(&digest, bytes, length, run);
    return crypto_sign_verify_detached(bytes + length - SAM_SIGNATURE_BYTES, digest.bytes, sizeof digest.bytes,
                                       key->bytes) == 0;
}

/* ---- .samsig: writing ---- */

void sam_samsig_put_head(sam_buffer *out, const sam_digest *run)
{
    sam_put_bytes(out, FILE_MAGIC, MAGIC_SIZE);
    sam_put_bytes(out, run->bytes, SAM_DIGEST_BYTES);
}

void sam_samsig_put_key(sam_buffer *out, uint32_t worker, const sam_public_key *key)
{
    sam_put_u8(out, ENTRY_KEY);
    sam_put_u32(out, worker);
    sam_put_bytes(out, key->bytes, sizeof key->bytes);
}

void sam_samsig_put_round(sam_buffer *out, uint64_t round, const void *signatures, size_t length)
{
    sam_put_u8(out, ENTRY_ROUND);
    sam_put_u64(out, round);
    sam_put_u32(out, (uint32_t)(length / SAM_SIGNATURE_BYTES));
    sam_put_bytes(out, signatures, length);
}

/* ---- .samsig: checking ---- */

typedef struct known_key {
    uint32_t worker;
    sam_public_key key;
} known_key;

typedef struct check {
    const sam_samlog *log;
    sam_reader in;
    known_key *keys;
    size_t key_count;
    uint64_t next; /* round of the log that was not looked at yet */
    sam_signature_tally *tally;
    sam_bad_signature *say;
    void *user;
} check;

static sam_status no_samsig(const check *of, sam_error *err, const char *what)
{
    return sam_fail(err, SAM_CORRUPT, "signatures, byte %zu: %s", of->in.at, what);
}

static const sam_public_key *key_of(const check *of, uint32_t worker)
{
    for (size_t i = 0; i < of->key_count; i++)
        if (of->keys[i].worker == worker)
            return &of->keys[i].key;
    return NULL;
}

static void count(check *of, const sam_result *record, uint32_t worker, bool missing)
{
    const sam_public_key *key = missing ? NULL : key_of(of, worker);
    bool good = key != NULL && sam_result_is_signed(record, &sam_samlog_manifest(of->log)->id, worker, key);
    of->tally->good += good;
    of->tally->missing += missing;
    of->tally->bad += !good && !missing;
    if (!good && of->say != NULL)
        of->say(of->user, record->round, record->index, worker, missing);
}

/* signatures NULL: there are none for this round. */
static sam_status check_round(check *of, const uint8_t *signatures, size_t signature_count, sam_error *err)
{
    sam_round round;
    sam_status status = sam_samlog_decode(of->log, of->next, &round, err);
    for (size_t i = 0; i < round.record_count && status == SAM_OK; i++) {
        sam_result result = sam_result_of(&round.records[i]);
        bool missing = i >= signature_count;
        if (!missing)
            memcpy(result.signature, signatures + i * SAM_SIGNATURE_BYTES, SAM_SIGNATURE_BYTES);
        count(of, &result, round.records[i].author, missing);
    }
    sam_round_free(&round);
    of->next++;
    return status;
}

static sam_status read_key(check *of, sam_error *err)
{
    uint32_t worker = sam_get_u32(&of->in);
    const uint8_t *bytes = sam_get_bytes(&of->in, sizeof(sam_public_key));
    if (bytes == NULL)
        return no_samsig(of, err, "it ends inside a key");
    if (key_of(of, worker) != NULL)
        return no_samsig(of, err, "a worker has a second key");
    known_key *grown = sam_realloc(of->keys, of->key_count + 1, sizeof *grown);
    if (grown == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "no memory for the keys of the workers");
    of->keys = grown;
    grown[of->key_count].worker = worker;
    memcpy(grown[of->key_count++].key.bytes, bytes, sizeof(sam_public_key));
    return SAM_OK;
}

static sam_status read_round(check *of, sam_error *err)
{
    uint64_t round = sam_get_u64(&of->in);
    size_t signature_count = sam_get_u32(&of->in);
    const uint8_t *signatures = sam_get_bytes(&of->in, signature_count * SAM_SIGNATURE_BYTES);
    sam_status status = SAM_OK;
    if (signatures == NULL)
        return no_samsig(of, err, "it ends inside a round");
    if (round < of->next)
        return no_samsig(of, err, "its rounds are not in order");
    while (status == SAM_OK && of->next < round && of->next < sam_samlog_rounds(of->log))
        status = check_round(of, NULL, 0, err);
    if (status == SAM_OK && round < sam_samlog_rounds(of->log)) /* it may be younger than the log */
        status = check_round(of, signatures, signature_count, err);
    return status;
}

static sam_status read_entries(check *of, sam_error *err)
{
    const uint8_t *magic = sam_get_bytes(&of->in, MAGIC_SIZE), *run = sam_get_bytes(&of->in, SAM_DIGEST_BYTES);
    if (magic == NULL || run == NULL || memcmp(magic, FILE_MAGIC, MAGIC_SIZE) != 0)
        return no_samsig(of, err, "it does not begin as a .samsig file");
    if (memcmp(run, sam_samlog_manifest(of->log)->id.bytes, SAM_DIGEST_BYTES) != 0)
        return sam_fail(err, SAM_MISMATCH, "the signatures are of another run than the log");
    sam_status status = SAM_OK;
    while (status == SAM_OK && sam_reader_left(&of->in) > 0) {
        uint8_t kind = sam_get_u8(&of->in);
        if (kind != ENTRY_KEY && kind != ENTRY_ROUND)
            return no_samsig(of, err, "an entry is of kind 1 (key) or 2 (round)");
        status = kind == ENTRY_KEY ? read_key(of, err) : read_round(of, err);
    }
    while (status == SAM_OK && of->next < sam_samlog_rounds(of->log))
        status = check_round(of, NULL, 0, err);
    return status;
}

sam_status sam_samsig_check(sam_signature_tally *tally, const sam_samlog *log, const void *bytes, size_t length,
                            sam_bad_signature *say, void *user, sam_error *err)
{
    check of = {.log = log, .in = sam_reader_of(bytes, length), .tally = tally, .say = say, .user = user};
    *tally = (sam_signature_tally){0};
    sam_status status = read_entries(&of, err);
    sam_free(of.keys);
    return status;
}
