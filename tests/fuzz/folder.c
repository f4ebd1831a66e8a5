#include "folder.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

static char folder[] = "/dev/shm/samara-fuzz-XXXXXX";

static int remove_one(const char *path, const struct stat *what, int type, struct FTW *where)
{
    (void)what;
    (void)type;
    (void)where;
    return remove(path);
}

static void remove_folder(void)
{
    (void)nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

const char *fuzz_folder(void)
{
    static int made;
    if (!made && (mkdtemp(folder) == NULL || atexit(remove_folder) != 0))
        __builtin_trap();
    made = 1;
    return folder;
}
