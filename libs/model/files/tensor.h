/* One tensor as it lies in a file: a borrowed view. Shapes are row-major, outermost first, as in PyTorch (GGUF lists
 * them the other way round; its reader turns them). */
#ifndef SAM_MODEL_TENSOR_H
#define SAM_MODEL_TENSOR_H

#include "model/files/dtype.h"

#define SAM_TENSOR_RANK 4

typedef struct sam_tensor {
    const char *name; /* as the file names it, NUL-terminated, owned by the reader */
    sam_dtype dtype;
    unsigned rank; /* 0 to SAM_TENSOR_RANK */
    uint64_t shape[SAM_TENSOR_RANK];
    const uint8_t *bytes;
    size_t length;
} sam_tensor;

#endif
