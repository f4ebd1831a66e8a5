/* samara fetch: a model or data file, wherever it is, as a path on this machine. */
#include "base/memory.h"
#include "cli/cli.h"

#include <stdio.h>

sam_status cli_fetch(int argc, char **argv, sam_error *err)
{
    const sam_option table[] = {{0}};
    const sam_command command = {"samara fetch", "SOURCE",
                                 "Brings SOURCE into the cache folder where it is not there yet, and prints its path:\n"
                                 "hf:ORG/NAME[@REV][/FILE], https://..., pypi:NAME==VERSION/PATH, or a path.\n"
                                 "PATH may go on into a nested archive: dir/data.tar.gz!data/train.tsv.\n"
                                 "A file may end in #blake2b=HEX or #sha256=HEX, which is then checked.",
                                 table};
    int rest;
    char *path = NULL;
    sam_status status = cli_parse(&command, argc, argv, 1, &rest, err);
    if (status == SAM_OK)
        status = cli_resolve(argv[rest], &path, err);
    if (status == SAM_OK)
        printf("%s\n", path);
    sam_free(path);
    return status;
}
