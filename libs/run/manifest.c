/* One table says what a manifest holds: where a field stands in the JSON, where in the struct, what it must be, and
 * of which choice it depends. Reading, composing, refusing the unknown and every error sentence go by it. */
#include "run/manifest.h"

#include "base/memory.h"
#include "base/text.h"
#include "run/canonical.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define NAME_MAX_BYTES 200
#define BLOCKS_MAX     65536

typedef enum field_kind {
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
} field_kind;

typedef struct field {
    const char *path; /* "name", or "group.name" */
    field_kind kind;
    size_t offset;
    int64_t least;
    uint64_t most;
    const char *const *choices; /* FIELD_CHOICE: names by value, NULL at the end */
    size_t when;    /* offset of a choice above it in the table; it is there only where that choice is ... */
    unsigned among; /* ... among these bits; 0: always; OPTIONAL: where it is given (see is_given) */
} field;

static const char *const ESTIMATORS[] = {"two-point", "one-sided", NULL};
static const char *const FAMILIES[] = {"sketch", "rademacher", "gaussian", NULL};
static const char *const SCHEDULES[] = {"constant", "linear", "cosine", "inverse", NULL};
static const char *const SCALES[] = {"fixed", "running", "first", NULL};
static const char *const GUARDS[] = {"clip", "trimmed", "median", NULL};

#define AT(member)        offsetof(sam_manifest, member)
#define BIT(value)        (1u << (value))
#define NAMED(names)      0, 0, names, 0, 0
#define BETWEEN(from, to) from, to, NULL, 0, 0
#define PLAIN             0, 0, NULL, 0, 0
#define OPTIONAL          UINT32_MAX

static const field FIELDS[] = {
    {"format", FIELD_FORMAT, 0, PLAIN},
    {"name", FIELD_NAME, AT(name), PLAIN},
    {"mode", FIELD_MODE, AT(mode), PLAIN},
    {"objective", FIELD_CHOICE, AT(objective), NAMED(sam_objective_names)},
    {"estimator", FIELD_CHOICE, AT(estimator), NAMED(ESTIMATORS)},
    {"base", FIELD_DIGEST, AT(base), PLAIN},
    {"data.dev", FIELD_DIGEST, AT(dev), PLAIN},
    {"data.train", FIELD_DIGEST, AT(train), PLAIN},
    {"task", FIELD_OBJECT, AT(task), PLAIN},
    {"seed", FIELD_DECIMAL, AT(seed), BETWEEN(0, UINT64_MAX)},
    {"rounds", FIELD_DECIMAL, AT(rounds), BETWEEN(1, SAM_ROUNDS_MAX)},
    {"slots", FIELD_COUNT, AT(slots), BETWEEN(1, SAM_SLOTS_MAX)},
    {"probes", FIELD_COUNT, AT(probes), BETWEEN(1, SAM_PROBES_MAX)},
    {"batch", FIELD_COUNT, AT(batch), BETWEEN(1, SAM_BATCH_MAX)},
    {"balance", FIELD_FLAG, AT(balance), PLAIN},
    {"epsilon.log2", FIELD_SIGNED, AT(epsilon_log2), BETWEEN(-40, 0)},
    {"epsilon.units", FIELD_COUNT, AT(epsilon_units), BETWEEN(1, 65535)},
    {"quantum_log2", FIELD_SIGNED, AT(quantum_log2), BETWEEN(-60, 20)},
    {"directions.family", FIELD_CHOICE, AT(family), NAMED(FAMILIES)},
    {"directions.log2_k", FIELD_COUNT, AT(log2_k), SAM_SKETCH_LOG2_K_MIN, SAM_SKETCH_LOG2_K_MAX, NULL, AT(family),
     BIT(SAM_SKETCH)},
    {"directions.log2_pool", FIELD_COUNT, AT(log2_pool), 0, 40, NULL, AT(family),
     BIT(SAM_DENSE_RADEMACHER) | BIT(SAM_DENSE_GAUSSIAN)},
    {"directions.epoch_rounds", FIELD_DECIMAL, AT(epoch_rounds), 1, SAM_ROUNDS_MAX, NULL, 0, OPTIONAL},
    {"eta_log2", FIELD_SIGNED, AT(eta_log2), BETWEEN(-60, 0)},
    {"trainable.blocks", FIELD_BLOCKS, AT(trainable.first_block), BETWEEN(0, BLOCKS_MAX)},
    {"trainable.embeddings", FIELD_FLAG, AT(trainable.embeddings), PLAIN},
    {"trainable.final_norm", FIELD_FLAG, AT(trainable.final_norm), PLAIN},
    {"trainable.norms", FIELD_FLAG, AT(trainable.norms), PLAIN},
    {"rate", FIELD_DECIMAL, AT(size.rate), BETWEEN(1, (uint64_t)1 << 40)},
    {"schedule.kind", FIELD_CHOICE, AT(size.schedule.kind), NAMED(SCHEDULES)},
    {"schedule.warmup", FIELD_DECIMAL, AT(size.schedule.warmup), BETWEEN(0, SAM_ROUNDS_MAX)},
    {"schedule.horizon", FIELD_DECIMAL, AT(size.schedule.horizon), BETWEEN(0, SAM_ROUNDS_MAX)},
    {"schedule.floor", FIELD_COUNT, AT(size.schedule.floor), BETWEEN(0, 65536)},
    {"scale.kind", FIELD_CHOICE, AT(size.scale.kind), NAMED(SCALES)},
    {"scale.rms", FIELD_COUNT, AT(size.scale.rms), 1, 1 << 26, NULL, AT(size.scale.kind), BIT(SAM_SCALE_FIXED)},
    {"scale.shift", FIELD_COUNT, AT(size.scale.shift), 0, 20, NULL, AT(size.scale.kind), BIT(SAM_SCALE_RUNNING)},
    {"scale.window", FIELD_COUNT, AT(size.scale.window), 1, (uint64_t)1 << 31, NULL, AT(size.scale.kind),
     BIT(SAM_SCALE_FIRST)},
    {"guard.kind", FIELD_CHOICE, AT(guard.kind), NAMED(GUARDS)},
    {"guard.clip", FIELD_COUNT, AT(size.clip), BETWEEN(256, 1 << 24)},
    {"guard.trim", FIELD_COUNT, AT(guard.trim), 0, 128, NULL, AT(guard.kind), BIT(SAM_GUARD_TRIMMED)},
    {"guard.cap", FIELD_COUNT, AT(guard.cap), 256, 1 << 24, NULL, AT(guard.kind), BIT(SAM_GUARD_MEDIAN)},
    {"evaluation.every", FIELD_COUNT, AT(evaluation.every), BETWEEN(0, (uint64_t)1 << 31)},
    {"evaluation.chunks", FIELD_COUNT, AT(evaluation.chunks), BETWEEN(1, SAM_CHUNKS_MAX)},
    {"lease_ms", FIELD_COUNT, AT(lease_ms), BETWEEN(100, 86400000)},
    {"lag", FIELD_COUNT, AT(lag), 1, SAM_LAG_MAX, NULL, 0, OPTIONAL},
    {"quorum.after_ms", FIELD_COUNT, AT(quorum.after_ms), 1, 86400000, NULL, 0, OPTIONAL},
    {"quorum.slots", FIELD_COUNT, AT(quorum.slots), 1, SAM_SLOTS_MAX, NULL, 0, OPTIONAL},
    {"verify_rate", FIELD_COUNT, AT(verify_rate), 1, 256, NULL, 0, OPTIONAL},
    {"kernel", FIELD_NAME, AT(kernel), 0, 0, NULL, 0, OPTIONAL},
    {"privacy.clip", FIELD_COUNT, AT(privacy.clip), 1, SAM_PRIVACY_CLIP_MAX, NULL, 0, OPTIONAL},
    {"privacy.period", FIELD_COUNT, AT(privacy.period), 1, UINT32_MAX, NULL, 0, OPTIONAL},
    {"privacy.sigma", FIELD_COUNT, AT(privacy.sigma), 1, SAM_PRIVACY_SIGMA_MAX, NULL, 0, OPTIONAL},
    {"signed", FIELD_FLAG, AT(signed_records), 0, 0, NULL, 0, OPTIONAL},
};
#define FIELD_COUNT_ALL (sizeof FIELDS / sizeof FIELDS[0])

_Static_assert(sizeof(sam_estimator) == sizeof(unsigned) && sizeof(sam_guard_kind) == sizeof(unsigned),
               "a choice is read and written as an unsigned");

/* ---- JSON ---- */

static sam_status no_memory(sam_error *err)
{
    return sam_fail(err, SAM_NO_MEMORY, "no memory for a manifest");
}

static sam_status load(json_t **root, const char *text, size_t length, sam_error *err)
{
    json_error_t problem;
    *root = json_loadb(text, length, JSON_REJECT_DUPLICATES, &problem);
    if (*root != NULL)
        return SAM_OK;
    /* jansson has no words where an allocation failed */
    if (json_error_code(&problem) == json_error_out_of_memory || problem.text[0] == '\0')
        return no_memory(err);
    return sam_fail(err, SAM_INVALID, "it is not JSON: line %d, column %d: %.200s", problem.line, problem.column,
                    problem.text);
}

/* ---- the table's words ---- */

static const void *member(const sam_manifest *manifest, size_t offset)
{
    return (const unsigned char *)manifest + offset;
}

static void *member_of(sam_manifest *manifest, size_t offset)
{
    return (unsigned char *)manifest + offset;
}

static unsigned choice_at(const sam_manifest *manifest, size_t offset)
{
    unsigned value;
    memcpy(&value, member(manifest, offset), sizeof value);
    return value;
}

/* Of an optional field: what is left out is 0, false or NULL. */
static bool is_given(const field *f, const sam_manifest *manifest)
{
    const void *value = member(manifest, f->offset);
    switch (f->kind) {
    case FIELD_NAME:
        return *(char *const *)value != NULL;
    case FIELD_FLAG:
        return *(const bool *)value;
    case FIELD_DECIMAL:
        return *(const uint64_t *)value != 0;
    default:
        return *(const uint32_t *)value != 0;
    }
}

static bool is_there(const field *f, const sam_manifest *manifest)
{
    if (f->among == 0)
        return true;
    if (f->among == OPTIONAL)
        return is_given(f, manifest);
    unsigned choice = choice_at(manifest, f->when); /* of a draft: anything */
    return choice < 32 && (BIT(choice) & f->among) != 0;
}

static void put_choices(sam_buffer *text, const char *const *names)
{
    for (size_t i = 0; names[i] != NULL; i++)
        sam_put_format(text, "%s\"%s\"", i == 0 ? "" : names[i + 1] == NULL ? " or " : ", ", names[i]);
}

static void put_modes(sam_buffer *text)
{
    const sam_mode *const *modes = sam_modes();
    for (size_t i = 0; modes[i] != NULL; i++)
        sam_put_format(text, "%s\"%s\"", i == 0 ? "" : " or ", modes[i]->name);
}

static void put_demand(sam_buffer *text, const field *f)
{
    switch (f->kind) {
    case FIELD_FORMAT:
        sam_put_text(text, "\"" SAM_MANIFEST_FORMAT "\"");
        break;
    case FIELD_NAME:
        sam_put_format(text, "a line of 1 to %d bytes", NAME_MAX_BYTES);
        break;
    case FIELD_OBJECT:
        sam_put_text(text, "an object");
        break;
    case FIELD_DIGEST:
        sam_put_text(text, "64 lower-case hexadecimal digits");
        break;
    case FIELD_CHOICE:
        put_choices(text, f->choices);
        break;
    case FIELD_MODE:
        put_modes(text);
        break;
    case FIELD_COUNT:
    case FIELD_SIGNED:
        sam_put_format(text, "a whole number from %lld to %llu", (long long)f->least, (unsigned long long)f->most);
        break;
    case FIELD_DECIMAL:
        sam_put_format(text, "a whole number from %lld to %llu as a decimal string", (long long)f->least,
                       (unsigned long long)f->most);
        break;
    case FIELD_FLAG:
        sam_put_text(text, f->among == OPTIONAL ? "true, or left out" : "true or false");
        break;
    case FIELD_BLOCKS:
        sam_put_format(text, "[first, end) with first <= end <= %llu", (unsigned long long)f->most);
        break;
    }
}

/* "slots: must be a whole number from 1 to 4096, and is 0" */
static sam_status refuse(const field *f, const json_t *value, sam_error *err)
{
    sam_buffer demand = {0};
    put_demand(&demand, f);
    sam_put_u8(&demand, 0);
    char *found = value == NULL ? NULL : json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    sam_fail(err, SAM_INVALID, "%s: must be %s, and is %.60s", f->path, demand.failed ? "?" : (char *)demand.bytes,
             value == NULL   ? "missing"
             : found == NULL ? "something else"
                             : found);
    if (found != NULL)
        sam_free(found);
    sam_buffer_free(&demand);
    return SAM_INVALID;
}

/* ---- reading ---- */

static bool read_name(char **name, const json_t *value)
{
    const char *text = json_string_value(value);
    size_t length = text == NULL ? 0 : json_string_length(value);
    if (length == 0 || length > NAME_MAX_BYTES)
        return false;
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return false;
    *name = sam_strndup(text, length);
    return true;
}

static bool read_digest(sam_digest *digest, const json_t *value)
{
    char hex[SAM_DIGEST_HEX];
    const char *text = json_string_value(value);
    if (text == NULL || !sam_digest_parse(digest, text))
        return false;
    sam_digest_hex(hex, digest);
    return strcmp(hex, text) == 0; /* upper case would give the same run another id */
}

static bool read_choice(unsigned *choice, const field *f, const json_t *value)
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

static bool read_integer(int64_t *number, const field *f, const json_t *value)
{
    if (!json_is_integer(value))
        return false;
    *number = json_integer_value(value);
    return *number >= f->least && (*number < 0 || (uint64_t)*number <= f->most);
}

static bool read_decimal(uint64_t *number, const field *f, const json_t *value)
{
    const char *text = json_string_value(value);
    if (text == NULL || !sam_parse_u64(text, number) || *number < (uint64_t)f->least || *number > f->most)
        return false;
    return text[0] != '0' || text[1] == '\0'; /* one spelling for each number */
}

static bool read_blocks(uint32_t blocks[2], const field *f, const json_t *value)
{
    int64_t first, end;
    if (!json_is_array(value) || json_array_size(value) != 2 || !read_integer(&first, f, json_array_get(value, 0)) ||
        !read_integer(&end, f, json_array_get(value, 1)) || first > end)
        return false;
    blocks[0] = (uint32_t)first;
    blocks[1] = (uint32_t)end;
    return true;
}

static bool read_number(sam_manifest *manifest, const field *f, const json_t *value)
{
    int64_t number;
    if (!read_integer(&number, f, value))
        return false;
    if (f->kind == FIELD_SIGNED)
        *(int *)member_of(manifest, f->offset) = (int)number;
    else
        *(uint32_t *)member_of(manifest, f->offset) = (uint32_t)number;
    return true;
}

static sam_status read_object(char **text, const field *f, const json_t *value, sam_error *err)
{
    sam_buffer canonical = {0};
    if (!json_is_object(value))
        return refuse(f, value, err);
    sam_status status = sam_canonical_json(&canonical, value, err);
    if (status == SAM_OK)
        *text = sam_strndup((const char *)canonical.bytes, canonical.length);
    sam_buffer_free(&canonical);
    return status;
}

static bool read_value(sam_manifest *manifest, const field *f, const json_t *value)
{
    void *target = member_of(manifest, f->offset);
    switch (f->kind) {
    case FIELD_FORMAT:
        return json_is_string(value) && strcmp(json_string_value(value), SAM_MANIFEST_FORMAT) == 0;
    case FIELD_NAME:
        return read_name(target, value);
    case FIELD_DIGEST:
        return read_digest(target, value);
    case FIELD_CHOICE:
        return read_choice(target, f, value);
    case FIELD_MODE:
        return read_mode(target, value);
    case FIELD_COUNT:
    case FIELD_SIGNED:
        return read_number(manifest, f, value);
    case FIELD_DECIMAL:
        return read_decimal(target, f, value);
    case FIELD_FLAG:
        *(bool *)target = json_is_true(value);
        return json_is_boolean(value) && (f->among != OPTIONAL || json_is_true(value)); /* one spelling for each run */
    case FIELD_BLOCKS:
        return read_blocks(target, f, value);
    case FIELD_OBJECT:
        break;
    }
    return false;
}

/* The group that a path names, as text: "" where it has none. */
static void group_of(char group[32], const char *path)
{
    const char *dot = strchr(path, '.');
    snprintf(group, 32, "%.*s", dot == NULL ? 0 : (int)(dot - path), path);
}

static const json_t *value_at(const json_t *root, const char *path)
{
    char group[32];
    group_of(group, path);
    if (group[0] == '\0')
        return json_object_get(root, path);
    return json_object_get(json_object_get(root, group), path + strlen(group) + 1);
}

static sam_status read_field(sam_manifest *manifest, const field *f, const json_t *root, sam_error *err)
{
    const json_t *value = value_at(root, f->path);
    if (f->kind == FIELD_OBJECT && value != NULL)
        return read_object(member_of(manifest, f->offset), f, value, err);
    if (!read_value(manifest, f, value))
        return refuse(f, value, err);
    return f->kind == FIELD_NAME && !is_given(f, manifest) ? no_memory(err) : SAM_OK;
}

/* While fields are read: those of the choices above them, and optional ones that are given. */
static bool is_due(const field *f, const sam_manifest *manifest, const json_t *root)
{
    return f->among == OPTIONAL ? value_at(root, f->path) != NULL : is_there(f, manifest);
}

static bool is_known(const sam_manifest *manifest, const char *group, const char *key)
{
    char path[128];
    snprintf(path, sizeof path, "%s%s%.64s", group, group[0] == '\0' ? "" : ".", key);
    size_t length = strlen(path);
    if (strcmp(path, "parent") == 0) /* read by parent.c, group and all */
        return true;
    for (size_t i = 0; i < FIELD_COUNT_ALL; i++) {
        const char *known = FIELDS[i].path;
        if (strncmp(known, path, length) == 0 && (known[length] == '\0' || (known[length] == '.' && group[0] == '\0')))
            return is_there(&FIELDS[i], manifest);
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
    char group[32], last[32] = "";
    sam_status status = refuse_unknown(manifest, "", root, err);
    for (size_t i = 0; i < FIELD_COUNT_ALL && status == SAM_OK; i++) {
        group_of(group, FIELDS[i].path);
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
        return no_memory(err);
    if (manifest->estimator == SAM_ONE_SIDED && manifest->probes < 2)
        return sam_fail(err, SAM_INVALID, "probes: must be at least 2 where the estimator is \"one-sided\", and is %u",
                        manifest->probes);
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
    for (size_t i = 0; i < FIELD_COUNT_ALL && status == SAM_OK; i++)
        if (is_due(&FIELDS[i], manifest, root))
            status = read_field(manifest, &FIELDS[i], root, err);
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
    sam_status status = load(&root, text, length, err);
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
        status = load(&root, manifest->text, manifest->text_length, err);
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
        return no_memory(err);
    sam_status status = parse(made, text, length, err);
    if (status != SAM_OK)
        sam_manifest_free(made);
    else
        *manifest = made;
    return status;
}

void sam_manifest_free(sam_manifest *manifest)
{
    if (manifest == NULL)
        return;
    sam_free(manifest->name);
    sam_free(manifest->kernel);
    sam_free(manifest->task);
    sam_free(manifest->text);
    sam_parent_free(&manifest->parent);
    sam_free(manifest);
}

/* ---- composing ---- */

static json_t *compose_digest(const sam_digest *digest)
{
    char hex[SAM_DIGEST_HEX];
    sam_digest_hex(hex, digest);
    return json_string(hex);
}

static json_t *compose_choice(const field *f, unsigned choice)
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
static json_t *compose_value(const sam_manifest *draft, const field *f)
{
    const void *source = member(draft, f->offset);
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
        return compose_choice(f, choice_at(draft, f->offset));
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
static sam_status check_text(const sam_manifest *draft, const field *f, sam_error *err)
{
    const char *text = *(char *const *)member(draft, f->offset);
    json_t *value;
    if (text == NULL || !sam_utf8_valid(text, strlen(text)))
        return sam_fail(err, SAM_INVALID, "%s: must be a text in UTF-8", f->path);
    if (f->kind == FIELD_NAME)
        return SAM_OK;
    if (load(&value, text, strlen(text), err) != SAM_OK)
        return sam_fail_context(err, "%s", f->path);
    json_decref(value);
    return SAM_OK;
}

static sam_status compose_field(json_t *root, const sam_manifest *draft, const field *f, sam_error *err)
{
    char group[32];
    group_of(group, f->path);
    const char *key = f->path + strlen(group) + (group[0] != '\0');
    if (f->kind == FIELD_NAME || f->kind == FIELD_OBJECT) {
        sam_status status = check_text(draft, f, err);
        if (status != SAM_OK)
            return status;
    }
    /* frees the value in any case, and refuses NULL */
    if (json_object_set_new(object_in(root, group), key, compose_value(draft, f)) != 0)
        return no_memory(err);
    return SAM_OK;
}

sam_status sam_manifest_compose(sam_manifest **manifest, const sam_manifest *draft, sam_error *err)
{
    *manifest = NULL;
    sam_buffer text = {0};
    json_t *root = json_object();
    sam_status status = root == NULL ? no_memory(err) : SAM_OK;
    for (size_t i = 0; i < FIELD_COUNT_ALL && status == SAM_OK; i++)
        if (is_there(&FIELDS[i], draft))
            status = compose_field(root, draft, &FIELDS[i], err);
    if (status == SAM_OK && draft->parent.round > 0 &&
        json_object_set_new(root, "parent", sam_parent_json(&draft->parent)) != 0)
        status = no_memory(err);
    if (status == SAM_OK)
        status = sam_canonical_json(&text, root, err);
    if (status == SAM_OK)
        status = sam_manifest_parse(manifest, (const char *)text.bytes, text.length, err);
    sam_buffer_free(&text);
    json_decref(root);
    return status;
}

/* ---- derived numbers ---- */

sam_round_shape sam_manifest_shape(const sam_manifest *manifest)
{
    return manifest->mode->shape(manifest);
}

double sam_manifest_epsilon(const sam_manifest *manifest)
{
    return ldexp(manifest->epsilon_units, manifest->epsilon_log2);
}

double sam_manifest_quantum(const sam_manifest *manifest)
{
    return ldexp(1.0, manifest->quantum_log2);
}
