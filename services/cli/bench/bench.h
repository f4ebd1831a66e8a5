/* What the parts of `samara bench` share. Measurements only: no test depends on a time.
 *
 *     samara bench peak       what the matrix units of this machine can do
 *     samara bench step       one step of training, as a share of that
 *     samara bench catchup    a log of many records, applied at once
 *     samara bench ledger     contributions a second of a ledger and its Redis, and what a worker costs it
 *     samara bench links      slots a second over a slow link, with leases ahead and without
 *     samara bench guards     what hostile workers do to a run, under each guard
 */
#ifndef SAM_CLI_BENCH_H
#define SAM_CLI_BENCH_H

#include "base/options.h"
#include "base/status.h"
#include "base/threads.h"
#include "model/kernels/kernels.h"
#include "model/model.h"
#include "run/manifest.h"

#include <jansson.h>

sam_status cli_bench_step(int argc, char **argv, sam_error *err);
sam_status cli_bench_peak(int argc, char **argv, sam_error *err);
sam_status cli_bench_catchup(int argc, char **argv, sam_error *err);
sam_status cli_bench_ledger(int argc, char **argv, sam_error *err);
sam_status cli_bench_links(int argc, char **argv, sam_error *err);
sam_status cli_bench_guards(int argc, char **argv, sam_error *err);

/* GF/s of independent multiply-adds in registers on every thread of the pool (NULL: the caller's), the best of several
 * tries. Where the kernels do not name their instructions, those of the best that do, of the same precision. */
double cli_bench_peak_rate(const sam_kernels *kernels, sam_pool *pool);

/* A run that trains the top `blocks` blocks (0: all), one slot a round; its manifest is for measuring only. */
void cli_bench_manifest(sam_manifest *draft, const sam_model *model, uint64_t blocks);

void cli_bench_sort(double *figures, size_t count); /* the median is in the middle then */

/* One JSON object on a line, or "key value" lines. Takes the reference; NULL is memory that is out. */
sam_status cli_bench_print(json_t *figures, bool as_json, sam_error *err);

#endif
