/* samara doctor: what this machine offers, and whether it can open a model, on one page. */
#include "base/clock.h"
#include "base/cpu.h"
#include "base/files.h"
#include "base/memory.h"
#include "base/threads.h"
#include "base/usage.h"
#include "cli/cli.h"
#include "cli/shared/processes.h"
#include "model/architecture.h"
#include "model/kernels/kernels.h"
#include "model/model.h"

#include <cblas.h>
#include <curl/curl.h>
#include <ftw.h>
#include <hiredis/hiredis.h>
#include <jansson.h>
#include <microhttpd.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

/* ---- gathering ---- */

static json_t *cpu_json(const sam_cpu *cpu)
{
    return json_pack("{s:s, s:i, s:b, s:b, s:b, s:b}", "name", cpu->name, "cores", (int)sam_cores(), "avx2_fma",
                     cpu->avx2_fma, "avx512", cpu->avx512, "avx512_bf16", cpu->avx512_bf16, "amx_bf16", cpu->amx_bf16);
}

static const char *chosen(sam_precision precision)
{
    const sam_kernels *kernels;
    return sam_kernels_choose(&kernels, precision, NULL, NULL) == SAM_OK ? kernels->name : "none";
}

static json_t *kernels_json(const sam_cpu *cpu)
{
    json_t *runs = json_array();
    for (const sam_kernels *const *set = sam_kernels_all(); *set != NULL; set++)
        if ((*set)->runs_on(cpu))
            json_array_append_new(runs, json_string((*set)->name));
    return json_pack("{s:o, s:s, s:s}", "run_here", runs, "chosen_bf16", chosen(SAM_PRECISION_BF16), "chosen_f32",
                     chosen(SAM_PRECISION_F32));
}

static json_t *libraries_json(void)
{
    char hiredis[32];
    snprintf(hiredis, sizeof hiredis, "%d.%d.%d", HIREDIS_MAJOR, HIREDIS_MINOR, HIREDIS_PATCH);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "samara", SAMARA_VERSION, "libcurl",
                     curl_version_info(CURLVERSION_NOW)->version, "libsodium", sodium_version_string(), "jansson",
                     jansson_version_str(), "libmicrohttpd", MHD_get_version(), "hiredis", hiredis, "openblas",
                     openblas_get_config(), "openblas_core", openblas_get_corename());
}

static json_int_t memory_mb(const char *name)
{
    return (json_int_t)sam_usage_kb("/proc/meminfo", name) / 1024;
}

/* nftw has no room for a user's pointer; doctor runs once, in one thread. */
static unsigned long long cache_bytes;

static int add_size(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)path, (void)where;
    if (kind == FTW_F)
        cache_bytes += (unsigned long long)info->st_blocks * 512;
    return 0;
}

static json_t *cache_json(void)
{
    char *path = NULL;
    if (sam_cache_path(&path, ".", NULL) != SAM_OK)
        return json_null();
    path[strlen(path) - 2] = 0;
    cache_bytes = 0;
    (void)nftw(path, add_size, 16, FTW_PHYS);
    json_t *json = json_pack("{s:s, s:I}", "folder", path, "bytes", (json_int_t)cache_bytes);
    sam_free(path);
    return json;
}

static json_t *programs_json(void)
{
    static const char *const NAMES[] = {"redis-server", "samara-ledger", "samara-gateway", "samara-worker"};
    json_t *json = json_object();
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        char *path = cli_find_program(NAMES[i]);
        json_object_set_new(json, NAMES[i], path == NULL ? json_null() : json_string(path));
        sam_free(path);
    }
    return json;
}

static json_t *describe_model(const sam_model *model, uint64_t open_ms)
{
    const sam_model_config *config = sam_model_configuration(model);
    char digest[SAM_DIGEST_HEX];
    uint64_t parameters = 0;
    sam_digest_hex(digest, sam_model_digest(model));
    for (size_t i = 0; i < sam_model_tensor_count(model); i++)
        parameters += sam_model_tensor_at(model, i)->rows * sam_model_tensor_at(model, i)->columns;
    return json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:b, s:I}", "digest", digest, "architecture",
                     config->architecture->gguf_name, "parameters", (json_int_t)parameters, "blocks",
                     (json_int_t)config->blocks, "vocabulary", (json_int_t)config->vocabulary, "context",
                     (json_int_t)config->context, "tokenizer", sam_model_tokenizer(model) != NULL, "open_ms",
                     (json_int_t)open_ms);
}

static sam_status add_model(json_t *page, const char *source, sam_error *err)
{
    char *path = NULL;
    sam_model *model = NULL;
    sam_status status = cli_resolve(source, &path, err);
    uint64_t begun = sam_monotonic_ms();
    if (status == SAM_OK)
        status = sam_model_open(&model, path, err);
    if (status == SAM_OK)
        json_object_set_new(page, "model", describe_model(model, sam_monotonic_ms() - begun));
    sam_model_close(model);
    sam_free(path);
    return status;
}

static json_t *gather(void)
{
    sam_cpu cpu;
    sam_cpu_detect(&cpu);
    return json_pack("{s:o, s:o, s:o, s:o, s:{s:I, s:I}, s:o}", "cpu", cpu_json(&cpu), "kernels", kernels_json(&cpu),
                     "libraries", libraries_json(), "programs", programs_json(), "memory_mb", "total",
                     memory_mb("MemTotal"), "available", memory_mb("MemAvailable"), "cache", cache_json());
}

/* ---- showing ---- */

static void print_value(const char *name, const json_t *value)
{
    printf("  %-16s ", name);
    if (json_is_string(value))
        printf("%s", json_string_value(value));
    else if (json_is_boolean(value))
        printf("%s", json_is_true(value) ? "yes" : "no");
    else if (json_is_integer(value))
        printf("%lld", (long long)json_integer_value(value));
    else if (json_is_null(value))
        printf("not found");
    for (size_t i = 0; i < json_array_size(value); i++)
        printf("%s%s", i == 0 ? "" : ", ", json_string_value(json_array_get(value, i)));
    printf("\n");
}

static void print_page(json_t *page)
{
    const char *title, *name;
    json_t *part, *value;
    json_object_foreach(page, title, part)
    {
        printf("%s\n", title);
        json_object_foreach(part, name, value) print_value(name, value);
    }
    if (json_is_null(json_object_get(json_object_get(page, "programs"), "redis-server")))
        printf("\nredis-server is missing: samara train needs it (Debian and Ubuntu: apt install redis-server)\n");
}

sam_status cli_doctor(int argc, char **argv, sam_error *err)
{
    bool json = false;
    const char *model = NULL;
    const sam_option table[] = {
        {"model", SAM_OPTION_TEXT, &model, "MODEL", "a GGUF file, a folder, or a source: open it, and say what it is"},
        {"json", SAM_OPTION_FLAG, &json, NULL, "one JSON object"},
        {0},
    };
    const sam_command command = {"samara doctor", "",
                                 "Shows what this machine offers: CPU, kernels, libraries, programs, memory, cache.",
                                 table};
    int rest;
    sam_status status = cli_parse(&command, argc, argv, 0, &rest, err);
    if (status != SAM_OK)
        return status;
    json_t *page = gather();
    if (page == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory");
    if (model != NULL)
        status = add_model(page, model, err);
    if (json) {
        (void)json_dumpf(page, stdout, JSON_INDENT(2));
        printf("\n");
    } else {
        print_page(page);
    }
    json_decref(page);
    return status;
}
