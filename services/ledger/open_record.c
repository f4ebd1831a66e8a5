#include "ledger/open_record.h"

void ledger_open_record_put(sam_buffer *out, const sam_result *result, bool is_signed)
{
    const sam_record record = {
        .weight = result->weight, .loss = result->loss, .codes = result->codes, .code_count = result->code_count};
    sam_record_put_body(out, &record);
    if (is_signed)
        sam_put_bytes(out, result->signature, SAM_SIGNATURE_BYTES);
}

/* "12:" */
static bool get_author(sam_reader *in, uint32_t *author)
{
    uint64_t number = 0;
    uint8_t byte = sam_get_u8(in);
    for (; byte >= '0' && byte <= '9' && number <= UINT32_MAX; byte = sam_get_u8(in))
        number = 10 * number + (uint64_t)(byte - '0');
    *author = (uint32_t)number;
    return byte == ':' && number > 0 && number <= UINT32_MAX;
}

bool ledger_open_record_get(sam_record *record, const uint8_t **signature, const void *bytes, size_t length,
                            bool is_signed)
{
    sam_reader in = sam_reader_of(bytes, length);
    if (!get_author(&in, &record->author) || !sam_record_get_body(&in, record))
        return false;
    *signature = is_signed ? sam_get_bytes(&in, SAM_SIGNATURE_BYTES) : NULL;
    return !in.failed && sam_reader_left(&in) == 0;
}
