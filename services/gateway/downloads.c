/* Files that exist only while they are sent: the model at a round, and the log. Each names its content by an ETag, so
 * that a broken download goes on with Range and If-Range, from this copy of the gateway or another. */
#include "gateway/gateway.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "model/export.h"
#include "run/samlog.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- the log ---- */

static sam_status read_log_bytes(void *user, uint64_t offset, size_t length, uint8_t *out, sam_error *err)
{
    gateway_run *run = user;
    sam_status status = SAM_OK;
    pthread_mutex_lock(&run->lock);
    if (offset > run->log.length || length > run->log.length - offset)
        status = sam_fail(err, SAM_INTERNAL, "the log of run %.12s became shorter", run->id);
    else
        memcpy(out, run->log.bytes + offset, length);
    pthread_mutex_unlock(&run->lock);
    return status;
}

/* `?rounds=n`: only the first n; what is named by an ETag never changes, since logs only grow. */
sam_http_next gateway_send_log(sam_http_request *request, void *user)
{
    gateway_run *run;
    uint64_t round;
    sam_digest chain;
    sam_error err = {0};
    const char *text = sam_http_query(request, "rounds");
    char etag[SAM_DIGEST_HEX], file_name[64];
    if (!gateway_find_run(user, request, &run) ||
        !gateway_find_round(request, run, text == NULL ? "latest" : text, &round))
        return SAM_HTTP_ANSWERED;
    if (gateway_run_chain(run, round, &chain, &err) != SAM_OK)
        return sam_http_answer_error(request, &err);
    sam_digest_hex(etag, &chain); /* it follows from every byte before it */
    snprintf(file_name, sizeof file_name, "%.12s.samlog", run->id);
    pthread_mutex_lock(&run->lock);
    uint64_t size = run->places[round];
    pthread_mutex_unlock(&run->lock);
    return sam_http_answer_content(request, &(sam_http_content){.type = "application/vnd.samara.log",
                                                                .etag = etag,
                                                                .size = size,
                                                                .read = read_log_bytes,
                                                                .user = run,
                                                                .file_name = file_name});
}

/* ---- snapshots ---- */

typedef struct snapshot_download {
    gateway_service *gateway;
    gateway_run *run;
    gateway_place *place; /* NULL for HEAD, which needs no weights */
    sam_snapshot *snapshot;
} snapshot_download;

static void close_download(void *user)
{
    snapshot_download *download = user;
    sam_snapshot_close(download->snapshot);
    if (download->place != NULL)
        gateway_replicas_give_back(&download->gateway->replicas, download->place);
    sam_free(download);
}

static sam_status read_download(void *user, uint64_t offset, size_t length, uint8_t *out, sam_error *err)
{
    const snapshot_download *download = user;
    sam_metric_add(download->gateway->gauges.snapshot_bytes, (double)length, (const char *[]){download->run->id});
    return sam_snapshot_read(download->snapshot, offset, length, out, err);
}

/* What the request asks for. */
typedef struct wanted_file {
    gateway_run *run;
    uint64_t round;
    sam_snapshot_kind kind;
    const char *file;
} wanted_file;

/* Names all that the bytes follow from: base, run, log up to the round, kind, and which program writes the file. */
static sam_status etag_of(const wanted_file *wanted, char etag[SAM_DIGEST_HEX], sam_error *err)
{
    static const char WRITER[] = "samara-snapshot/" SAMARA_VERSION;
    const char *kind = sam_snapshot_kind_name(wanted->kind);
    sam_digest chain, digest;
    sam_status status = gateway_run_chain(wanted->run, wanted->round, &chain, err);
    if (status != SAM_OK)
        return status;
    sam_digest_stream stream;
    sam_digest_begin(&stream);
    sam_digest_add(&stream, WRITER, sizeof WRITER); /* each text with its NUL */
    sam_digest_add(&stream, kind, strlen(kind) + 1);
    sam_digest_add(&stream, wanted->run->manifest->base.bytes, SAM_DIGEST_BYTES);
    sam_digest_add(&stream, wanted->run->manifest->id.bytes, SAM_DIGEST_BYTES);
    sam_digest_add(&stream, chain.bytes, SAM_DIGEST_BYTES);
    sam_digest_end(&stream, &digest);
    sam_digest_hex(etag, &digest);
    return SAM_OK;
}

static sam_status open_download(gateway_service *gateway, const wanted_file *wanted, bool head, snapshot_download **out,
                                sam_error *err)
{
    const sam_model *model;
    sam_status status = gateway_base_of(wanted->run, &model, err);
    if (status != SAM_OK)
        return status;
    snapshot_download *made = sam_alloc(1, sizeof *made);
    if (made == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory for a download");
    made->gateway = gateway;
    made->run = wanted->run;
    sam_weight_source source = sam_model_source(model); /* the size is the same at every round */
    if (!head)
        status = gateway_replicas_borrow(&gateway->replicas, wanted->run, wanted->round, &made->place, err);
    if (status == SAM_OK && !head)
        source = sam_replica_weights(made->place->replica);
    if (status == SAM_OK)
        status = sam_snapshot_open(&made->snapshot, model, &source, wanted->kind, err);
    if (status == SAM_OK)
        *out = made;
    else
        close_download(made);
    return status;
}

static sam_http_next answer_unavailable(sam_http_request *request, const sam_error *err)
{
    sam_http_next next = sam_http_answer_error(request, err);
    if (err->status == SAM_UNAVAILABLE)
        sam_http_set_header(request, "Retry-After", "5");
    return next;
}

static void set_place(sam_http_request *request, const wanted_file *wanted)
{
    char text[160];
    snprintf(text, sizeof text, "%" PRIu64, wanted->round);
    sam_http_set_header(request, "Samara-Round", text);
    snprintf(text, sizeof text, "/v1/runs/%s/rounds/%" PRIu64 "/%.40s", wanted->run->id, wanted->round, wanted->file);
    sam_http_set_header(request, "Content-Location", text); /* which round "latest" was */
}

static sam_http_next send_snapshot(gateway_service *gateway, sam_http_request *request, const wanted_file *wanted)
{
    char etag[SAM_DIGEST_HEX], file_name[80];
    snapshot_download *download = NULL;
    sam_error err = {0};
    bool head = strcmp(sam_http_method(request), "HEAD") == 0, gguf = wanted->kind == SAM_SNAPSHOT_GGUF_F16;
    if (etag_of(wanted, etag, &err) != SAM_OK || open_download(gateway, wanted, head, &download, &err) != SAM_OK)
        return answer_unavailable(request, &err);
    set_place(request, wanted);
    if (gguf)
        snprintf(file_name, sizeof file_name, "%.12s-%" PRIu64 ".gguf", wanted->run->id, wanted->round);
    else
        snprintf(file_name, sizeof file_name, "model.safetensors"); /* transformers looks for that name */
    return sam_http_answer_content(request, &(sam_http_content){.etag = etag,
                                                                .size = sam_snapshot_size(download->snapshot),
                                                                .read = read_download,
                                                                .close = close_download,
                                                                .user = download,
                                                                .file_name = file_name});
}

/* ---- what stands beside the weights ---- */

static sam_status read_buffer(void *user, uint64_t offset, size_t length, uint8_t *out, sam_error *err)
{
    (void)err;
    memcpy(out, ((const sam_buffer *)user)->bytes + offset, length);
    return SAM_OK;
}

static void free_buffer(void *user)
{
    sam_buffer_free(user);
    sam_free(user);
}

static sam_http_next send_companion(sam_http_request *request, const wanted_file *wanted)
{
    const sam_model *model;
    sam_error err = {0};
    sam_buffer *content = sam_alloc(1, sizeof *content);
    sam_status status = content == NULL ? sam_fail(&err, SAM_NO_MEMORY, "out of memory for %.40s", wanted->file)
                                        : gateway_base_of(wanted->run, &model, &err);
    if (status == SAM_OK)
        status = sam_export_companion(model, wanted->kind, wanted->file, content, &err);
    if (status != SAM_OK) {
        sam_free(content);
        return sam_http_answer_error(request, &err);
    }
    char etag[SAM_DIGEST_HEX];
    sam_digest digest;
    sam_digest_of(&digest, content->bytes, content->length);
    sam_digest_hex(etag, &digest);
    set_place(request, wanted);
    return sam_http_answer_content(
        request, &(sam_http_content){.type = sam_ends_with(wanted->file, ".json") ? "application/json" : NULL,
                                     .etag = etag,
                                     .size = content->length,
                                     .read = read_buffer,
                                     .close = free_buffer,
                                     .user = content});
}

/* ?dtype=f32 (which leaves nothing out), bf16 or f16, for safetensors and what stands beside them. */
static bool find_kind(sam_http_request *request, const char *file, sam_snapshot_kind *kind)
{
    const char *dtype = sam_http_query(request, "dtype");
    bool gguf = strcmp(file, "model.gguf") == 0;
    char name[40];
    snprintf(name, sizeof name, "%s-%.16s", gguf ? "gguf" : "safetensors",
             dtype != NULL ? dtype
             : gguf        ? "f16"
                           : "f32");
    if (sam_snapshot_kind_of(name, kind))
        return true;
    sam_http_answer_fail(request, SAM_INVALID, "dtype=%.16s in the query: %s is written as %s", dtype, file,
                         gguf ? "f16" : "f32, bf16 or f16");
    return false;
}

sam_http_next gateway_send_file(sam_http_request *request, void *user)
{
    gateway_service *gateway = user;
    wanted_file wanted = {.file = sam_http_parameter(request, "file")};
    if (!gateway_find_run(gateway, request, &wanted.run) ||
        !gateway_find_round(request, wanted.run, sam_http_parameter(request, "round"), &wanted.round) ||
        !find_kind(request, wanted.file, &wanted.kind))
        return SAM_HTTP_ANSWERED;
    if (strcmp(wanted.file, "model.safetensors") == 0 || strcmp(wanted.file, "model.gguf") == 0)
        return send_snapshot(gateway, request, &wanted);
    return send_companion(request, &wanted);
}

/* ---- the digest of the state, to compare with a worker's or a replay's ---- */

sam_http_next gateway_show_digest(sam_http_request *request, void *user)
{
    gateway_service *gateway = user;
    gateway_run *run;
    gateway_place *place;
    uint64_t round;
    sam_error err = {0};
    const char *text = sam_http_query(request, "round");
    if (!gateway_find_run(gateway, request, &run) ||
        !gateway_find_round(request, run, text == NULL ? "latest" : text, &round))
        return SAM_HTTP_ANSWERED;
    if (gateway_replicas_borrow(&gateway->replicas, run, round, &place, &err) != SAM_OK)
        return answer_unavailable(request, &err);
    sam_digest digest;
    char hex[SAM_DIGEST_HEX];
    sam_replica_digest(place->replica, &digest);
    gateway_replicas_give_back(&gateway->replicas, place);
    sam_digest_hex(hex, &digest);
    return sam_http_answer_json(
        request, 200, json_pack("{s:s, s:I, s:s}", "run", run->id, "round", (json_int_t)round, "digest", hex));
}
