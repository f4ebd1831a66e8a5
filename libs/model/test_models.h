/* Small models that tests make themselves: a llama or qwen2 of two blocks whose every weight follows from its name, as
 * a GGUF or as a Hugging Face folder.
 *
 *     sam_buffer file = {0};
 *     test_gguf(&file, &(test_model){.without = "blk.1.ffn_up.weight"});
 *     float expected = test_weight("model.norm.weight", 3);
 *
 * For tests only: failures end the program. */
#ifndef SAM_MODEL_TEST_MODELS_H
#define SAM_MODEL_TEST_MODELS_H

#include "base/files.h"
#include "base/memory.h"
#include "model/architecture.h"
#include "model/files/gguf_write.h"
#include "model/files/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct test_model {
    const char *architecture;    /* "llama" where NULL */
    const char *without, *extra; /* a tensor left out, a tensor that does not belong */
    const char *misshapen;       /* gets one row more */
    const char *key_name;        /* a further key, "llama.rope.scaling.type" */
    const char *key_text;
    void (*more_keys)(sam_gguf_writer *writer); /* further keys of a GGUF, such as a tokenizer's; may be NULL */
    bool tied;
    bool sharded; /* a folder: two files and an index */
    bool wide;    /* every size a few times larger, and weights so small that sums stay near 1 */
} test_model;

enum {
    TEST_BLOCKS = 2,
    TEST_HIDDEN = 8,
    TEST_HEADS = 2,
    TEST_KV_HEADS = 1,
    TEST_HEAD = 4,
    TEST_MLP = 12,
    TEST_WORDS = 16
};

/* Not assert: a release build would leave out what stands in it. */
static inline void test_must(bool holds)
{
    if (!holds)
        abort();
}

/* From -3.9 to 3.9 in steps of 1/256: exact in f16, rounded in bf16. */
static inline float test_weight(const char *hf_name, size_t index)
{
    uint32_t hash = 2166136261u;
    for (; *hf_name != 0; hf_name++)
        hash = (hash ^ (uint8_t)*hf_name) * 16777619u;
    return (float)((int)((hash % 2001 + index * 37) % 2001) - 1000) / 256.0f;
}

static inline sam_model_config test_config(const test_model *m)
{
    const char *name = m->architecture == NULL ? "llama" : m->architecture;
    return (sam_model_config){.architecture = sam_architecture_of_gguf(name, strlen(name)),
                              .blocks = TEST_BLOCKS,
                              .hidden = TEST_HIDDEN * (m->wide ? 8 : 1),
                              .intermediate = TEST_MLP * (m->wide ? 15 : 1),
                              .heads = TEST_HEADS * (m->wide ? 2 : 1),
                              .kv_heads = TEST_KV_HEADS * (m->wide ? 2 : 1),
                              .head_size = TEST_HEAD * (m->wide ? 4 : 1),
                              .vocabulary = TEST_WORDS * (m->wide ? 13 : 1),
                              .context = 32,
                              .norm_epsilon = 1e-5f,
                              .rope_theta = 10000,
                              .tied_embeddings = m->tied};
}

/* What test_each calls for every tensor of the model. */
typedef void (*test_visit)(void *context, const char *hf, const char *gguf, const sam_tensor_template *t, uint64_t rows,
                           uint64_t columns);

static inline void test_each(const test_model *m, test_visit visit, void *context)
{
    const sam_model_config config = test_config(m);
    char hf[SAM_TENSOR_NAME], gguf[SAM_TENSOR_NAME];
    for (size_t i = 0; i < config.architecture->tensor_count; i++) {
        const sam_tensor_template *t = &config.architecture->tensors[i];
        for (uint32_t b = 0; b < (sam_template_per_block(t) ? config.blocks : 1) && sam_template_present(t, &config);
             b++) {
            sam_tensor_name(hf, t->hf, b);
            sam_tensor_name(gguf, t->gguf, b);
            if (m->without == NULL || (strcmp(m->without, hf) != 0 && strcmp(m->without, gguf) != 0)) {
                bool more = m->misshapen != NULL && (strcmp(m->misshapen, hf) == 0 || strcmp(m->misshapen, gguf) == 0);
                visit(context, hf, gguf, t, sam_template_size(t->rows, &config) + more,
                      sam_template_size(t->columns, &config));
            }
        }
    }
}

typedef struct test_writing {
    const test_model *model;
    sam_gguf_writer gguf;
    sam_tensor tensors[64]; /* of a safetensors file */
    char names[64][SAM_TENSOR_NAME];
    size_t count;
    sam_buffer data;
} test_writing;

/* `head`: not 0 where rows are interleaved in heads of this size. */
static inline void test_put_floats(test_writing *w, const char *hf, uint64_t rows, uint64_t columns, uint64_t head)
{
    const float scale = !w->model->wide ? 1.0f : columns > 1 ? 1.0f / 16 : 1.0f / 4;
    for (uint64_t r = 0; r < rows; r++) {
        /* llama.cpp's converter: reshape(heads, 2, head / 2, columns).swapaxes(1, 2) */
        uint64_t pair = r % (head == 0 ? 1 : head) / 2, half = r % 2;
        uint64_t from = head == 0 ? r : r / head * head + half * (head / 2) + pair;
        for (uint64_t c = 0; c < columns; c++)
            sam_put_f32(&w->data, scale * test_weight(hf, (size_t)(from * columns + c)));
    }
}

static inline void test_add_gguf(void *context, const char *hf, const char *gguf, const sam_tensor_template *t,
                                 uint64_t rows, uint64_t columns)
{
    test_writing *w = context;
    const sam_model_config config = test_config(w->model);
    bool interleaved = t->rotary && config.architecture->gguf_interleaved && rows % config.head_size == 0;
    uint64_t shape[2] = {rows, columns};
    uint64_t begin = sam_gguf_write_tensor(&w->gguf, gguf, SAM_F32, t->columns == SAM_SIZE_NONE ? 1 : 2, shape);
    while (w->data.length < begin)
        sam_put_u8(&w->data, 0);
    test_put_floats(w, hf, rows, columns, interleaved ? config.head_size : 0);
}

static inline void test_put_key(sam_gguf_writer *w, const char *architecture, const char *key, uint32_t value)
{
    char name[64];
    snprintf(name, sizeof name, "%s.%s", architecture, key);
    sam_gguf_write_u32(w, name, value);
}

static inline void test_gguf(sam_buffer *file, const test_model *m)
{
    test_writing w = {.model = m};
    const sam_model_config config = test_config(m);
    const char *architecture = config.architecture->gguf_name;
    sam_gguf_write_text(&w.gguf, "general.architecture", architecture);
    test_put_key(&w.gguf, architecture, "block_count", config.blocks);
    test_put_key(&w.gguf, architecture, "embedding_length", config.hidden);
    test_put_key(&w.gguf, architecture, "feed_forward_length", config.intermediate);
    test_put_key(&w.gguf, architecture, "attention.head_count", config.heads);
    test_put_key(&w.gguf, architecture, "attention.head_count_kv", config.kv_heads);
    test_put_key(&w.gguf, architecture, "context_length", config.context);
    char epsilon[64];
    snprintf(epsilon, sizeof epsilon, "%s.attention.layer_norm_rms_epsilon", architecture);
    sam_gguf_write_f32(&w.gguf, epsilon, 1e-5f);
    if (m->key_name != NULL)
        sam_gguf_write_text(&w.gguf, m->key_name, m->key_text);
    if (m->more_keys != NULL)
        m->more_keys(&w.gguf);
    test_each(m, test_add_gguf, &w);
    if (m->extra != NULL) {
        uint64_t begin = sam_gguf_write_tensor(&w.gguf, m->extra, SAM_F32, 1, (uint64_t[]){4});
        while (w.data.length < begin)
            sam_put_u8(&w.data, 0);
        test_put_floats(&w, m->extra, 1, 4, 0);
    }
    test_must(sam_gguf_write_head(&w.gguf, file, NULL) == SAM_OK);
    sam_put_bytes(file, w.data.bytes, w.data.length);
    test_must(!file->failed);
    sam_buffer_free(&w.data);
    sam_gguf_writer_free(&w.gguf);
}

static inline void test_add_safetensors(void *context, const char *hf, const char *gguf, const sam_tensor_template *t,
                                        uint64_t rows, uint64_t columns)
{
    test_writing *w = context;
    (void)gguf;
    snprintf(w->names[w->count], SAM_TENSOR_NAME, "%s", hf);
    w->tensors[w->count] = (sam_tensor){.name = w->names[w->count],
                                        .dtype = SAM_F32,
                                        .rank = t->columns == SAM_SIZE_NONE ? 1 : 2,
                                        .shape = {rows, columns}};
    test_put_floats(w, hf, rows, columns, 0);
    w->count++;
}

/* Tensors [from, to) as one file; `data` begins with theirs. Returns how many bytes of it they took. */
static inline size_t test_write_shard(const char *path, const test_writing *w, size_t from, size_t to,
                                      const uint8_t *data)
{
    sam_buffer file = {0};
    size_t length = 0;
    for (size_t i = from; i < to; i++)
        length += 4 * (size_t)(w->tensors[i].shape[0] * (w->tensors[i].rank == 2 ? w->tensors[i].shape[1] : 1));
    test_must(sam_safetensors_header(&file, w->tensors + from, to - from, NULL, 0, NULL) == SAM_OK);
    sam_put_bytes(&file, data, length);
    test_must(sam_file_write(path, file.bytes, file.length, NULL) == SAM_OK);
    sam_buffer_free(&file);
    return length;
}

static inline void test_write_shards(const char *folder, const test_writing *w)
{
    char path[256];
    const size_t half = w->count / 2;
    sam_buffer index = {0};
    snprintf(path, sizeof path, "%s/model-00001-of-00002.safetensors", folder);
    size_t used = test_write_shard(path, w, 0, half, w->data.bytes);
    snprintf(path, sizeof path, "%s/model-00002-of-00002.safetensors", folder);
    test_write_shard(path, w, half, w->count, w->data.bytes + used);
    sam_put_text(&index, "{\"metadata\": {}, \"weight_map\": {");
    for (size_t i = 0; i < w->count; i++)
        sam_put_format(&index, "%s\"%s\": \"model-0000%d-of-00002.safetensors\"", i == 0 ? "" : ", ", w->names[i],
                       i < half ? 1 : 2);
    sam_put_text(&index, "}}");
    snprintf(path, sizeof path, "%s/model.safetensors.index.json", folder);
    test_must(sam_file_write(path, index.bytes, index.length, NULL) == SAM_OK);
    sam_buffer_free(&index);
}

/* `members`: further members of config.json, ", \"mlp_bias\": true"; may be NULL. */
static inline void test_model_folder(const char *folder, const test_model *m, const char *members)
{
    test_writing w = {.model = m};
    char path[256];
    sam_buffer config = {0};
    const sam_model_config c = test_config(m);
    test_each(m, test_add_safetensors, &w);
    test_must(sam_make_folders(folder, NULL) == SAM_OK);
    sam_put_format(
        &config,
        "{\"architectures\": [\"%s\"], \"hidden_size\": %u, \"intermediate_size\": %u, \"num_hidden_layers\": %u, "
        "\"num_attention_heads\": %u, \"num_key_value_heads\": %u, \"vocab_size\": %u, "
        "\"max_position_embeddings\": %u, \"rms_norm_eps\": 1e-05, \"tie_word_embeddings\": %s%s}",
        c.architecture->hf_class, c.hidden, c.intermediate, c.blocks, c.heads, c.kv_heads, c.vocabulary, c.context,
        m->tied ? "true" : "false", members == NULL ? "" : members);
    snprintf(path, sizeof path, "%s/config.json", folder);
    test_must(sam_file_write(path, config.bytes, config.length, NULL) == SAM_OK);
    sam_buffer_free(&config);
    if (m->sharded) {
        test_write_shards(folder, &w);
    } else {
        snprintf(path, sizeof path, "%s/model.safetensors", folder);
        test_write_shard(path, &w, 0, w.count, w.data.bytes);
    }
    sam_buffer_free(&w.data);
}

#endif
