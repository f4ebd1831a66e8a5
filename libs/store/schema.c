#include "store/schema.h"

#include "base/text.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define X(name, text) text,
static const char *const KEYS[] = {SAM_SCHEMA_KEYS(X)};
static const char *const STATE_FIELDS[] = {SAM_SCHEMA_STATE_FIELDS(X)};
static const char *const WORKER_FIELDS[] = {SAM_SCHEMA_WORKER_FIELDS(X)};
static const char *const RUN_STATUSES[] = {SAM_SCHEMA_RUN_STATUSES(X)};
static const char *const WORKER_STATUSES[] = {SAM_SCHEMA_WORKER_STATUSES(X)};
#undef X

/* Its number in the table; `count` where it is none of them. */
static size_t index_of(const char *const *table, size_t count, const char *text)
{
    size_t i = 0;
    while (i < count && strcmp(table[i], text) != 0)
        i++;
    return i;
}

/* ---- keys and fields ---- */

void sam_schema_key_of(char out[SAM_SCHEMA_KEY_SIZE], const char *run_id, sam_schema_key key)
{
    static const char BEFORE[] = "samara:{", AFTER[] = "}:";
    size_t at = sizeof BEFORE - 1, id = strnlen(run_id, SAM_DIGEST_HEX - 1);
    memcpy(out, BEFORE, at); /* not by printf: a call of the ledger names all keys */
    memcpy(out + at, run_id, id);
    memcpy(out + at + id, AFTER, sizeof AFTER - 1);
    memcpy(out + at + id + sizeof AFTER - 1, KEYS[key], strlen(KEYS[key]) + 1);
}

const char *sam_schema_state_name(sam_state_field field)
{
    return STATE_FIELDS[field];
}

bool sam_schema_parse_state_field(sam_state_field *field, const char *text)
{
    size_t i = index_of(STATE_FIELDS, SAM_STATE_COUNT, text);
    if (i < SAM_STATE_COUNT)
        *field = (sam_state_field)i;
    return i < SAM_STATE_COUNT;
}

void sam_schema_worker_field_of(char out[SAM_SCHEMA_WORKER_FIELD_SIZE], uint32_t number, sam_worker_field field)
{
    snprintf(out, SAM_SCHEMA_WORKER_FIELD_SIZE, "%" PRIu32 ":%s", number, WORKER_FIELDS[field]);
}

bool sam_schema_parse_worker_field(uint32_t *number, sam_worker_field *field, const char *text)
{
    uint64_t value = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9' && value <= UINT32_MAX; at++)
        value = 10 * value + (uint64_t)(*at - '0');
    if (value == 0 || value > UINT32_MAX || *at != ':')
        return false;
    size_t i = index_of(WORKER_FIELDS, SAM_WORKER_COUNT, at + 1);
    if (i == SAM_WORKER_COUNT)
        return false;
    *number = (uint32_t)value;
    *field = (sam_worker_field)i;
    return true;
}

/* ---- Lua ---- */

static const struct {
    const char *name, *literal;
} LITERALS[] = {
#define X(name, text) {"STATE_" #name, "'" text "'"},
    SAM_SCHEMA_STATE_FIELDS(X)
#undef X
#define X(name, text) {"WORKER_" #name, "':" text "'"},
        SAM_SCHEMA_WORKER_FIELDS(X)
#undef X
#define X(name, text) {"STATUS_" #name, "'" text "'"},
            SAM_SCHEMA_RUN_STATUSES(X)
#undef X
#define X(name, text, byte, letter, yields) {"KIND_" #name, #letter},
                SAM_WORK_TABLE(X)
#undef X
                    {"GONE_LEASES", SAM_SCHEMA_GONE_LEASES_TEXT},
    {"LOG_FIELD", "'" SAM_SCHEMA_LOG_FIELD "'"},
    {"SIGNATURES_FIELD", "'" SAM_SCHEMA_SIGNATURES_FIELD "'"},
};

void sam_schema_put_lua_keys(sam_buffer *out)
{
#define X(name, text) ", " #name
    /* the first of the list is thrown away: a list cannot begin with a comma */
    sam_put_text(out, "local _" SAM_SCHEMA_KEYS(X) " = nil, unpack(KEYS)\n");
#undef X
}

static size_t name_length(const char *at)
{
    size_t length = 0;
    while (isalnum((unsigned char)at[length]) || at[length] == '_')
        length++;
    return length;
}

/* What a name of the schema stands for; NULL: it is another. */
static const char *literal_of(const char *name, size_t length)
{
    for (size_t i = 0; i < sizeof LITERALS / sizeof LITERALS[0]; i++)
        if (strlen(LITERALS[i].name) == length && memcmp(LITERALS[i].name, name, length) == 0)
            return LITERALS[i].literal;
    return NULL;
}

void sam_schema_put_lua(sam_buffer *out, const char *source)
{
    while (*source != 0) {
        size_t length = name_length(source);
        const char *literal = literal_of(source, length);
        if (literal != NULL)
            sam_put_text(out, literal);
        else
            sam_put_bytes(out, source, length == 0 ? 1 : length);
        source += length == 0 ? 1 : length;
    }
}

/* ---- statuses ---- */

const char *sam_schema_run_status_name(sam_run_status status)
{
    return RUN_STATUSES[status];
}

bool sam_schema_parse_run_status(sam_run_status *status, const char *text)
{
    size_t count = sizeof RUN_STATUSES / sizeof RUN_STATUSES[0], i = index_of(RUN_STATUSES, count, text);
    if (i < count)
        *status = (sam_run_status)i;
    return i < count;
}

const char *sam_schema_worker_status_name(sam_worker_status status)
{
    return WORKER_STATUSES[status];
}

sam_worker_status sam_schema_worker_status_of(bool quarantined, bool left, uint64_t seen_ms, uint64_t now_ms,
                                              uint32_t lease_ms)
{
    if (quarantined)
        return SAM_WORKER_IS_QUARANTINED;
    if (left)
        return SAM_WORKER_IS_LEFT;
    uint64_t patience = SAM_SCHEMA_GONE_LEASES * (uint64_t)lease_ms;
    return now_ms > seen_ms && now_ms - seen_ms > patience ? SAM_WORKER_IS_GONE : SAM_WORKER_IS_ACTIVE;
}

/* ---- values ---- */

void sam_schema_entry_after(char out[SAM_SCHEMA_ENTRY_SIZE], uint64_t rounds)
{
    snprintf(out, SAM_SCHEMA_ENTRY_SIZE, "%" PRIu64 "-0", rounds);
}

void sam_schema_entry_of(char out[SAM_SCHEMA_ENTRY_SIZE], uint64_t round)
{
    sam_schema_entry_after(out, round + 1);
}

bool sam_schema_parse_entry(uint64_t *round, const char *text)
{
    int end = 0;
    if (sscanf(text, "%" SCNu64 "-0%n", round, &end) != 1 || end == 0 || text[end] != 0 || *round == 0)
        return false;
    *round -= 1;
    return true;
}

void sam_schema_sums_of(char out[SAM_SCHEMA_SUMS_SIZE], const sam_evaluation *evaluation)
{
    snprintf(out, SAM_SCHEMA_SUMS_SIZE, "%" PRIu32 ":%" PRIu32 ":%" PRIu64, evaluation->examples, evaluation->correct,
             evaluation->loss_micro);
}

bool sam_schema_parse_evaluation(sam_evaluation *evaluation, const char *round, const char *sums)
{
    int end = 0;
    return sam_parse_u64(round, &evaluation->at) &&
           sscanf(sums, "%" SCNu32 ":%" SCNu32 ":%" SCNu64 "%n", &evaluation->examples, &evaluation->correct,
                  &evaluation->loss_micro, &end) == 3 &&
           sums[end] == 0;
}
