/* From JSON to a manifest: field by field of the table, then what no single field can say. */
#include "base/memory.h"
#include "base/text.h"
#include "run/canonical.h"
#include "run/json_values.h"
#include "run/manifest_fields.h"

#include <stdio.h>
#include <string.h>

/* ---- reading ---- */

static bool read_name(char **name, const json_t *value)
{
    const char *text = json_string_value(value);
    size_t length = text == NULL ? 0 : json_string_length(value);
    if (length == 0 || length > SAM_NAME_BYTES_MAX)
        return false;
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return false;
    *name = sam_strndup(text, length);
    return true;
}

static bool read_choice(unsigned *choice, const sam_field *f, const json_t *value)
{
    const char *text = json_string_value(value);
    for (unsigned i = 0; text != NULL && f->choices[i] != NULL; i++)
        if (strcmp(f->choices[i], text) == 0) {
            *choice = i;
            return true;
        }
    return false;
}

static bool read_mode(const sam_mode **mode, const json_t *value)
{
    const char *text = json_string_value(value);
    *mode = text == NULL ? NULL : sam_mode_named(text);
    return *mode != NULL;
}

static bool read_integer(int64_t *number, const sam_field *f, const json_t *value)
{
    if (!json_is_integer(value))
        return false;
    *number = json_integer_value(value);
    return *number >= f->least && (*number < 0 || (uint64_t)*number <= f->most);
}

static bool read_blocks(uint32_t blocks[2], const sam_field *f, const json_t *value)
{
    int64_t first, end;
    if (!json_is_array(value) || json_array_size(value) != 2 || !read_integer(&first, f, json_array_get(value, 0)) ||
        !read_integer(&end, f, json_array_get(value, 1)) || first > end)
        return false;
    blocks[0] = (uint32_t)first;
    blocks[1] = (uint32_t)end;
    return true;
}

static bool read_number(sam_manifest *manifest, const sam_field *f, const json_t *value)
{
    int64_t number;
    if (!read_integer(&number, f, value))
        return false;
    if (f->kind == FIELD_SIGNED)
        *(int *)sam_field_member_of(manifest, f->offset) = (int)number;
    else
        *(uint32_t *)sam_field_member_of(manifest, f->offset) = (uint32_t)number;
    return true;
}

static sam_status read_object(char **text, const sam_field *f, const json_t *value, sam_error *err)
{
    sam_buffer canonical = {0};
    if (!json_is_object(value))
        return sam_field_refuse(f, value, err);
    sam_status status = sam_canonical_json(&canonical, value, err);
    if (status == SAM_OK)
        *text = sam_strndup((const char *)canonical.bytes, canonical.length);
    sam_buffer_free(&canonical);
    return status;
}

static bool read_value(sam_manifest *manifest, const sam_field *f, const json_t *value)
{
    void *target = sam_field_member_of(manifest, f->offset);
    switch (f->kind) {
    case FIELD_FORMAT:
        return json_is_string(value) && strcmp(json_string_value(value), SAM_MANIFEST_FORMAT) == 0;
    case FIELD_NAME:
        return read_name(target, value);
    case FIELD_DIGEST:
        return sam_json_digest(value, target);
    case FIELD_CHOICE:
        return read_choice(target, f, value);
    case FIELD_MODE:
        return read_mode(target, value);
    case FIELD_COUNT:
    case FIELD_SIGNED:
        return read_number(manifest, f, value);
    case FIELD_DECIMAL:
        return sam_json_decimal(value, (uint64_t)f->least, f->most, target);
    case FIELD_FLAG:
        *(bool *)target = json_is_true(value);
        return json_is_boolean(value) &&
               (f->among != SAM_FIELD_OPTIONAL || json_is_true(value)); /* one spelling for each run */
    case FIELD_BLOCKS:
        return read_blocks(target, f, value);
    case FIELD_OBJECT:
        break;
    }
    return false;
}

static const json_t *value_at(const json_t *root, const char *path)
{
    char group[SAM_FIELD_GROUP];
    sam_field_group(group, path);
    if (group[0] == '\0')
        return json_object_get(root, path);
    return json_object_get(json_object_get(root, group), path + strlen(group) + 1);
}

static sam_status read_field(sam_manifest *manifest, const sam_field *f, const json_t *root, sam_error *err)
{
    const json_t *value = value_at(root, f->path);
    if (f->kind == FIELD_OBJECT && value != NULL)
        return read_object(sam_field_member_of(manifest, f->offset), f, value, err);
    if (!read_value(manifest, f, value))
        return sam_field_refuse(f, value, err);
    return f->kind == FIELD_NAME && !sam_field_is_given(f, manifest) ? sam_manifest_no_memory(err) : SAM_OK;
}

/* While fields are read: those of the choices above them, and optional ones that are given. */
static bool is_due(const sam_field *f, const sam_manifest *manifest, const json_t *root)
{
    return f->among == SAM_FIELD_OPTIONAL ? value_at(root, f->path) != NULL : sam_field_is_there(f, manifest);
}

static bool is_known(const sam_manifest *manifest, const char *group, const char *key)
{
    char path[128];
    snprintf(path, sizeof path, "%s%s%.64s", group, group[0] == '\0' ? "" : ".", key);
    size_t length = strlen(path);
    if (strcmp(path, "parent") == 0) /* read by parent.c, group and all */
        return true;
    for (size_t i = 0; i < sam_field_count; i++) {
        const char *known = sam_fields[i].path;
        if (strncmp(known, path, length) == 0 && (known[length] == '\0' || (known[length] == '.' && group[0] == '\0')))
            return sam_field_is_there(&sam_fields[i], manifest);
    }
    return false;
}

static sam_status refuse_unknown(const sam_manifest *manifest, const char *group, json_t *object, sam_error *err)
{
    for (void *i = json_object_iter(object); i != NULL; i = json_object_iter_next(object, i)) {
        const char *key = json_object_iter_key(i);
        if (!is_known(manifest, group, key))
            return sam_fail(err, SAM_INVALID, "%s%s%.64s: is not a field of %s, or does not belong to the kind chosen",
                            group, group[0] == '\0' ? "" : ".", key, SAM_MANIFEST_FORMAT);
    }
    return SAM_OK;
}

static sam_status refuse_all_unknown(const sam_manifest *manifest, json_t *root, sam_error *err)
{
    char group[SAM_FIELD_GROUP], last[32] = "";
    sam_status status = refuse_unknown(manifest, "", root, err);
    for (size_t i = 0; i < sam_field_count && status == SAM_OK; i++) {
        sam_field_group(group, sam_fields[i].path);
        if (group[0] != '\0' && strcmp(group, last) != 0)
            status = refuse_unknown(manifest, group, json_object_get(root, group), err);
        memcpy(last, group, sizeof last);
    }
    return status;
}

static sam_status check_privacy(const sam_privacy *privacy, uint32_t verify_rate, sam_error *err)
{
    int given = (privacy->clip > 0) + (privacy->period > 0) + (privacy->sigma > 0);
    if (given != 0 && given != 3)
        return sam_fail(err, SAM_INVALID, "privacy: must have clip, period and sigma");
    if (given != 0 && verify_rate > 0)
        return sam_fail(err, SAM_INVALID,
                        "verify_rate: must be left out where there is privacy: with noise of their own, no two workers "
                        "compute the same codes");
    return SAM_OK;
}

/* What no single field can say. */
static sam_status check_together(const sam_manifest *manifest, sam_error *err)
{
    const sam_trainable *trainable = &manifest->trainable;
    if (manifest->task == NULL)
        return sam_manifest_no_memory(err);
    if (manifest->estimator == SAM_ONE_SIDED && manifest->probes < 2)
        return sam_fail(err, SAM_INVALID, "probes: must be at least 2 where the estimator is \"one-sided\", and is %u",
                        manifest->probes);
    if ((sam_u128)manifest->rounds * manifest->slots * manifest->batch > (uint64_t)1 << 63)
        return sam_fail(err, SAM_INVALID, "rounds: rounds * slots * batch must be at most 2^63");
    if (manifest->epoch_rounds > 0 && (manifest->rounds - 1) / manifest->epoch_rounds >= SAM_EPOCHS_MAX)
        return sam_fail(err, SAM_INVALID,
                        "directions.epoch_rounds: must be at least rounds / %u, so that a run has at most %u epochs",
                        SAM_EPOCHS_MAX, SAM_EPOCHS_MAX);
    if (trainable->first_block == trainable->end_block && !trainable->embeddings && !trainable->final_norm)
        return sam_fail(err, SAM_INVALID,
                        "trainable.blocks: must not be empty where neither embeddings nor the final "
                        "norm train");
    sam_status status = manifest->mode->check(manifest, err);
    return status == SAM_OK ? check_privacy(&manifest->privacy, manifest->verify_rate, err) : status;
}

static sam_status read_fields(sam_manifest *manifest, json_t *root, sam_error *err)
{
    sam_status status = SAM_OK;
    if (!json_is_object(root))
        return sam_fail(err, SAM_INVALID, "a manifest is a JSON object");
    for (size_t i = 0; i < sam_field_count && status == SAM_OK; i++)
        if (is_due(&sam_fields[i], manifest, root))
            status = read_field(manifest, &sam_fields[i], root, err);
    if (status == SAM_OK)
        status = refuse_all_unknown(manifest, root, err);
    const json_t *parent = json_object_get(root, "parent");
    if (status == SAM_OK && parent != NULL)
        status = sam_parent_read(&manifest->parent, parent, manifest->rounds, err);
    return status == SAM_OK ? check_together(manifest, err) : status;
}

/* ---- parsing ---- */

/* Whatever the spelling, the manifest keeps the canonical text, and everything is read from that. */
static sam_status canonicalise(sam_manifest *manifest, const char *text, size_t length, sam_error *err)
{
    json_t *root;
    sam_buffer canonical = {0};
    sam_status status = sam_manifest_load(&root, text, length, err);
    if (status != SAM_OK)
        return status;
    status = sam_canonical_json(&canonical, root, err);
    json_decref(root);
    if (status == SAM_OK) {
        manifest->text = sam_strndup((const char *)canonical.bytes, canonical.length);
        manifest->text_length = canonical.length;
        if (manifest->text == NULL)
            status = sam_fail(err, SAM_NO_MEMORY, "no memory for a manifest of %zu bytes", length);
    }
    sam_buffer_free(&canonical);
    return status;
}

static sam_status parse(sam_manifest *manifest, const char *text, size_t length, sam_error *err)
{
    json_t *root;
    sam_status status = canonicalise(manifest, text, length, err);
    if (status == SAM_OK)
        status = sam_manifest_load(&root, manifest->text, manifest->text_length, err);
    if (status != SAM_OK)
        return status;
    status = read_fields(manifest, root, err);
    json_decref(root);
    sam_digest_of(&manifest->id, manifest->text, manifest->text_length);
    sam_digest_hex(manifest->id_hex, &manifest->id);
    return status;
}

sam_status sam_manifest_parse(sam_manifest **manifest, const char *text, size_t length, sam_error *err)
{
    *manifest = NULL;
    if (length > SAM_MANIFEST_MAX)
        return sam_fail(err, SAM_TOO_LARGE, "the manifest has %zu bytes; at most %zu are taken", length,
                        SAM_MANIFEST_MAX);
    sam_manifest *made = sam_alloc(1, sizeof *made);
    if (made == NULL)
        return sam_manifest_no_memory(err);
    sam_status status = parse(made, text, length, err);
    if (status != SAM_OK)
        sam_manifest_free(made);
    else
        *manifest = made;
    return status;
}
