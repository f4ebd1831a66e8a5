#include "model/files/json.h"

#include "base/files.h"
#include "base/memory.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

sam_status sam_json_parse(json_t **json, const char *text, size_t length, const char *name, sam_error *err)
{
    json_error_t problem;
    *json = json_loadb(text, length, JSON_REJECT_DUPLICATES, &problem);
    if (*json != NULL)
        return SAM_OK;
    if (problem.text[0] == 0 || json_error_code(&problem) == json_error_out_of_memory) /* jansson may leave it empty */
        return sam_fail(err, SAM_NO_MEMORY, "%s: no memory for its JSON", name);
    return sam_fail(err, SAM_CORRUPT, "%s: line %d, column %d (byte %d of the JSON): %s", name, problem.line,
                    problem.column, problem.position, problem.text);
}

sam_status sam_json_file(json_t **json, const char *path, sam_error *err)
{
    sam_file_map file;
    *json = NULL;
    sam_status status = sam_file_map_open(&file, path, err);
    if (status != SAM_OK)
        return status;
    status = sam_json_parse(json, (const char *)file.bytes, file.length, path, err);
    sam_file_map_close(&file);
    return status;
}

static int append(const char *text, size_t length, void *out)
{
    sam_put_bytes(out, text, length);
    return ((const sam_buffer *)out)->failed ? -1 : 0;
}

sam_status sam_json_write(const json_t *json, size_t flags, sam_buffer *out, sam_error *err)
{
    if (json_dump_callback(json, append, out, flags) != 0)
        return sam_fail(err, SAM_NO_MEMORY, "no memory to write JSON");
    return SAM_OK;
}

json_t *sam_json_real(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

const char *sam_json_unknown(const json_t *object, const char *const known[])
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)object, name, value)
    {
        size_t i = 0;
        while (known[i] != NULL && strcmp(known[i], name) != 0)
            i++;
        if (known[i] == NULL)
            return name;
    }
    return NULL;
}

char *sam_path_beside(const char *path, const char *name)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? sam_strdup(name) : sam_format("%.*s/%s", (int)(slash - path), path, name);
}
