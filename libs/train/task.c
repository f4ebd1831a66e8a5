#include "train/task.h"

#include "base/files.h"
#include "base/memory.h"
#include "base/text.h"
#include "model/files/json.h"
#include "run/canonical.h"
#include "train/template.h"

#include <stdio.h>
#include <string.h>

#define FILE_MAX       ((size_t)1 << 20)
#define NAME_MAX_BYTES 64u

typedef struct label_value {
    char *text;
    size_t length;
    uint32_t option;
} label_value;

struct sam_task {
    sam_arena arena;
    char *name;
    char *json;
    sam_template prefix;
    size_t option_count;
    sam_template options[SAM_OPTIONS_MAX];
    char *label; /* column; NULL: the one option is right */
    label_value *labels;
    size_t label_count; /* 0: the value is the number */
    const char **columns;
    size_t column_count;
    uint32_t max_tokens;
    sam_quality_metric metric;
};

static sam_status no_memory(sam_error *err)
{
    return sam_fail(err, SAM_NO_MEMORY, "no memory for a task");
}

/* ---- reading the task file ---- */

static sam_status get_string(const json_t *root, const char *key, const json_t **value, sam_error *err)
{
    *value = json_object_get(root, key);
    if (*value == NULL)
        return sam_fail(err, SAM_INVALID, "'%s' is missing", key);
    if (!json_is_string(*value))
        return sam_fail(err, SAM_INVALID, "'%s' must be a string", key);
    return SAM_OK;
}

static char *copy_string(sam_task *task, const json_t *value)
{
    return sam_arena_strndup(&task->arena, json_string_value(value), json_string_length(value));
}

static sam_status read_name(sam_task *task, const json_t *root, sam_error *err)
{
    const json_t *value;
    sam_status status = get_string(root, "name", &value, err);
    if (status != SAM_OK)
        return status;
    static const char ALLOWED[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    const char *name = json_string_value(value);
    size_t length = strlen(name);
    if (length == 0 || length > NAME_MAX_BYTES || strspn(name, ALLOWED) != length)
        return sam_fail(err, SAM_INVALID, "'name' must be 1 to %u letters, digits, '.', '_' and '-'", NAME_MAX_BYTES);
    task->name = copy_string(task, value);
    return task->name == NULL ? no_memory(err) : SAM_OK;
}

static sam_status read_template(sam_task *task, const json_t *value, const char *what, sam_template *parsed,
                                sam_error *err)
{
    if (!json_is_string(value) || json_string_length(value) == 0)
        return sam_fail(err, SAM_INVALID, "%s must be a string that is not empty", what);
    if (sam_template_parse(parsed, &task->arena, json_string_value(value), json_string_length(value), err) != SAM_OK)
        return sam_fail_context(err, "%s", what);
    return SAM_OK;
}

static sam_status read_prefix(sam_task *task, const json_t *root, sam_error *err)
{
    const json_t *value;
    sam_status status = get_string(root, "template", &value, err);
    return status != SAM_OK ? status : read_template(task, value, "'template'", &task->prefix, err);
}

static sam_status read_option(sam_task *task, const json_t *options, size_t index, sam_error *err)
{
    char what[32];
    const json_t *value = json_array_get(options, index);
    snprintf(what, sizeof what, "option %zu", index);
    for (size_t i = 0; i < index; i++) {
        if (json_equal(json_array_get(options, i), value))
            return sam_fail(err, SAM_INVALID,
                            "options %zu and %zu are the same text, so no answer could be told right from wrong", i,
                            index);
    }
    return read_template(task, value, what, &task->options[index], err);
}

static sam_status read_options(sam_task *task, const json_t *root, sam_error *err)
{
    const json_t *options = json_object_get(root, "options");
    size_t count = json_array_size(options); /* 0 where it is not an array */
    if (count == 0 || count > SAM_OPTIONS_MAX)
        return sam_fail(err, SAM_INVALID, "'options' must be a list of 1 to %u strings", SAM_OPTIONS_MAX);
    task->option_count = count;
    sam_status status = SAM_OK;
    for (size_t i = 0; status == SAM_OK && i < count; i++)
        status = read_option(task, options, i, err);
    return status;
}

static sam_status read_label_value(const sam_task *task, const char *text, const json_t *option, uint32_t *number,
                                   sam_error *err)
{
    json_int_t value = json_integer_value(option);
    if (!json_is_integer(option) || value < 0 || (size_t)value >= task->option_count)
        return sam_fail(err, SAM_INVALID, "'labels' must map '%.100s' to the number of an option, 0 to %zu", text,
                        task->option_count - 1);
    *number = (uint32_t)value;
    return SAM_OK;
}

static sam_status read_labels(sam_task *task, const json_t *root, sam_error *err)
{
    json_t *labels = json_object_get(root, "labels");
    if (labels == NULL)
        return SAM_OK;
    if (json_object_size(labels) == 0)
        return sam_fail(err, SAM_INVALID, "'labels' must be an object, like {\"negative\": 0, \"positive\": 1}");
    task->labels = sam_arena_array(&task->arena, json_object_size(labels), sizeof *task->labels);
    if (task->labels == NULL)
        return no_memory(err);
    const char *text;
    json_t *option;
    json_object_foreach(labels, text, option)
    {
        label_value *entry = &task->labels[task->label_count++];
        sam_status status = read_label_value(task, text, option, &entry->option, err);
        if (status != SAM_OK)
            return status;
        entry->length = strlen(text);
        entry->text = sam_arena_strndup(&task->arena, text, entry->length);
        if (entry->text == NULL)
            return no_memory(err);
    }
    return SAM_OK;
}

static sam_status read_label(sam_task *task, const json_t *root, sam_error *err)
{
    const json_t *value;
    if (json_object_get(root, "label") == NULL && json_object_get(root, "labels") == NULL && task->option_count == 1)
        return SAM_OK;
    sam_status status = get_string(root, "label", &value, err);
    if (status != SAM_OK)
        return status;
    task->label = copy_string(task, value);
    return task->label == NULL ? no_memory(err) : read_labels(task, root, err);
}

static sam_status read_columns(sam_task *task, const json_t *root, sam_error *err)
{
    const json_t *columns = json_object_get(root, "columns");
    size_t count = json_array_size(columns);
    if (columns == NULL)
        return SAM_OK;
    if (count == 0 || count > SAM_COLUMNS_MAX)
        return sam_fail(err, SAM_INVALID, "'columns' must be a list of 1 to %u strings", SAM_COLUMNS_MAX);
    task->columns = sam_arena_array(&task->arena, count, sizeof *task->columns);
    if (task->columns == NULL)
        return no_memory(err);
    for (; task->column_count < count; task->column_count++) {
        const json_t *value = json_array_get(columns, task->column_count);
        if (!json_is_string(value))
            return sam_fail(err, SAM_INVALID, "'columns' must hold strings alone");
        for (size_t i = 0; i < task->column_count; i++) {
            if (strcmp(task->columns[i], json_string_value(value)) == 0)
                return sam_fail(err, SAM_INVALID, "'columns' names '%.100s' twice", task->columns[i]);
        }
        task->columns[task->column_count] = copy_string(task, value);
        if (task->columns[task->column_count] == NULL)
            return no_memory(err);
    }
    return SAM_OK;
}

static sam_status read_metric(sam_task *task, const json_t *root, sam_error *err)
{
    static const char *const NAMES[] = {
        [SAM_METRIC_ACCURACY] = "accuracy", [SAM_METRIC_F1] = "f1", [SAM_METRIC_MACRO_F1] = "macro-f1"};
    const json_t *value = json_object_get(root, "metric");
    size_t metric = 0, known = sizeof NAMES / sizeof *NAMES;
    if (value == NULL)
        return SAM_OK;
    while (metric < known && (!json_is_string(value) || strcmp(json_string_value(value), NAMES[metric]) != 0))
        metric++;
    if (metric == known)
        return sam_fail(err, SAM_INVALID, "'metric' must be accuracy, f1 or macro-f1");
    if (metric == SAM_METRIC_F1 && task->option_count != 2)
        return sam_fail(err, SAM_INVALID, "'metric': f1 needs two options; with %zu, use macro-f1", task->option_count);
    task->metric = (sam_quality_metric)metric;
    return SAM_OK;
}

static sam_status read_max_tokens(sam_task *task, const json_t *root, sam_error *err)
{
    const json_t *value = json_object_get(root, "max_tokens");
    if (value == NULL)
        return SAM_OK;
    json_int_t tokens = json_integer_value(value);
    if (!json_is_integer(value) || tokens < 2 || tokens > INT32_MAX)
        return sam_fail(err, SAM_INVALID, "'max_tokens' must be a whole number of at least 2");
    task->max_tokens = (uint32_t)tokens;
    return SAM_OK;
}

static sam_status keep_json(sam_task *task, const json_t *root, sam_error *err)
{
    sam_buffer text = {0};
    sam_status status = sam_canonical_json(&text, root, err);
    if (status == SAM_OK) {
        task->json = sam_arena_strndup(&task->arena, (const char *)text.bytes, text.length);
        status = task->json == NULL ? no_memory(err) : SAM_OK;
    }
    sam_buffer_free(&text);
    return status;
}

static sam_status read_task(sam_task *task, const json_t *root, sam_error *err)
{
    static const char *const KNOWN[] = {"name",    "template", "options",    "label", "labels",
                                        "columns", "metric",   "max_tokens", NULL};
    static sam_status (*const READERS[])(sam_task *, const json_t *, sam_error *) = {
        read_name, read_prefix, read_options, read_label, read_columns, read_metric, read_max_tokens, keep_json};
    if (!json_is_object(root))
        return sam_fail(err, SAM_INVALID, "a task must be a JSON object");
    const char *unknown = sam_json_unknown(root, KNOWN);
    if (unknown != NULL)
        return sam_fail(err, SAM_INVALID, "'%.100s' is not a member of a task", unknown);
    sam_status status = SAM_OK;
    for (size_t i = 0; status == SAM_OK && i < sizeof READERS / sizeof *READERS; i++)
        status = READERS[i](task, root, err);
    return status;
}

/* Syntax errors are the writer's, not damage on the way: INVALID. */
static sam_status parse_json(json_t **root, const char *json, size_t length, sam_error *err)
{
    json_error_t problem;
    if (length > FILE_MAX)
        return sam_fail(err, SAM_TOO_LARGE, "the task has %zu bytes, and may have %zu at most", length, FILE_MAX);
    *root = json_loadb(json, length, JSON_REJECT_DUPLICATES, &problem);
    if (*root != NULL)
        return SAM_OK;
    if (json_error_code(&problem) == json_error_out_of_memory)
        return no_memory(err);
    return sam_fail(err, SAM_INVALID, "line %d, column %d: %s", problem.line, problem.column, problem.text);
}

sam_status sam_task_parse(sam_task **task, const char *json, size_t length, const char *source, sam_error *err)
{
    sam_error own = {0}; /* so that there is a text to put the source before */
    json_t *root = NULL;
    *task = NULL;
    sam_task *parsed = sam_alloc(1, sizeof *parsed);
    sam_status status = parsed == NULL ? no_memory(&own) : parse_json(&root, json, length, &own);
    if (status == SAM_OK)
        status = read_task(parsed, root, &own);
    json_decref(root);
    if (status != SAM_OK) {
        sam_task_free(parsed);
        return sam_fail(err, status, "%s: %s", source, own.text);
    }
    *task = parsed;
    return SAM_OK;
}

sam_status sam_task_load(sam_task **task, const char *path, sam_error *err)
{
    sam_file_map file;
    *task = NULL;
    sam_status status = sam_file_map_open(&file, path, err);
    if (status != SAM_OK)
        return status;
    status = sam_task_parse(task, (const char *)file.bytes, file.length, path, err);
    sam_file_map_close(&file);
    return status;
}

void sam_task_free(sam_task *task)
{
    if (task == NULL)
        return;
    sam_arena_free(&task->arena);
    sam_free(task);
}

/* ---- what it says ---- */

const char *sam_task_name(const sam_task *task)
{
    return task->name;
}

const char *sam_task_json(const sam_task *task)
{
    return task->json;
}

size_t sam_task_option_count(const sam_task *task)
{
    return task->option_count;
}

bool sam_task_option_is_constant(const sam_task *task, size_t option)
{
    return task->options[option].constant;
}

sam_quality_metric sam_task_metric(const sam_task *task)
{
    return task->metric;
}

uint32_t sam_task_max_tokens(const sam_task *task)
{
    return task->max_tokens;
}

sam_status sam_task_open_table(const sam_task *task, sam_table **table, const char *path, sam_error *err)
{
    return sam_table_open_columns(table, path, task->columns, task->column_count, err);
}

/* ---- rendering a row ---- */

static bool find_label(const sam_task *task, const char *text, size_t length, uint32_t *option)
{
    for (size_t i = 0; i < task->label_count; i++) {
        if (task->labels[i].length == length && memcmp(task->labels[i].text, text, length) == 0) {
            *option = task->labels[i].option;
            return true;
        }
    }
    char number[24];
    uint64_t value;
    if (task->label_count > 0 || length >= sizeof number)
        return false;
    memcpy(number, text, length);
    number[length] = '\0';
    if (!sam_parse_u64(number, &value) || value >= task->option_count)
        return false;
    *option = (uint32_t)value;
    return true;
}

/* "0, 1, 2", or the values of `labels`, as far as there is room. */
static void list_labels(const sam_task *task, char *out, size_t size)
{
    size_t used = 0;
    if (task->label_count == 0)
        snprintf(out, size, "the option numbers 0 to %zu", task->option_count - 1);
    for (size_t i = 0; i < task->label_count && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%s", used == 0 ? "" : ", ", task->labels[i].text);
}

static sam_status render_label(const sam_task *task, const sam_table *table, size_t row, uint32_t *option,
                               sam_error *err)
{
    const char *text;
    size_t length;
    *option = 0;
    if (task->label == NULL)
        return SAM_OK;
    sam_status status = sam_table_text(table, row, task->label, &text, &length, err);
    if (status != SAM_OK || find_label(task, text, length, option))
        return status;
    char known[200];
    list_labels(task, known, sizeof known);
    return sam_fail(err, SAM_INVALID, "%s:%zu: the label '%.*s' in column '%.100s' is not one of task '%s': %s",
                    sam_table_path(table), sam_table_line(table, row), length > 60 ? 60 : (int)length, text,
                    task->label, task->name, known);
}

sam_status sam_task_render(const sam_task *task, const sam_table *table, size_t row, sam_task_row *rendered,
                           sam_error *err)
{
    memset(rendered, 0, sizeof *rendered);
    rendered->option_count = task->option_count;
    sam_status status = render_label(task, table, row, &rendered->label, err);
    if (status == SAM_OK)
        status = sam_template_render(&task->prefix, table, row, &rendered->prefix, err);
    for (size_t i = 0; status == SAM_OK && i < task->option_count; i++)
        status = sam_template_render(&task->options[i], table, row, &rendered->options[i], err);
    if (status != SAM_OK)
        sam_task_row_free(rendered);
    return status;
}

void sam_task_row_free(sam_task_row *row)
{
    sam_buffer_free(&row->prefix);
    for (size_t i = 0; i < row->option_count; i++)
        sam_buffer_free(&row->options[i]);
    row->option_count = 0;
}
