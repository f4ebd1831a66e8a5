/* The log of its run as a worker keeps it, in a .samlog file that only grows.
 *
 *     sam_kept *kept;
 *     sam_samlog *past;                                            // what the file has already; NULL: it is new
 *     sam_kept_open(&kept, "run.samlog", manifest, &past, err);
 *     sam_kept_add(kept, reply.rounds, reply.round_lengths, reply.round_count);
 *     sam_kept_close(kept);
 *
 * So a run outlives the disk of its Redis: `samara restore` takes it from here. A worker that starts again goes on from
 * the file, and fetches only what is new. Rounds are on disk before the next sync. A file whose end was cut off loses
 * the round that is not whole. Thread safety: one thread; a second worker with the same file is refused.
 */
#ifndef SAM_WORKER_KEPT_H
#define SAM_WORKER_KEPT_H

#include "run/samlog.h"

typedef struct sam_kept sam_kept;

/* CONFLICT where another worker has the file; INVALID where it is of another run. */
sam_status sam_kept_open(sam_kept **kept, const char *path, const sam_manifest *manifest, sam_samlog **past,
                         sam_error *err);
void sam_kept_close(sam_kept *kept); /* NULL is fine */

/* A disk that is full must not stop the work: that is logged, and nothing more is kept. NULL is fine. */
void sam_kept_add(sam_kept *kept, const uint8_t *const *rounds, const size_t *lengths, size_t count);

#endif
