#include "train/dataset.h"

#include "base/memory.h"

#include <stdio.h>
#include <string.h>

struct sam_dataset {
    sam_arena arena;
    sam_example *examples;
    size_t count;
    uint32_t classes;
    sam_digest digest;
};

/* What stays the same from row to row while a data set is read. */
typedef struct loader {
    sam_dataset *data;
    const sam_task *task;
    const sam_tokenizer *tokenizer;
    const sam_table *table;
    sam_tokens constants[SAM_OPTIONS_MAX]; /* options that are equal in every row are tokenised once */
    size_t limit;                          /* tokens of prefix and longest option together */
    bool cut;                              /* longer prefixes lose their beginning rather than being refused */
    bool adds_space;                       /* the tokenizer puts a space before every text, also one with a space */
} loader;

/* "train.tsv:17: " before what the tokenizer says. */
static sam_status fail_at(const loader *l, size_t row, sam_status status, const char *sentence, sam_error *err)
{
    return sam_fail(err, status, "%s:%zu: %s", sam_table_path(l->table), sam_table_line(l->table, row), sentence);
}

/* SentencePiece as Llama 2 has it puts a space before every text, so that " great" would begin with two. Told by the
 * text of "b" and " a", tokenised one after the other. */
static sam_status find_added_space(const sam_tokenizer *tokenizer, bool *adds_space, sam_error *err)
{
    static const char *const TEXTS[] = {"b", " a"};
    sam_buffer joined = {0}, tokens = {0};
    sam_status status = SAM_OK;
    for (size_t i = 0; i < 2 && status == SAM_OK; i++) {
        uint32_t *encoded = NULL;
        size_t count = 0;
        status = sam_tokenizer_encode(tokenizer, TEXTS[i], strlen(TEXTS[i]), SAM_TOKENS_PLAIN, &encoded, &count, err);
        if (status == SAM_OK)
            sam_put_bytes(&tokens, encoded, count * sizeof *encoded);
        sam_free(encoded);
    }
    if (status == SAM_OK && tokens.failed)
        status = sam_fail(err, SAM_NO_MEMORY, "no memory to try the tokenizer");
    if (status == SAM_OK && tokens.length > 0)
        status = sam_tokenizer_decode(tokenizer, (const uint32_t *)tokens.bytes, tokens.length / sizeof(uint32_t),
                                      &joined, err);
    *adds_space = status == SAM_OK && joined.length == 4 && memcmp(joined.bytes, "b  a", 4) == 0;
    sam_buffer_free(&tokens);
    sam_buffer_free(&joined);
    return status == SAM_NO_MEMORY ? status : SAM_OK; /* a vocabulary without these letters adds nothing */
}

static sam_status encode(const loader *l, size_t row, const char *text, size_t length, unsigned mode, const char *what,
                         sam_tokens *tokens, sam_error *err)
{
    sam_error own = {0};
    uint32_t *encoded = NULL;
    size_t count = 0;
    sam_status status = sam_tokenizer_encode(l->tokenizer, text, length, mode, &encoded, &count, &own);
    if (status != SAM_OK)
        return fail_at(l, row, status, own.text, err);
    if (length == 0 || count == 0) {
        sam_free(encoded);
        return sam_fail(err, SAM_INVALID, "%s:%zu: %s is empty", sam_table_path(l->table),
                        sam_table_line(l->table, row), what);
    }
    tokens->count = count;
    tokens->token = sam_arena_array(&l->data->arena, count, sizeof *tokens->token);
    if (tokens->token != NULL)
        memcpy(tokens->token, encoded, count * sizeof *encoded);
    sam_free(encoded);
    return tokens->token == NULL ? fail_at(l, row, SAM_NO_MEMORY, "no memory for its tokens", err) : SAM_OK;
}

/* A buffer without bytes has no pointer either. */
static const char *text_of(const sam_buffer *buffer)
{
    return buffer->length == 0 ? "" : (const char *)buffer->bytes;
}

static sam_status encode_option(loader *l, size_t row, const sam_buffer *option, size_t index, sam_tokens *tokens,
                                sam_error *err)
{
    bool constant = sam_task_option_is_constant(l->task, index);
    if (constant && l->constants[index].count > 0) {
        *tokens = l->constants[index];
        return SAM_OK;
    }
    char what[32];
    snprintf(what, sizeof what, "option %zu", index);
    const char *text = text_of(option);
    size_t skipped = l->adds_space && text[0] == ' ' && option->length > 1 ? 1 : 0;
    sam_status status = encode(l, row, text + skipped, option->length - skipped, SAM_TOKENS_PLAIN, what, tokens, err);
    if (status == SAM_OK && constant)
        l->constants[index] = *tokens;
    return status;
}

static size_t longest_option(const sam_example *example)
{
    size_t longest = 0;
    for (size_t i = 0; i < example->option_count; i++)
        longest = example->options[i].count > longest ? example->options[i].count : longest;
    return longest;
}

/* Keeps the end of the prefix, next to the answer, and the BOS token where there is one. */
static bool cut_prefix(const loader *l, sam_tokens *prefix, size_t room)
{
    uint32_t bos;
    size_t kept = sam_tokenizer_bos(l->tokenizer, &bos) && prefix->token[0] == bos ? 1 : 0;
    if (room <= kept)
        return false;
    size_t tail = room - kept;
    memmove(prefix->token + kept, prefix->token + (prefix->count - tail), tail * sizeof *prefix->token);
    prefix->count = room;
    return true;
}

static sam_status fit(const loader *l, size_t row, sam_example *example, sam_error *err)
{
    size_t options = longest_option(example);
    if (example->prefix.count + options <= l->limit)
        return SAM_OK;
    if (l->cut && options < l->limit && cut_prefix(l, &example->prefix, l->limit - options))
        return SAM_OK;
    return sam_fail(err, SAM_INVALID,
                    "%s:%zu: the row has %zu tokens with its longest option of %zu, and at most %zu fit%s",
                    sam_table_path(l->table), sam_table_line(l->table, row), example->prefix.count + options, options,
                    l->limit, l->cut ? "" : "; \"max_tokens\" in the task cuts long prefixes");
}

static sam_status encode_row(loader *l, size_t row, const sam_task_row *rendered, sam_example *example, sam_error *err)
{
    example->label = rendered->label;
    example->option_count = rendered->option_count;
    example->options = sam_arena_array(&l->data->arena, rendered->option_count, sizeof *example->options);
    if (example->options == NULL)
        return fail_at(l, row, SAM_NO_MEMORY, "no memory for its options", err);
    sam_status status = encode(l, row, text_of(&rendered->prefix), rendered->prefix.length, SAM_TOKENS_BOS,
                               "the text before the options", &example->prefix, err);
    for (size_t i = 0; status == SAM_OK && i < rendered->option_count; i++)
        status = encode_option(l, row, &rendered->options[i], i, &example->options[i], err);
    return status == SAM_OK ? fit(l, row, example, err) : status;
}

static sam_status load_rows(loader *l, sam_error *err)
{
    sam_dataset *data = l->data;
    size_t rows = sam_table_rows(l->table);
    data->digest = *sam_table_digest(l->table);
    data->classes = (uint32_t)sam_task_option_count(l->task);
    data->examples = sam_arena_array(&data->arena, rows, sizeof *data->examples);
    if (data->examples == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "%s: no memory for %zu examples", sam_table_path(l->table), rows);
    for (; data->count < rows; data->count++) {
        sam_task_row rendered;
        sam_status status = sam_task_render(l->task, l->table, data->count, &rendered, err);
        if (status != SAM_OK)
            return status;
        status = encode_row(l, data->count, &rendered, &data->examples[data->count], err);
        sam_task_row_free(&rendered);
        if (status != SAM_OK)
            return status;
    }
    return SAM_OK;
}

sam_status sam_dataset_load(sam_dataset **data, const sam_task *task, const sam_tokenizer *tokenizer, uint32_t context,
                            const char *path, sam_error *err)
{
    *data = NULL;
    sam_table *table;
    sam_status status = sam_task_open_table(task, &table, path, err);
    if (status != SAM_OK)
        return status;
    uint32_t most = sam_task_max_tokens(task);
    loader l = {.data = sam_alloc(1, sizeof *l.data), .task = task, .tokenizer = tokenizer, .table = table};
    l.cut = most > 0;
    l.limit = l.cut && most < context ? most : context;
    if (l.data == NULL)
        status = sam_fail(err, SAM_NO_MEMORY, "%s: no memory for it", path);
    if (status == SAM_OK)
        status = find_added_space(tokenizer, &l.adds_space, err);
    if (status == SAM_OK)
        status = load_rows(&l, err);
    sam_table_close(table);
    if (status != SAM_OK) {
        sam_dataset_free(l.data);
        return status;
    }
    *data = l.data;
    return SAM_OK;
}

void sam_dataset_free(sam_dataset *data)
{
    if (data == NULL)
        return;
    sam_arena_free(&data->arena);
    sam_free(data);
}

size_t sam_dataset_count(const sam_dataset *data)
{
    return data->count;
}

const sam_example *sam_dataset_at(const sam_dataset *data, size_t index)
{
    return &data->examples[index];
}

uint32_t *sam_dataset_labels(const sam_dataset *data)
{
    size_t count = sam_dataset_count(data);
    uint32_t *labels = sam_alloc(count, sizeof *labels);
    for (size_t i = 0; labels != NULL && i < count; i++)
        labels[i] = sam_dataset_at(data, i)->label;
    return labels;
}

uint32_t sam_dataset_classes(const sam_dataset *data)
{
    return data->classes;
}

const sam_digest *sam_dataset_digest(const sam_dataset *data)
{
    return &data->digest;
}
