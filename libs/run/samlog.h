/* A .samlog file: a whole run, its manifest and its committed rounds. The fine-tune in a few kilobytes.
 *
 *     sam_samlog *log;
 *     if (sam_samlog_open(&log, "run.samlog", err) != SAM_OK) return err->status;   // chain checked
 *     const sam_manifest *manifest = sam_samlog_manifest(log);
 *     for (uint64_t r = 0; r < sam_samlog_rounds(log); r++)
 *         bytes = sam_samlog_round(log, r, &length);                                // sam_round_decode reads it
 *     sam_samlog_close(log);
 *
 * Layout (docs/formats/log.md): "SAMLOG2\n", u32 length and canonical manifest, then for each round u32 length and the
 * encoded round. A file cut off inside its last round opens with the rounds before it, and says so. Of a fork, the
 * rounds that it shares with its parent are checked against the parent's chain too.
 * Thread safety: immutable once open.
 */
#ifndef SAM_RUN_SAMLOG_H
#define SAM_RUN_SAMLOG_H

#include "run/manifest.h"
#include "run/round.h"

#define SAM_SAMLOG_MAGIC "SAMLOG2\n"

typedef struct sam_samlog sam_samlog;

sam_status sam_samlog_open(sam_samlog **log, const char *path, sam_error *err);
sam_status sam_samlog_parse(sam_samlog **log, const void *bytes, size_t length, sam_error *err); /* copies */
void sam_samlog_close(sam_samlog *log);                                                          /* NULL is fine */

const sam_manifest *sam_samlog_manifest(const sam_samlog *log);
uint64_t sam_samlog_rounds(const sam_samlog *log);
const uint8_t *sam_samlog_round(const sam_samlog *log, uint64_t round, size_t *length); /* borrowed */
bool sam_samlog_truncated(const sam_samlog *log);
const sam_digest *sam_samlog_chain(const sam_samlog *log); /* of the last round */

/* Round `round` decoded; NOT_FOUND where the log has none. To be freed. */
sam_status sam_samlog_decode(const sam_samlog *log, uint64_t round, sam_round *decoded, sam_error *err);

/* Composing one: the head, then each round. */
void sam_samlog_put_head(sam_buffer *out, const sam_manifest *manifest);
void sam_samlog_put_round(sam_buffer *out, const uint8_t *round, size_t length);

#endif
