#include "cli/shared/transfer.h"

#include "base/files.h"
#include "cli/shared/run_address.h"

void cli_output_log(cli_output *output, const sam_samlog *log)
{
    const sam_manifest *manifest = sam_samlog_manifest(log);
    uint64_t rounds = sam_samlog_rounds(log);
    bool truncated = sam_samlog_truncated(log);
    cli_output_text(output, "run", "run", manifest->id_hex);
    cli_output_text(output, "name", "name", manifest->name);
    cli_output_line(output, "rounds", "rounds", json_integer((json_int_t)rounds), "%llu of %llu, chain verified%s",
                    (unsigned long long)rounds, (unsigned long long)manifest->rounds,
                    truncated ? " (the file ends inside a round, which is left out)" : "");
    cli_output_member(output, "planned", json_integer((json_int_t)manifest->rounds));
    cli_output_member(output, "truncated", json_boolean(truncated));
    cli_output_digest(output, "chain", "chain", sam_samlog_chain(log));
}

/* The log's rounds as a file has them. */
static sam_status compose(sam_buffer *bytes, const sam_samlog *log, sam_error *err)
{
    sam_samlog_put_head(bytes, sam_samlog_manifest(log));
    for (uint64_t r = 0; r < sam_samlog_rounds(log); r++) {
        size_t length;
        const uint8_t *round = sam_samlog_round(log, r, &length);
        sam_samlog_put_round(bytes, round, length);
    }
    return bytes->failed ? sam_fail(err, SAM_NO_MEMORY, "out of memory for a log") : SAM_OK;
}

sam_status cli_log_to_file(cli_output *output, const sam_samlog *log, const char *path, sam_error *err)
{
    sam_buffer bytes = {0};
    sam_status status = compose(&bytes, log, err);
    if (status == SAM_OK)
        status = sam_file_write(path, bytes.bytes, bytes.length, err);
    if (status == SAM_OK)
        cli_output_line(output, "wrote", "file", json_string(path), "%s, %zu bytes", path, bytes.length);
    if (status == SAM_OK)
        cli_output_member(output, "bytes", json_integer((json_int_t)bytes.length));
    sam_buffer_free(&bytes);
    return status;
}

sam_status cli_log_to_ledger(cli_output *output, const sam_samlog *log, const char *url, uint32_t workers,
                             const sam_access *access, sam_error *err)
{
    sam_run_client *client = NULL;
    uint64_t was, head;
    sam_status status = sam_run_client_new(&client, url, access, err);
    if (status == SAM_OK)
        status = sam_run_send_log(client, log, workers, &was, &head, err);
    if (status == SAM_OK) {
        cli_output_line(output, "ledger", "ledger", json_string(url),
                        "%s: it had %llu rounds of this run, and has %llu", url, (unsigned long long)was,
                        (unsigned long long)head);
        cli_output_member(output, "ledger_had", json_integer((json_int_t)was));
        cli_output_member(output, "ledger_has", json_integer((json_int_t)head));
    }
    sam_run_client_free(client);
    return status;
}

sam_status cli_transfer_run(const cli_transfer *to, const char *run, sam_error *err)
{
    sam_samlog *log = NULL;
    cli_output output = {.json = to->json};
    sam_status status = cli_run_open(&log, run, &to->access, err);
    if (status == SAM_OK) {
        cli_output_log(&output, log);
        status = to->out != NULL ? cli_log_to_file(&output, log, to->out, err)
                                 : cli_log_to_ledger(&output, log, to->ledger, 0, &to->access, err);
    }
    cli_output_close(&output, status == SAM_OK);
    sam_samlog_close(log);
    return status;
}
