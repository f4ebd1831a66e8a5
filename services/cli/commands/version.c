/* samara version: which build this is. */
#include "cli/cli.h"

#include <stdio.h>

sam_status cli_version(int argc, char **argv, sam_error *err)
{
    const sam_option table[] = {{0}};
    const sam_command command = {"samara version", "", "Prints the version.", table};
    int rest;
    sam_status status = cli_parse(&command, argc, argv, 0, &rest, err);
    if (status == SAM_OK)
        printf("samara %s\n", SAMARA_VERSION);
    return status;
}
