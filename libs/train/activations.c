/* File: one flag byte for each example, padded to 64, then for each example its columns, [columns][hidden] in f32 or
 * bf16, one after the other. */
#include "train/activations.h"

#include "base/bytes.h"
#include "base/files.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Examples whose lower blocks are run together. */
#define GROUP 32

struct sam_activations {
    sam_engine *engine;
    const sam_dataset *data;
    sam_objective objective;
    uint32_t first_block;
    size_t hidden, element;
    uint64_t *start; /* [examples + 1] first column of each */
    uint8_t *bytes;  /* the mapped file */
    size_t length, entries_at;

    sam_batch batch; /* of the examples being computed */
    float *stream;   /* [hidden][stride] of them */
    size_t stream_room;
    float *input; /* what the last call gave out */
    size_t input_room;
};

static bool in_bf16(const sam_activations *cache)
{
    return cache->element == sizeof(uint16_t);
}

/* ---- the file ---- */

static void name_of(const sam_activations *cache, char hex[SAM_DIGEST_HEX])
{
    sam_buffer key = {0};
    sam_put_text(&key, "samara-activations/1 ");
    sam_put_text(&key, sam_engine_kernels(cache->engine)->name);
    sam_put_u32(&key, cache->first_block);
    sam_put_text(&key, sam_objective_names[cache->objective]);
    sam_put_bytes(&key, sam_model_digest(sam_engine_model(cache->engine))->bytes, SAM_DIGEST_BYTES);
    for (size_t i = 0; i < sam_dataset_count(cache->data); i++) {
        const sam_example *example = sam_dataset_at(cache->data, i);
        sam_put_u32(&key, (uint32_t)example->prefix.count);
        sam_put_bytes(&key, example->prefix.token, example->prefix.count * sizeof(uint32_t));
        for (size_t o = 0; o < example->option_count; o++) {
            sam_put_u32(&key, (uint32_t)example->options[o].count);
            sam_put_bytes(&key, example->options[o].token, example->options[o].count * sizeof(uint32_t));
        }
    }
    sam_digest digest;
    sam_digest_of(&digest, key.bytes, key.length);
    sam_digest_hex(hex, &digest);
    sam_buffer_free(&key);
}

static sam_status map_file(sam_activations *cache, const char *folder, sam_error *err)
{
    char hex[SAM_DIGEST_HEX];
    name_of(cache, hex);
    sam_status status = sam_make_folders(folder, err);
    if (status != SAM_OK)
        return status;
    char *path = sam_format("%s/%.32s.activations", folder, hex);
    if (path == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory naming the activation cache");
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, (off_t)cache->length) != 0) {
        status = sam_fail_errno(err, SAM_IO, errno, "cannot make the activation cache %s", path);
    } else {
        void *bytes = mmap(NULL, cache->length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (bytes == MAP_FAILED)
            status = sam_fail_errno(err, SAM_IO, errno, "cannot map the activation cache %s", path);
        else
            cache->bytes = bytes;
    }
    if (fd >= 0)
        close(fd);
    sam_free(path);
    return status;
}

static sam_status map_memory(sam_activations *cache, sam_error *err)
{
    void *bytes = mmap(NULL, cache->length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (bytes == MAP_FAILED)
        return sam_fail_errno(err, SAM_NO_MEMORY, errno, "cannot keep %zu bytes of activations", cache->length);
    cache->bytes = bytes;
    return SAM_OK;
}

static bool lay_out(sam_activations *cache)
{
    size_t count = sam_dataset_count(cache->data);
    cache->start = sam_alloc(count + 1, sizeof *cache->start);
    if (cache->start == NULL)
        return false;
    for (size_t i = 0; i < count; i++)
        cache->start[i + 1] = cache->start[i] + sam_objective_columns(cache->objective, sam_dataset_at(cache->data, i));
    cache->entries_at = (count + 63) / 64 * 64;
    cache->length = cache->entries_at + (size_t)cache->start[count] * cache->hidden * cache->element;
    return true;
}

sam_status sam_activations_open(sam_activations **cache, const char *folder, sam_engine *engine,
                                const sam_dataset *data, sam_objective objective, uint32_t first_block, sam_error *err)
{
    sam_activations *made = sam_alloc(1, sizeof *made);
    if (made == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory opening the activation cache");
    made->engine = engine;
    made->data = data;
    made->objective = objective;
    made->first_block = first_block;
    made->hidden = sam_model_configuration(sam_engine_model(engine))->hidden;
    made->element = sam_engine_kernels(engine)->precision == SAM_PRECISION_BF16 ? sizeof(uint16_t) : sizeof(float);
    sam_status status =
        lay_out(made) ? SAM_OK : sam_fail(err, SAM_NO_MEMORY, "out of memory opening the activation cache");
    if (status == SAM_OK)
        status = folder == NULL ? map_memory(made, err) : map_file(made, folder, err);
    if (status != SAM_OK) {
        sam_activations_close(made);
        return status;
    }
    *cache = made;
    return SAM_OK;
}

void sam_activations_close(sam_activations *cache)
{
    if (cache == NULL)
        return;
    if (cache->bytes != NULL)
        munmap(cache->bytes, cache->length);
    sam_batch_free(&cache->batch);
    sam_free(cache->start);
    sam_free(cache->stream);
    sam_free(cache->input);
    sam_free(cache);
}

/* ---- entries ---- */

static void *entry(const sam_activations *cache, uint32_t index)
{
    return cache->bytes + cache->entries_at + (size_t)cache->start[index] * cache->hidden * cache->element;
}

static size_t columns_of(const sam_activations *cache, uint32_t index)
{
    return (size_t)(cache->start[index + 1] - cache->start[index]);
}

static bool enough(float **array, size_t *room, size_t needed)
{
    if (needed <= *room)
        return true;
    sam_free(*array);
    *array = sam_alloc_aligned(needed, sizeof **array);
    *room = *array == NULL ? 0 : needed;
    return *array != NULL;
}

/* Keeps columns [column, ...) of the computed stream as the entry of `index`. */
static void write_entry(const sam_activations *cache, uint32_t index, size_t column, size_t stride)
{
    void *to = entry(cache, index);
    for (size_t c = 0; c < columns_of(cache, index); c++)
        for (size_t f = 0; f < cache->hidden; f++) {
            float value = cache->stream[f * stride + column + c];
            size_t at = c * cache->hidden + f;
            if (in_bf16(cache))
                ((uint16_t *)to)[at] = sam_f32_to_bf16(value);
            else
                ((float *)to)[at] = value;
        }
    __atomic_store_n(&cache->bytes[index], 1, __ATOMIC_RELEASE);
}

/* Up to GROUP examples in one run of the lower blocks: their weights are formed once for all of them. */
static sam_status compute(sam_activations *cache, const uint32_t *indices, size_t count, sam_error *err)
{
    const sam_example *examples[GROUP];
    for (size_t i = 0; i < count; i++)
        examples[i] = sam_dataset_at(cache->data, indices[i]);
    sam_batch_clear(&cache->batch);
    sam_status status = sam_objective_pack(&cache->batch, cache->objective, examples, count, err);
    if (status != SAM_OK)
        return status;
    size_t stride = sam_engine_stride(cache->batch.columns), column = 0;
    if (!enough(&cache->stream, &cache->stream_room, cache->hidden * stride))
        return sam_fail(err, SAM_NO_MEMORY, "out of memory computing activations");
    sam_weight_source base = sam_model_source(sam_engine_model(cache->engine));
    const sam_pass pass = {
        .batch = &cache->batch, .weights = &base, .end_block = cache->first_block, .output = cache->stream};
    status = sam_engine_run(cache->engine, &pass, err);
    for (size_t i = 0; status == SAM_OK && i < count; i++) {
        write_entry(cache, indices[i], column, stride);
        column += columns_of(cache, indices[i]);
    }
    return status;
}

static sam_status compute_missing(sam_activations *cache, const uint32_t *indices, size_t count, sam_error *err)
{
    uint32_t missing[GROUP];
    size_t found = 0;
    sam_status status = SAM_OK;
    for (size_t i = 0; status == SAM_OK && i < count; i++) {
        if (__atomic_load_n(&cache->bytes[indices[i]], __ATOMIC_ACQUIRE) == 0)
            missing[found++] = indices[i];
        if (found == GROUP || (found > 0 && i + 1 == count)) {
            status = compute(cache, missing, found, err);
            found = 0;
        }
    }
    return status;
}

static void read_entry(const sam_activations *cache, uint32_t index, size_t column, size_t stride)
{
    const void *from = entry(cache, index);
    size_t columns = columns_of(cache, index);
    for (size_t f = 0; f < cache->hidden; f++) {
        float *to = cache->input + f * stride + column;
        for (size_t c = 0; c < columns; c++) {
            size_t at = c * cache->hidden + f;
            to[c] = in_bf16(cache) ? sam_bf16_to_f32(((const uint16_t *)from)[at]) : ((const float *)from)[at];
        }
    }
}

sam_status sam_activations_input(sam_activations *cache, const uint32_t *indices, size_t count, size_t stride,
                                 const float **input, sam_error *err)
{
    if (!enough(&cache->input, &cache->input_room, cache->hidden * stride))
        return sam_fail(err, SAM_NO_MEMORY, "out of memory gathering activations");
    sam_status status = compute_missing(cache, indices, count, err);
    size_t column = 0;
    for (size_t i = 0; status == SAM_OK && i < count; i++) {
        read_entry(cache, indices[i], column, stride);
        column += columns_of(cache, indices[i]);
    }
    *input = cache->input;
    return status;
}
