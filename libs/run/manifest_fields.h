/* The inside of the manifest: one table says what it holds: where a field stands in the JSON, where in the struct, what
 * it must be, and of which choice it depends. Reading, composing, refusing the unknown and every error sentence go by
 * it.
 *
 *     for (size_t i = 0; i < sam_field_count; i++)
 *         printf("%s\n", sam_fields[i].path);
 *
 * A new field is a row in manifest_fields.c, and a member of sam_manifest. Thread safety: constants, pure functions.
 */
#ifndef SAM_RUN_MANIFEST_FIELDS_H
#define SAM_RUN_MANIFEST_FIELDS_H

#include "run/manifest.h"

#include <jansson.h>

#define SAM_NAME_BYTES_MAX 200
#define SAM_BLOCKS_MAX     65536
#define SAM_FIELD_GROUP    32 /* bytes that the name of a group needs */
#define SAM_FIELD_OPTIONAL UINT32_MAX

typedef enum sam_field_kind {
    FIELD_FORMAT,  /* the constant SAM_MANIFEST_FORMAT */
    FIELD_NAME,    /* char *, a short line */
    FIELD_OBJECT,  /* char *, canonical JSON of an object */
    FIELD_DIGEST,  /* sam_digest */
    FIELD_CHOICE,  /* an enum, by name */
    FIELD_MODE,    /* const sam_mode *, by name */
    FIELD_COUNT,   /* uint32_t */
    FIELD_SIGNED,  /* int */
    FIELD_DECIMAL, /* uint64_t, a decimal string */
    FIELD_FLAG,    /* bool */
    FIELD_BLOCKS,  /* two uint32_t: first, end */
} sam_field_kind;

typedef struct sam_field {
    const char *path; /* "name", or "group.name" */
    sam_field_kind kind;
    size_t offset;
    int64_t least;
    uint64_t most;
    const char *const *choices; /* FIELD_CHOICE: names by value, NULL at the end */
    size_t when;    /* offset of a choice (or of the mode) above it in the table; it is there only where that is ... */
    unsigned among; /* ... among these bits; 0: always; SAM_FIELD_OPTIONAL: where it is given */
} sam_field;

extern const sam_field sam_fields[];
extern const size_t sam_field_count;

const void *sam_field_member(const sam_manifest *manifest, size_t offset);
void *sam_field_member_of(sam_manifest *manifest, size_t offset);
unsigned sam_field_choice(const sam_manifest *manifest, size_t offset);

/* Of an optional field: what is left out is 0, false or NULL. */
bool sam_field_is_given(const sam_field *f, const sam_manifest *manifest);
/* Does the field belong to the choices that the manifest has made? */
bool sam_field_is_there(const sam_field *f, const sam_manifest *manifest);
/* The group that a path names, as text: "" where it has none. */
void sam_field_group(char group[SAM_FIELD_GROUP], const char *path);

/* "slots: must be a whole number from 1 to 4096, and is 0"; INVALID. `value` NULL: it is missing. */
sam_status sam_field_refuse(const sam_field *f, const json_t *value, sam_error *err);

sam_status sam_manifest_no_memory(sam_error *err);
sam_status sam_manifest_load(json_t **root, const char *text, size_t length, sam_error *err);

#endif
