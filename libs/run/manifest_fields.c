#include "run/manifest_fields.h"

#include "base/memory.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

static const char *const ESTIMATORS[] = {"two-point", "one-sided", NULL};
static const char *const SCHEDULES[] = {"constant", "linear", "cosine", "inverse", NULL};
static const char *const SCALES[] = {"fixed", "running", "first", NULL};
static const char *const GUARDS[] = {"clip", "trimmed", "median", NULL};

#define AT(member)        offsetof(sam_manifest, member)
#define BIT(value)        (1u << (value))
#define NAMED(names)      0, 0, names, 0, 0
#define BETWEEN(from, to) from, to, NULL, 0, 0
#define PLAIN             0, 0, NULL, 0, 0
#define OPTIONAL          SAM_FIELD_OPTIONAL

const sam_field sam_fields[] = {
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
    {"directions.family", FIELD_CHOICE, AT(directions.family), NAMED(sam_family_names)},
    {"directions.log2_k", FIELD_COUNT, AT(directions.log2_k), SAM_SKETCH_LOG2_K_MIN, SAM_SKETCH_LOG2_K_MAX, NULL,
     AT(directions.family), BIT(SAM_SKETCH)},
    {"directions.log2_pool", FIELD_COUNT, AT(directions.log2_pool), 0, 40, NULL, AT(directions.family),
     BIT(SAM_DENSE_RADEMACHER) | BIT(SAM_DENSE_GAUSSIAN)},
    {"directions.epoch_rounds", FIELD_DECIMAL, AT(epoch_rounds), 1, SAM_ROUNDS_MAX, NULL, 0, OPTIONAL},
    {"eta_log2", FIELD_SIGNED, AT(eta_log2), BETWEEN(-60, 0)},
    {"trainable.blocks", FIELD_BLOCKS, AT(trainable.first_block), BETWEEN(0, SAM_BLOCKS_MAX)},
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
const size_t sam_field_count = sizeof sam_fields / sizeof sam_fields[0];

_Static_assert(sizeof(sam_estimator) == sizeof(unsigned) && sizeof(sam_guard_kind) == sizeof(unsigned),
               "a choice is read and written as an unsigned");

/* ---- JSON ---- */

sam_status sam_manifest_no_memory(sam_error *err)
{
    return sam_fail(err, SAM_NO_MEMORY, "no memory for a manifest");
}

sam_status sam_manifest_load(json_t **root, const char *text, size_t length, sam_error *err)
{
    json_error_t problem;
    *root = json_loadb(text, length, JSON_REJECT_DUPLICATES, &problem);
    if (*root != NULL)
        return SAM_OK;
    /* jansson has no words where an allocation failed */
    if (json_error_code(&problem) == json_error_out_of_memory || problem.text[0] == '\0')
        return sam_manifest_no_memory(err);
    return sam_fail(err, SAM_INVALID, "it is not JSON: line %d, column %d: %.200s", problem.line, problem.column,
                    problem.text);
}

/* ---- the table's words ---- */

const void *sam_field_member(const sam_manifest *manifest, size_t offset)
{
    return (const unsigned char *)manifest + offset;
}

void *sam_field_member_of(sam_manifest *manifest, size_t offset)
{
    return (unsigned char *)manifest + offset;
}

static unsigned mode_number(const sam_mode *mode)
{
    unsigned number = 0;
    while (number < SAM_MODE_COUNT && sam_modes()[number] != mode)
        number++;
    return number;
}

unsigned sam_field_choice(const sam_manifest *manifest, size_t offset)
{
    unsigned value;
    if (offset == AT(mode))
        return mode_number(manifest->mode);
    memcpy(&value, sam_field_member(manifest, offset), sizeof value);
    return value;
}

bool sam_field_is_given(const sam_field *f, const sam_manifest *manifest)
{
    const void *value = sam_field_member(manifest, f->offset);
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

bool sam_field_is_there(const sam_field *f, const sam_manifest *manifest)
{
    if (f->among == 0)
        return true;
    if (f->among == SAM_FIELD_OPTIONAL)
        return sam_field_is_given(f, manifest);
    unsigned choice = sam_field_choice(manifest, f->when); /* of a draft: anything */
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

static void put_demand(sam_buffer *text, const sam_field *f)
{
    switch (f->kind) {
    case FIELD_FORMAT:
        sam_put_text(text, "\"" SAM_MANIFEST_FORMAT "\"");
        break;
    case FIELD_NAME:
        sam_put_format(text, "a line of 1 to %d bytes", SAM_NAME_BYTES_MAX);
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
        sam_put_text(text, f->among == SAM_FIELD_OPTIONAL ? "true, or left out" : "true or false");
        break;
    case FIELD_BLOCKS:
        sam_put_format(text, "[first, end) with first <= end <= %llu", (unsigned long long)f->most);
        break;
    }
}

sam_status sam_field_refuse(const sam_field *f, const json_t *value, sam_error *err)
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

void sam_field_group(char group[SAM_FIELD_GROUP], const char *path)
{
    const char *dot = strchr(path, '.');
    snprintf(group, SAM_FIELD_GROUP, "%.*s", dot == NULL ? 0 : (int)(dot - path), path);
}
