/* Writes the binary files that the fuzz targets start from, each as our own writers make it, below a folder.
 *
 *     fuzz_corpus tests/fuzz/corpus        (make_corpus.py runs it, and writes the texts) */
#include "model/test_models.h"
#include "run/history.h"
#include "run/samlog.h"
#include "run/signature.h"
#include "run/wire.h"

#include "base/text.h"
#include "sketch.h"

static const char *root;

static void write_file(const char *target, const char *name, const sam_buffer *bytes)
{
    char *folder = sam_format("%s/%s", root, target), *path = sam_format("%s/%s/%s", root, target, name);
    test_must(folder != NULL && path != NULL && !bytes->failed && sam_make_folders(folder, NULL) == SAM_OK &&
              sam_file_write(path, bytes->bytes, bytes->length, NULL) == SAM_OK);
    sam_free(folder);
    sam_free(path);
}

/* ---- models ---- */

static void write_models(void)
{
    static const test_model MODELS[] = {{.architecture = "llama"},
                                        {.architecture = "qwen2", .tied = true},
                                        {.architecture = "llama", .key_name = "general.name", .key_text = "small"}};
    for (size_t i = 0; i < sizeof MODELS / sizeof *MODELS; i++) {
        char name[32];
        sam_buffer gguf = {0};
        test_gguf(&gguf, &MODELS[i]);
        snprintf(name, sizeof name, "%zu.gguf", i);
        write_file("gguf", name, &gguf);
        sam_buffer_free(&gguf);
    }
}

static void write_safetensors(void)
{
    static const uint8_t DATA[16] = {1, 2, 3, 4, 5, 6};
    const sam_tensor tensors[] = {{.name = "a", .dtype = SAM_F32, .rank = 1, .shape = {2}},
                                  {.name = "b", .dtype = SAM_BF16, .rank = 2, .shape = {2, 2}}};
    static const char *const METADATA[][2] = {{"format", "pt"}};
    for (size_t count = 0; count <= 2; count++) {
        char name[32];
        sam_buffer file = {0};
        test_must(sam_safetensors_header(&file, tensors, count, METADATA, 1, NULL) == SAM_OK);
        sam_put_bytes(&file, DATA, 8 * count);
        snprintf(name, sizeof name, "%zu.safetensors", count);
        write_file("safetensors", name, &file);
        sam_buffer_free(&file);
    }
}

/* ---- tokenizers ---- */

typedef struct words {
    const char *model, *pre;
    const char *tokens[8];
    int32_t kinds[8];
    float scores[8];
    const char *merges[2];
} words;

static void write_tokenizer(const char *name, const words *w)
{
    sam_gguf_writer writer = {0};
    sam_buffer file = {0};
    size_t merges = w->merges[0] == NULL ? 0 : 2;
    sam_gguf_write_text(&writer, "general.architecture", "llama");
    sam_gguf_write_text(&writer, "tokenizer.ggml.model", w->model);
    if (w->pre != NULL)
        sam_gguf_write_text(&writer, "tokenizer.ggml.pre", w->pre);
    sam_gguf_write_texts(&writer, "tokenizer.ggml.tokens", w->tokens, NULL, 8);
    sam_gguf_write_i32s(&writer, "tokenizer.ggml.token_type", w->kinds, 8);
    sam_gguf_write_f32s(&writer, "tokenizer.ggml.scores", w->scores, 8);
    if (merges > 0)
        sam_gguf_write_texts(&writer, "tokenizer.ggml.merges", w->merges, NULL, merges);
    sam_gguf_write_u32(&writer, "tokenizer.ggml.bos_token_id", 1);
    sam_gguf_write_u32(&writer, "tokenizer.ggml.eos_token_id", 2);
    sam_gguf_write_bool(&writer, "tokenizer.ggml.add_bos_token", true);
    test_must(sam_gguf_write_head(&writer, &file, NULL) == SAM_OK);
    write_file("tokenizer_gguf", name, &file);
    sam_buffer_free(&file);
    sam_gguf_writer_free(&writer);
}

static void write_tokenizers(void)
{
    static const words SENTENCE_PIECES = {.model = "llama",
                                          .tokens = {"<unk>", "<s>", "</s>", "<0x41>", "\xe2\x96\x81", "a", "b", "ab"},
                                          .kinds = {2, 3, 3, 6, 1, 1, 1, 1},
                                          .scores = {0, 0, 0, 0, -1, -2, -3, -4}};
    static const words PAIRS = {.model = "gpt2",
                                .pre = "smollm",
                                .tokens = {"<|end|>", "<s>", "</s>", "\xc4\xa0", "a", "b", "ab",
                                           "\xc4\xa0"
                                           "ab"},
                                .kinds = {3, 3, 3, 1, 1, 1, 1, 1},
                                .merges = {"a b", "\xc4\xa0 ab"}};
    write_tokenizer("pieces.gguf", &SENTENCE_PIECES);
    write_tokenizer("pairs.gguf", &PAIRS);
}

/* ---- a run ---- */

/* What fuzz_import takes: two rounds of a run whose id is all 0xaa. */
static void write_import(void)
{
    static const sam_round_shape SHAPE = {.places = 2, .codes_least = 2, .codes_most = 2, .weight_most = 1};
    sam_digest chain;
    sam_buffer body = {0};
    memset(chain.bytes, 0xaa, sizeof chain.bytes);
    for (uint64_t number = 0; number < 2; number++) {
        sam_buffer round = {0};
        fuzz_round(&round, &SHAPE, number, &chain);
        sam_samlog_put_round(&body, round.bytes, round.length);
        sam_buffer_free(&round);
    }
    write_file("import", "0", &body);
    sam_buffer_free(&body);
}

/* What fuzz_out_folder finds of the run that goes on. */
static void write_state(const sam_manifest *of)
{
    static const char REST[] = ",\"workers\":{\"one\":{\"slots\":3}},\"seconds\":1.5,\"head\":3,\"test\":\"\"}";
    sam_buffer state = {0};
    sam_put_bytes(&state, "\0{\"manifest\":", 13);
    sam_put_bytes(&state, of->text, of->text_length);
    sam_put_bytes(&state, REST, sizeof REST - 1);
    write_file("out_folder", "state", &state);
    sam_buffer_free(&state);
}

/* A log of one round, as Redis gives it to the gateway: what fuzz_gateway is asked second. */
static void write_stream(const sam_buffer *round)
{
    char head[100];
    sam_buffer answer = {0};
    snprintf(head, sizeof head, "\1+PONG\r\n*1\r\n*2\r\n$3\r\n1-0\r\n*2\r\n$1\r\nb\r\n$%zu\r\n", round->length);
    sam_put_bytes(&answer, head, strlen(head));
    sam_put_bytes(&answer, round->bytes, round->length);
    sam_put_bytes(&answer, "\r\n", 2);
    write_file("gateway", "log", &answer);
    sam_buffer_free(&answer);
}

/* What fuzz_samsig takes: the signatures of the log, by keys whose seeds are the workers' numbers. */
static void write_signatures(const sam_samlog *log)
{
    const sam_manifest *of = sam_samlog_manifest(log);
    sam_signing_key keys[4];
    sam_buffer file = {0};
    sam_samsig_put_head(&file, &of->id);
    for (uint32_t worker = 1; worker < 4; worker++) {
        const uint8_t seed[SAM_KEY_SEED_BYTES] = {(uint8_t)worker};
        sam_signing_key_of(&keys[worker], seed);
        sam_samsig_put_key(&file, worker, &keys[worker].open);
    }
    for (uint64_t number = 0; number < sam_samlog_rounds(log); number++) {
        sam_buffer signatures = {0};
        sam_round round;
        test_must(sam_samlog_decode(log, number, &round, NULL) == SAM_OK);
        for (size_t i = 0; i < round.record_count; i++) {
            sam_result one = sam_result_of(&round.records[i]);
            sam_result_sign(&one, &of->id, round.records[i].author, &keys[round.records[i].author]);
            sam_put_bytes(&signatures, one.signature, sizeof one.signature);
        }
        sam_samsig_put_round(&file, number, signatures.bytes, signatures.length);
        sam_buffer_free(&signatures);
        sam_round_free(&round);
    }
    write_file("samsig", "whole", &file);
    sam_buffer_free(&file);
}

/* What fuzz_session is answered: a worker's number, and a sync reply with one round. */
static void write_session(const sam_buffer *round)
{
    static const char JOINED[] = "{\"worker\":1,\"head\":1}\n";
    const uint8_t *rounds[] = {round->bytes};
    size_t lengths[] = {round->length};
    sam_lease lease = {.kind = SAM_WORK_SLOT, .round = 1, .valid_ms = 1000};
    sam_buffer answer = {0};
    sam_put_bytes(&answer, JOINED, sizeof JOINED - 1);
    sam_sync_reply_encode(&answer, &(sam_sync_reply){.head = 1,
                                                     .rounds = rounds,
                                                     .round_lengths = lengths,
                                                     .round_count = 1,
                                                     .leases = &lease,
                                                     .lease_count = 1});
    write_file("session", "reply", &answer);
    sam_buffer_free(&answer);
}

static void write_log(const sam_manifest *of, uint64_t rounds)
{
    const sam_round_shape shape = sam_manifest_shape(of);
    char name[32];
    sam_buffer file = {0};
    sam_digest chain = of->id;
    sam_samlog_put_head(&file, of);
    for (uint64_t number = 0; number < rounds; number++) {
        sam_buffer round = {0};
        fuzz_round(&round, &shape, number, &chain);
        sam_samlog_put_round(&file, round.bytes, round.length);
        snprintf(name, sizeof name, "%u.round", (unsigned)number);
        write_file("samlog", name, &round);
        if (number == 0) {
            write_stream(&round);
            write_session(&round);
        }
        sam_buffer_free(&round);
    }
    snprintf(name, sizeof name, "%u.samlog", (unsigned)rounds);
    write_file("samlog", name, &file);
    /* the third question of fuzz_run_client */
    sam_buffer answer = {0};
    sam_put_u8(&answer, 2);
    sam_put_bytes(&answer, file.bytes, file.length);
    write_file("run_client", "log", &answer);
    sam_buffer_free(&answer);
    sam_buffer_free(&file);
}

static void write_run(void)
{
    sam_manifest *of = fuzz_sketch();
    sam_buffer text = {0};
    sam_put_bytes(&text, of->text, of->text_length);
    write_file("manifest", "sketch.json", &text);
    sam_buffer_free(&text);
    write_log(of, 0);
    write_log(of, 2);
    write_state(of);
    sam_manifest_free(of);
    write_import();
}

/* Rounds 0 and 1 of the run above, without a record, as the past of another: run/parent.h. */
static void write_fork(void)
{
    sam_removal removal = {.from = 0, .to = 2, .worker = 1};
    const sam_fork fork = {.at = 2, .removals = &removal, .removal_count = 1};
    char *path = sam_format("%s/samlog/2.samlog", root);
    sam_samlog *log = NULL, *forked = NULL;
    sam_buffer file = {0}, text = {0};
    test_must(path != NULL && sam_samlog_open(&log, path, NULL) == SAM_OK &&
              sam_history_fork(&file, log, &fork, NULL) == SAM_OK &&
              sam_samlog_parse(&forked, file.bytes, file.length, NULL) == SAM_OK);
    sam_put_bytes(&text, sam_samlog_manifest(forked)->text, sam_samlog_manifest(forked)->text_length);
    write_signatures(log);
    write_file("samlog", "fork.samlog", &file);
    write_file("manifest", "fork.json", &text);
    sam_samlog_close(log);
    sam_samlog_close(forked);
    sam_buffer_free(&file);
    sam_buffer_free(&text);
    sam_free(path);
}

/* ---- messages ---- */

static void write_requests(void)
{
    uint8_t codes[] = {0x31, 0x80};
    sam_result results[] = {
        {.kind = SAM_WORK_SLOT,
         .round = 3,
         .index = 1,
         .elapsed_ms = 900,
         .weight = 1,
         .loss = 177,
         .codes = codes,
         .code_count = sizeof codes},
        {.kind = SAM_WORK_EVALUATION, .round = 0, .evaluation = {.examples = 100, .correct = 61, .loss_micro = 690000}},
        {.kind = SAM_WORK_CHECK,
         .round = 1,
         .index = 2,
         .elapsed_ms = 800,
         .weight = 1,
         .loss = SAM_LOSS_NONE,
         .codes = codes,
         .code_count = sizeof codes}};
    for (size_t count = 0; count <= 3; count++) {
        char name[32];
        sam_buffer bytes = {0};
        sam_sync_request_encode(&bytes, &(sam_sync_request){.worker = 1,
                                                            .cursor = 3,
                                                            .wants = 1,
                                                            .wait_ms = 1000,
                                                            .leaving = count == 0,
                                                            .ahead = count == 2,
                                                            .results = results,
                                                            .result_count = count});
        snprintf(name, sizeof name, "%zu.request", count);
        write_file("wire", name, &bytes);
        sam_buffer_free(&bytes);
    }
}

static void write_reply(void)
{
    static const uint8_t ROUND[] = {1, 2, 3};
    const uint8_t *rounds[] = {ROUND};
    size_t lengths[] = {sizeof ROUND};
    sam_lease leases[] = {{.kind = SAM_WORK_SLOT, .round = 4, .index = 2, .valid_ms = 1000}};
    sam_buffer bytes = {0};
    sam_sync_reply_encode(&bytes, &(sam_sync_reply){.head = 4,
                                                    .rounds = rounds,
                                                    .round_lengths = lengths,
                                                    .round_count = 1,
                                                    .leases = leases,
                                                    .lease_count = 1,
                                                    .refused = 1});
    write_file("wire", "0.reply", &bytes);
    sam_buffer_free(&bytes);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: fuzz_corpus FOLDER\n");
        return 2;
    }
    root = argv[1];
    write_models();
    write_safetensors();
    write_tokenizers();
    write_run();
    write_fork();
    write_requests();
    write_reply();
    return 0;
}
