/* A run as its ledger shows it: created, watched, fetched.
 *
 *     sam_run_client *client;
 *     if (sam_run_client_new(&client, "127.0.0.1:8642", NULL, err) != SAM_OK)
 *         return err->status;
 *     sam_run_create(client, manifest, err);
 *     sam_run_view view = {0};
 *     sam_run_look(client, manifest->id_hex, &view, err);                     // round 41 of 600, 3 workers, ...
 *     sam_buffer log = {0};
 *     uint64_t rounds;
 *     sam_run_fetch_log(client, manifest->id_hex, &log, &rounds, err);        // the .samlog
 *     sam_buffer_free(&log);
 *     sam_run_client_free(client);
 *
 * Thread safety: one thread.
 */
#ifndef SAM_CLIENT_RUN_CLIENT_H
#define SAM_CLIENT_RUN_CLIENT_H

#include "base/bytes.h"
#include "run/manifest.h"
#include "run/samlog.h"

#include <jansson.h>

typedef struct sam_run_client sam_run_client;

#define SAM_RUN_VIEW_NEWEST 32u /* evaluations that a view holds at most */

typedef struct sam_run_view {
    bool complete, paused;
    uint64_t head, rounds, records, workers;
    sam_evaluation newest[SAM_RUN_VIEW_NEWEST]; /* evaluations, by round */
    size_t newest_count;
} sam_run_view;

/* How a command is let in: two rows of its option table, SAM_ACCESS_OPTIONS(&access). */
typedef struct sam_access {
    const char *token_file, *ca_file; /* NULL: SAMARA_TOKEN_FILE, SAMARA_CA_FILE, and where they are unset none */
} sam_access;

#define SAM_ACCESS_OPTIONS(access)                                                                                     \
    {"token-file", SAM_OPTION_TEXT, &(access)->token_file, "FILE", "bearer token, where the service asks for one"},    \
        {"ca-file", SAM_OPTION_TEXT, &(access)->ca_file, "FILE",                                                       \
         "certificates to trust for https:// addresses, in PEM"}

/* `address`: "host:port" or a URL. `access` NULL: as the environment says. */
sam_status sam_run_client_new(sam_run_client **client, const char *address, const sam_access *access, sam_error *err);
void sam_run_client_free(sam_run_client *client); /* NULL is fine */

sam_status sam_run_create(sam_run_client *client, const sam_manifest *manifest, sam_error *err); /* or finds it there */
sam_status sam_run_look(sam_run_client *client, const char *run, sam_run_view *view, sam_error *err);
/* Gives back what a worker that died had leased, as it would have done itself. */
sam_status sam_run_leave(sam_run_client *client, const char *run, uint32_t worker, sam_error *err);
/* The same for every worker that holds a lease: where it is known that none of them runs any more. */
sam_status sam_run_leave_all(sam_run_client *client, const char *run, sam_error *err);
/* All committed rounds, as a .samlog, and how many they are. */
sam_status sam_run_fetch_log(sam_run_client *client, const char *run, sam_buffer *log, uint64_t *rounds,
                             sam_error *err);

/* Who signed what, as a .samsig. */
sam_status sam_run_fetch_signatures(sam_run_client *client, const char *run, sam_buffer *signatures, sam_error *err);

/* Creates the run of a log where it is not there, and brings over the rounds that are missing; `head`: what the ledger
 * has then, `was`: what it had before. Whoever joins gets a number above `workers`, and above those in the log.
 * CONFLICT where its log is another one. */
sam_status sam_run_send_log(sam_run_client *client, const sam_samlog *log, uint32_t workers, uint64_t *was,
                            uint64_t *head, sam_error *err);

/* The highest number that a worker of the run was given, as a ledger or a gateway knows it; 0: none. */
sam_status sam_run_highest_worker(sam_run_client *client, const char *run, uint32_t *highest, sam_error *err);

/* The answer of GET `path` below the ledger's URL; INVALID where it is no JSON. */
sam_status sam_run_get(sam_run_client *client, const char *path, json_t **answer, sam_error *err);

#endif
