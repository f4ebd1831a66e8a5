/* The folder that a training leaves its results in, and what it needs to go on later.
 *
 *     OUT/run.json        the run's manifest, and what has been counted so far
 *     OUT/redis/          the private Redis: socket and append-only file
 *     OUT/workers/        what each worker said of itself last
 *     OUT/keys/           what each worker signs with, where the run asks for it
 *     OUT/logs/           output of each process
 *     OUT/run.samlog  OUT/model/  OUT/model.gguf  OUT/summary.json        results
 *
 *     cli_out_folder folder;
 *     cli_out_open(&folder, "out/demo", false, err);          // CONFLICT where another training uses it
 *     cli_out_begin(&folder, manifest, err);                  // MISMATCH where it belongs to another run
 *     cli_out_save(&folder, err);
 *     cli_out_close(&folder);
 *
 * Thread safety: one thread; a lock in the folder keeps other processes out.
 */
#ifndef SAM_CLI_OUT_FOLDER_H
#define SAM_CLI_OUT_FOLDER_H

#include "base/memory.h"
#include "run/manifest.h"
#include "train/quality/quality.h"

#include <jansson.h>

typedef struct cli_worker_count {
    uint32_t worker; /* number at the ledger; 0: not known */
    uint64_t slots, evaluations, bytes_sent, bytes_received, rss_mb;
} cli_worker_count;

typedef struct cli_out_folder {
    char *root; /* absolute */
    int lock;
    sam_arena arena; /* of paths given out */
    bool resumed;    /* there was a run before */

    /* counted over all sessions, kept in run.json */
    double seconds;
    uint64_t head, workers_lost;
    json_t *workers;          /* name -> {"slots", "bytes_sent", "bytes_received"} of ended workers */
    sam_quality zero_shot[2]; /* dev, test */
    json_t *manifest;
    char test[SAM_DIGEST_HEX]; /* digest of the test data that zero_shot[1] is of */
} cli_out_folder;

/* `fresh`: what a run left there is removed first. */
sam_status cli_out_open(cli_out_folder *folder, const char *path, bool fresh, sam_error *err);
void cli_out_close(cli_out_folder *folder);
/* "OUT/name", lives as long as the folder. Never NULL: "" when memory is out, which no file is called. */
const char *cli_out_path(cli_out_folder *folder, const char *name);

sam_status cli_out_begin(cli_out_folder *folder, const sam_manifest *manifest, sam_error *err);
sam_status cli_out_save(const cli_out_folder *folder, sam_error *err);

bool cli_out_read_worker(cli_out_folder *folder, const char *name, cli_worker_count *count);
/* Adds what the workers' files say to the totals, and removes the files. After the workers ended. */
void cli_out_collect(cli_out_folder *folder);
/* Workers started by hand (add-worker.sh) leave a file NAME.running there while they run. */
size_t cli_out_extra_workers(cli_out_folder *folder);
void cli_out_forget_extra_workers(cli_out_folder *folder); /* of a session that was killed */
uint64_t cli_out_bytes_sent(cli_out_folder *folder);       /* by all workers, ended and running */

#endif
