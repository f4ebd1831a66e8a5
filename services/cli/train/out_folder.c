#include "cli/train/out_folder.h"

#include "base/files.h"
#include "base/text.h"
#include "model/files/json.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* ---- the folder ---- */

const char *cli_out_path(cli_out_folder *folder, const char *name)
{
    char *path = sam_format("%s/%s", folder->root, name);
    const char *own = path == NULL ? NULL : sam_arena_strndup(&folder->arena, path, strlen(path));
    sam_free(path);
    return own == NULL ? "" : own;
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)info, (void)kind, (void)where;
    return remove(path);
}

/* Only what a training makes, so that a folder named by mistake keeps what is in it. */
static void remove_run(cli_out_folder *folder)
{
    static const char *const MADE[] = {"redis",    "workers",    "logs",       "keys",
                                       "run.json", "run.samlog", "run.samsig", "summary.json"};
    for (size_t i = 0; i < sizeof MADE / sizeof MADE[0]; i++)
        (void)nftw(cli_out_path(folder, MADE[i]), remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static sam_status lock(cli_out_folder *folder, sam_error *err)
{
    const char *path = cli_out_path(folder, "run.lock");
    folder->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (folder->lock < 0)
        return sam_fail_errno(err, SAM_IO, errno, "cannot write in %s", folder->root);
    if (flock(folder->lock, LOCK_EX | LOCK_NB) == 0)
        return SAM_OK;
    return sam_fail(err, SAM_CONFLICT, "another samara train is using %s; wait for it, or use another --out",
                    folder->root);
}

sam_status cli_out_open(cli_out_folder *folder, const char *path, bool fresh, sam_error *err)
{
    *folder = (cli_out_folder){.lock = -1, .workers = json_object()};
    sam_status status = sam_make_folders(path, err);
    if (status != SAM_OK)
        return status;
    char *absolute = realpath(path, NULL);
    folder->root = absolute == NULL ? NULL : sam_strdup(absolute);
    free(absolute);
    if (folder->root == NULL || folder->workers == NULL)
        return sam_fail_errno(err, SAM_IO, errno, "cannot use the folder %s", path);
    status = lock(folder, err);
    if (status == SAM_OK && fresh)
        remove_run(folder);
    static const char *const FOLDERS[] = {"redis", "workers", "logs", "keys"};
    for (size_t i = 0; status == SAM_OK && i < sizeof FOLDERS / sizeof FOLDERS[0]; i++)
        status = sam_make_folders(cli_out_path(folder, FOLDERS[i]), err);
    return status;
}

void cli_out_close(cli_out_folder *folder)
{
    if (folder->lock >= 0)
        close(folder->lock);
    json_decref(folder->workers);
    json_decref(folder->manifest);
    sam_arena_free(&folder->arena);
    sam_free(folder->root);
    *folder = (cli_out_folder){.lock = -1};
}

/* ---- run.json ---- */

sam_status cli_out_save(const cli_out_folder *folder, sam_error *err)
{
    json_t *state = json_pack("{s:O, s:o, s:I, s:I, s:O, s:o, s:o, s:s}", "manifest", folder->manifest, "seconds",
                              sam_json_real(folder->seconds), "head", (json_int_t)folder->head, "workers_lost",
                              (json_int_t)folder->workers_lost, "workers", folder->workers, "zero_shot_dev",
                              sam_quality_json(&folder->zero_shot[0]), "zero_shot_test",
                              sam_quality_json(&folder->zero_shot[1]), "test", folder->test);
    char *text = state == NULL ? NULL : json_dumps(state, JSON_INDENT(2));
    char *path = sam_format("%s/run.json", folder->root);
    sam_status status = text == NULL || path == NULL ? sam_fail(err, SAM_NO_MEMORY, "out of memory")
                                                     : sam_file_write(path, text, strlen(text), err);
    json_decref(state);
    sam_free(path);
    free(text);
    return status;
}

static sam_status load(cli_out_folder *folder, json_t *state, sam_error *err)
{
    json_t *manifest = json_object_get(state, "manifest"), *workers = json_object_get(state, "workers");
    if (!json_is_object(manifest) || !json_is_object(workers))
        return sam_fail(err, SAM_CORRUPT, "%s/run.json is damaged; use another --out, or --fresh to start anew",
                        folder->root);
    folder->manifest = json_incref(manifest);
    json_decref(folder->workers);
    folder->workers = json_incref(workers);
    folder->seconds = json_number_value(json_object_get(state, "seconds"));
    folder->head = (uint64_t)json_integer_value(json_object_get(state, "head"));
    folder->workers_lost = (uint64_t)json_integer_value(json_object_get(state, "workers_lost"));
    folder->zero_shot[0] = sam_quality_from_json(json_object_get(state, "zero_shot_dev"));
    folder->zero_shot[1] = sam_quality_from_json(json_object_get(state, "zero_shot_test"));
    const char *test = json_string_value(json_object_get(state, "test"));
    snprintf(folder->test, sizeof folder->test, "%s", test == NULL ? "" : test);
    folder->resumed = true;
    return SAM_OK;
}

/* Names of the fields in which two manifests differ. */
static void differences(json_t *a, const json_t *b, char *out, size_t size)
{
    const char *name;
    json_t *value;
    size_t used = 0;
    out[0] = 0;
    json_object_foreach(a, name, value)
    {
        if (!json_equal(value, json_object_get(b, name)) && used < size)
            used += (size_t)snprintf(out + used, size - used, "%s%s", used == 0 ? "" : ", ", name);
    }
}

static sam_status compare(const cli_out_folder *folder, json_t *wanted, sam_error *err)
{
    if (json_equal(wanted, folder->manifest))
        return SAM_OK;
    char names[200];
    differences(wanted, folder->manifest, names, sizeof names);
    return sam_fail(err, SAM_MISMATCH,
                    "%s holds a run with other settings (%s); use another --out, or --fresh to start anew",
                    folder->root, names);
}

sam_status cli_out_begin(cli_out_folder *folder, const sam_manifest *manifest, sam_error *err)
{
    json_error_t why;
    const char *path = cli_out_path(folder, "run.json");
    json_t *wanted = json_loadb(manifest->text, manifest->text_length, 0, &why);
    json_t *state = sam_file_exists(path) ? json_load_file(path, 0, &why) : NULL;
    sam_status status = SAM_OK;
    if (wanted == NULL)
        status = sam_fail(err, SAM_NO_MEMORY, "out of memory");
    else if (!sam_file_exists(path))
        folder->manifest = json_incref(wanted);
    else
        status = load(folder, state, err);
    if (status == SAM_OK)
        status = compare(folder, wanted, err);
    json_decref(state);
    json_decref(wanted);
    if (status != SAM_OK)
        return status;
    cli_out_collect(folder);
    return cli_out_save(folder, err);
}

/* ---- workers ---- */

static uint64_t number(const json_t *json, const char *name)
{
    json_int_t value = json_integer_value(json_object_get(json, name));
    return value > 0 ? (uint64_t)value : 0;
}

bool cli_out_read_worker(cli_out_folder *folder, const char *name, cli_worker_count *count)
{
    json_error_t why;
    char *path = sam_format("%s/workers/%s.json", folder->root, name);
    json_t *json = path == NULL ? NULL : json_load_file(path, 0, &why);
    if (json != NULL)
        *count = (cli_worker_count){
            .worker = (uint32_t)number(json, "worker"),
            .slots = number(json, "slots"),
            .evaluations = number(json, "evaluations"),
            .bytes_sent = number(json, "bytes_sent"),
            .bytes_received = number(json, "bytes_received"),
            .rss_mb = number(json, "rss_mb"),
        };
    sam_free(path);
    json_decref(json);
    return json != NULL;
}

/* Calls `each` with the name of every worker that has a file with this ending, in the order of the names. */
static void for_each_file(cli_out_folder *folder, const char *ending,
                          void (*each)(cli_out_folder *folder, const char *name, void *user), void *user)
{
    char *path = sam_format("%s/workers", folder->root);
    struct dirent **files = NULL;
    int count = path == NULL ? -1 : scandir(path, &files, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        char name[256];
        if (sam_ends_with(files[i]->d_name, ending)) {
            snprintf(name, sizeof name, "%.*s", (int)(strlen(files[i]->d_name) - strlen(ending)), files[i]->d_name);
            each(folder, name, user);
        }
        free(files[i]); /* of libc, as scandir made it */
    }
    free(files);
    sam_free(path);
}

static json_t *more(const json_t *before, const char *name, uint64_t now)
{
    uint64_t sum = number(before, name) + now;
    return json_integer((json_int_t)sum);
}

static void collect_one(cli_out_folder *folder, const char *name, void *user)
{
    (void)user;
    cli_worker_count now;
    if (!cli_out_read_worker(folder, name, &now))
        return;
    const json_t *before = json_object_get(folder->workers, name);
    json_object_set_new(folder->workers, name,
                        json_pack("{s:o, s:o, s:o, s:o}", "slots", more(before, "slots", now.slots), "evaluations",
                                  more(before, "evaluations", now.evaluations), "bytes_sent",
                                  more(before, "bytes_sent", now.bytes_sent), "bytes_received",
                                  more(before, "bytes_received", now.bytes_received)));
    char *path = sam_format("%s/workers/%s.json", folder->root, name);
    if (path != NULL)
        (void)unlink(path);
    sam_free(path);
}

void cli_out_collect(cli_out_folder *folder)
{
    for_each_file(folder, ".json", collect_one, NULL);
}

static void add_one(cli_out_folder *folder, const char *name, void *user)
{
    cli_worker_count count;
    if (cli_out_read_worker(folder, name, &count))
        *(uint64_t *)user += count.bytes_sent;
}

uint64_t cli_out_bytes_sent(cli_out_folder *folder)
{
    uint64_t sum = 0;
    const char *name;
    json_t *value;
    json_object_foreach(folder->workers, name, value) sum += number(value, "bytes_sent");
    for_each_file(folder, ".json", add_one, &sum);
    return sum;
}

static void count_one(cli_out_folder *folder, const char *name, void *user)
{
    (void)folder, (void)name;
    *(size_t *)user += 1;
}

size_t cli_out_extra_workers(cli_out_folder *folder)
{
    size_t count = 0;
    for_each_file(folder, ".running", count_one, &count);
    return count;
}

static void forget_one(cli_out_folder *folder, const char *name, void *user)
{
    (void)user;
    char *path = sam_format("%s/workers/%s.running", folder->root, name);
    if (path != NULL)
        (void)unlink(path);
    sam_free(path);
}

void cli_out_forget_extra_workers(cli_out_folder *folder)
{
    for_each_file(folder, ".running", forget_one, NULL);
}
