/* From a draft's fields to canonical text, by the same table that reading goes by. */
#include "base/memory.h"
#include "base/text.h"
#include "run/canonical.h"
#include "run/manifest_fields.h"

#include <stdio.h>
#include <string.h>

static json_t *compose_digest(const sam_digest *digest)
{
    char hex[SAM_DIGEST_HEX];
    sam_digest_hex(hex, digest);
    return json_string(hex);
}

static json_t *compose_choice(const sam_field *f, unsigned choice)
{
    unsigned known = 0;
    while (f->choices[known] != NULL && known < choice)
        known++;
    return json_string(f->choices[known] == NULL ? "unknown" : f->choices[known]);
}

static json_t *compose_decimal(uint64_t number)
{
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)number);
    return json_string(text);
}

/* NULL: out of memory. Texts are checked before. */
static json_t *compose_value(const sam_manifest *draft, const sam_field *f)
{
    const void *source = sam_field_member(draft, f->offset);
    const char *text = f->kind == FIELD_NAME || f->kind == FIELD_OBJECT ? *(char *const *)source : NULL;
    switch (f->kind) {
    case FIELD_FORMAT:
        return json_string(SAM_MANIFEST_FORMAT);
    case FIELD_NAME:
        return json_string(text);
    case FIELD_OBJECT:
        return json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    case FIELD_DIGEST:
        return compose_digest(source);
    case FIELD_CHOICE:
        return compose_choice(f, sam_field_choice(draft, f->offset));
    case FIELD_MODE:
        return json_string(draft->mode == NULL ? "none" : draft->mode->name);
    case FIELD_COUNT:
        return json_integer(*(const uint32_t *)source);
    case FIELD_SIGNED:
        return json_integer(*(const int *)source);
    case FIELD_DECIMAL:
        return compose_decimal(*(const uint64_t *)source);
    case FIELD_FLAG:
        return json_boolean(*(const bool *)source);
    case FIELD_BLOCKS:
        return json_pack("[I,I]", (json_int_t)((const uint32_t *)source)[0], (json_int_t)((const uint32_t *)source)[1]);
    }
    return NULL;
}

static json_t *object_in(json_t *root, const char *group)
{
    json_t *object = group[0] == '\0' ? root : json_object_get(root, group);
    if (object == NULL && json_object_set_new(root, group, json_object()) == 0)
        object = json_object_get(root, group);
    return object;
}

/* A draft's texts are somebody's: they are looked at before jansson, whose NULL does not say why. */
static sam_status check_text(const sam_manifest *draft, const sam_field *f, sam_error *err)
{
    const char *text = *(char *const *)sam_field_member(draft, f->offset);
    json_t *value;
    if (text == NULL || !sam_utf8_valid(text, strlen(text)))
        return sam_fail(err, SAM_INVALID, "%s: must be a text in UTF-8", f->path);
    if (f->kind == FIELD_NAME)
        return SAM_OK;
    if (sam_manifest_load(&value, text, strlen(text), err) != SAM_OK)
        return sam_fail_context(err, "%s", f->path);
    json_decref(value);
    return SAM_OK;
}

static sam_status compose_field(json_t *root, const sam_manifest *draft, const sam_field *f, sam_error *err)
{
    char group[SAM_FIELD_GROUP];
    sam_field_group(group, f->path);
    const char *key = f->path + strlen(group) + (group[0] != '\0');
    if (f->kind == FIELD_NAME || f->kind == FIELD_OBJECT) {
        sam_status status = check_text(draft, f, err);
        if (status != SAM_OK)
            return status;
    }
    /* frees the value in any case, and refuses NULL */
    if (json_object_set_new(object_in(root, group), key, compose_value(draft, f)) != 0)
        return sam_manifest_no_memory(err);
    return SAM_OK;
}

sam_status sam_manifest_compose(sam_manifest **manifest, const sam_manifest *draft, sam_error *err)
{
    *manifest = NULL;
    sam_buffer text = {0};
    json_t *root = json_object();
    sam_status status = root == NULL ? sam_manifest_no_memory(err) : SAM_OK;
    for (size_t i = 0; i < sam_field_count && status == SAM_OK; i++)
        if (sam_field_is_there(&sam_fields[i], draft))
            status = compose_field(root, draft, &sam_fields[i], err);
    if (status == SAM_OK && draft->parent.round > 0 &&
        json_object_set_new(root, "parent", sam_parent_json(&draft->parent)) != 0)
        status = sam_manifest_no_memory(err);
    if (status == SAM_OK)
        status = sam_canonical_json(&text, root, err);
    if (status == SAM_OK)
        status = sam_manifest_parse(manifest, (const char *)text.bytes, text.length, err);
    sam_buffer_free(&text);
    json_decref(root);
    return status;
}
