/* A run as its ledger shows it: created, watched, fetched.
 *
 *     cli_run_client *client;
 *     cli_run_client_new(&client, "127.0.0.1:8642", NULL, err);
 *     cli_run_create(client, manifest, err);
 *     cli_run_view view = {0};
 *     cli_run_look(client, manifest->id_hex, &view, err);                 // round 41 of 600, 3 workers, ...
 *     cli_run_fetch_log(client, manifest->id_hex, &bytes, &rounds, err);  // the .samlog
 *     cli_run_client_free(client);
 *
 * Thread safety: one thread.
 */
#ifndef SAM_CLI_RUN_CLIENT_H
#define SAM_CLI_RUN_CLIENT_H

#include "base/bytes.h"
#include "run/manifest.h"
#include "run/samlog.h"

#include <jansson.h>

typedef struct cli_run_client cli_run_client;

#define CLI_NEWEST 32u /* evaluations that a view holds at most */

typedef struct cli_run_view {
    bool complete, paused;
    uint64_t head, rounds, records, workers;
    sam_evaluation newest[CLI_NEWEST]; /* evaluations, by round */
    size_t newest_count;
} cli_run_view;

/* How a command is let in: two rows of its option table, CLI_ACCESS_OPTIONS(&access). */
typedef struct cli_access {
    const char *token_file, *ca_file; /* NULL: SAMARA_TOKEN_FILE, SAMARA_CA_FILE, and where they are unset none */
} cli_access;

#define CLI_ACCESS_OPTIONS(access)                                                                                     \
    {"token-file", SAM_OPTION_TEXT, &(access)->token_file, "FILE", "bearer token, where the service asks for one"},    \
        {"ca-file", SAM_OPTION_TEXT, &(access)->ca_file, "FILE", "who may vouch for an https:// address, in PEM"}

/* `address`: "host:port" or a URL. `access` NULL: as the environment says. */
sam_status cli_run_client_new(cli_run_client **client, const char *address, const cli_access *access, sam_error *err);
void cli_run_client_free(cli_run_client *client); /* NULL is fine */

sam_status cli_run_create(cli_run_client *client, const sam_manifest *manifest, sam_error *err); /* or finds it there */
sam_status cli_run_look(cli_run_client *client, const char *run, cli_run_view *view, sam_error *err);
/* Gives back what a worker that died had leased, as it would have done itself. */
sam_status cli_run_leave(cli_run_client *client, const char *run, uint32_t worker, uint64_t head, sam_error *err);
/* The same for every worker that holds a lease: where it is known that none of them runs any more. */
sam_status cli_run_leave_all(cli_run_client *client, const char *run, uint64_t head, sam_error *err);
/* All committed rounds, as a .samlog, and how many they are. */
sam_status cli_run_fetch_log(cli_run_client *client, const char *run, sam_buffer *log, uint64_t *rounds,
                             sam_error *err);

/* Who signed what, as a .samsig. */
sam_status cli_run_fetch_signatures(cli_run_client *client, const char *run, sam_buffer *signatures, sam_error *err);

/* Creates the run of a log where it is not there, and brings over the rounds that are missing; `head`: what the ledger
 * has then, `was`: what it had before. Whoever joins gets a number above `workers`, and above those in the log.
 * CONFLICT where its log is another one. */
sam_status cli_run_send_log(cli_run_client *client, const sam_samlog *log, uint32_t workers, uint64_t *was,
                            uint64_t *head, sam_error *err);

/* The highest number that a worker of the run was given, as a ledger or a gateway knows it; 0: none. */
sam_status cli_run_highest_worker(cli_run_client *client, const char *run, uint32_t *highest, sam_error *err);

/* A client for "URL" or "URL/v1/runs/ID", and which run is meant: where no id is given, the only one. */
sam_status cli_run_client_at(cli_run_client **client, const char *url, char id[SAM_DIGEST_HEX],
                             const cli_access *access, sam_error *err);

/* The log of RUN: a .samlog file, or such a URL of a ledger or gateway. The chain is checked. */
sam_status cli_run_open(sam_samlog **log, const char *run, const cli_access *access, sam_error *err);
bool cli_is_url(const char *run);

/* The answer of GET `path` below the ledger's URL; INVALID where it is no JSON. */
sam_status cli_run_get(cli_run_client *client, const char *path, json_t **answer, sam_error *err);

#endif
