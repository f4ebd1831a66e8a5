#include "run/json_values.h"

#include "base/text.h"

#include <string.h>

bool sam_json_digest(const json_t *value, sam_digest *digest)
{
    char hex[SAM_DIGEST_HEX];
    const char *text = json_string_value(value);
    if (text == NULL || !sam_digest_parse(digest, text))
        return false;
    sam_digest_hex(hex, digest);
    return strcmp(hex, text) == 0; /* upper case would give the same run another id */
}

bool sam_json_decimal(const json_t *value, uint64_t least, uint64_t most, uint64_t *number)
{
    const char *text = json_string_value(value);
    return text != NULL && sam_parse_u64(text, number) && (text[0] != '0' || text[1] == '\0') && *number >= least &&
           *number <= most;
}
