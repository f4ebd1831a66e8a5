/* The runs that this gateway knows: found by the follower, looked up by every request.
 *
 *     gateway_run *run = gateway_runs_find(runs, manifest->id_hex);          // NULL: not known
 *     for (run = gateway_runs_first(runs); run != NULL; run = run->next)
 *         printf("%s\n", run->manifest->id_hex);
 *
 * Runs are put before the first and never taken out, so a walk that has begun needs no lock.
 * Thread safety: all functions from any thread; add from one.
 */
#ifndef SAM_GATEWAY_RUNS_H
#define SAM_GATEWAY_RUNS_H

#include "gateway/run.h"

#define GATEWAY_MODELS_MAX 16u

typedef struct gateway_runs {
    pthread_mutex_t lock; /* guards first */
    gateway_run *first;
    size_t count; /* the follower's */

    /* the bases we have, immutable once threads run */
    sam_model *models[GATEWAY_MODELS_MAX];
    size_t model_count;
} gateway_runs;

void gateway_runs_init(gateway_runs *runs);
void gateway_runs_free(gateway_runs *runs);

/* Opens the bases, "FILE_OR_DIR[,FILE_OR_DIR...]"; NULL or "": none. */
sam_status gateway_runs_open_models(gateway_runs *runs, const char *paths, sam_error *err);

gateway_run *gateway_runs_first(gateway_runs *runs);
gateway_run *gateway_runs_find(gateway_runs *runs, const char *id);

/* From the text of its manifest, which must be that of `id`. */
sam_status gateway_runs_add(gateway_runs *runs, const char *id, const char *text, size_t length, sam_error *err);

#endif
