/* A folder in memory for the files of a fuzz target, which goes when the process ends.
 *
 *     snprintf(path, sizeof path, "%s/redis", fuzz_folder());      // the same folder each time
 */
#ifndef SAM_FUZZ_FOLDER_H
#define SAM_FUZZ_FOLDER_H

const char *fuzz_folder(void);

#endif
