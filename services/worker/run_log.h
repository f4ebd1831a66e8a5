/* A worker's own copy of the log of its run: a .samlog file that only grows (--log FILE).
 *
 *     sam_run_log *log;
 *     sam_samlog *past;                                            // what the file has already; NULL: it is new
 *     sam_run_log_open(&log, "run.samlog", manifest, &past, err);
 *     sam_run_log_add(log, reply.rounds, reply.round_lengths, reply.round_count);
 *     sam_run_log_close(log);
 *
 * So a run outlives the disk of its Redis: `samara restore` takes it from here. A worker that starts again goes on from
 * the file, and fetches only what is new. Rounds are on disk before the next sync. A file whose end was cut off loses
 * the round that is not whole. Thread safety: one thread at a time; a second worker with the same file is refused.
 */
#ifndef SAM_WORKER_RUN_LOG_H
#define SAM_WORKER_RUN_LOG_H

#include "run/samlog.h"

typedef struct sam_run_log sam_run_log;

/* CONFLICT where another worker has the file; INVALID where it is of another run. */
sam_status sam_run_log_open(sam_run_log **log, const char *path, const sam_manifest *manifest, sam_samlog **past,
                            sam_error *err);
void sam_run_log_close(sam_run_log *log); /* NULL is fine */

/* A disk that is full must not stop the work: that is logged, and nothing more is written. NULL is fine. */
void sam_run_log_add(sam_run_log *log, const uint8_t *const *rounds, const size_t *lengths, size_t count);

#endif
