/* Who may do what: bearer tokens with roles, in a file that may change while a service runs.
 *
 *     sam_access *access;
 *     if (sam_access_open(&access, "tokens", err) != SAM_OK)
 *         return err->status;                                    // "tokens:3: ..."
 *     sam_caller caller;
 *     if (sam_access_find(access, token, &caller) && caller.role <= SAM_ROLE_WORKER)
 *         printf("%s may work\n", caller.name);
 *     sam_access_free(access);
 *
 * A line of the file is ROLE TOKEN [NAME]; what follows a # at its beginning is a comment:
 *
 *     admin   4Ynb0c1d2E5mVq7TzXw8Kg  ops
 *     worker  blake2b:0923c7...8b1f   rack-3        # 64 digits: `printf %s "$TOKEN" | b2sum -l 256`
 *
 * A role may do all that those below it may: admin, worker, reader. The file is read again as soon as it is another one
 * (time, inode or size) or SIGHUP came; where the new one is not good, the old tokens stay and the log says why.
 * In memory there are digests only, all of which are compared, each in constant time.
 * Thread safety: open and free once; find from any thread.
 */
#ifndef SAM_NET_ACCESS_H
#define SAM_NET_ACCESS_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

#define SAM_TOKEN_LEAST     16u /* characters of a token */
#define SAM_TOKEN_MOST      512u
#define SAM_CALLER_NAME_MAX 64u

/* The mightiest first, so that a route that names no role is open to admins alone. */
typedef enum sam_role { SAM_ROLE_ADMIN, SAM_ROLE_WORKER, SAM_ROLE_READER, SAM_ROLE_ANYONE } sam_role;

typedef struct sam_caller {
    sam_role role;
    char name[SAM_CALLER_NAME_MAX + 1]; /* of the token, for logs; never the token */
} sam_caller;

typedef struct sam_access sam_access;

/* NOT_FOUND, IO; FORBIDDEN: others may read the file; INVALID: a line is not understood, or there is none. */
sam_status sam_access_open(sam_access **access, const char *path, sam_error *err);
void sam_access_free(sam_access *access); /* NULL is fine */

bool sam_access_find(sam_access *access, const char *token, sam_caller *caller);

const char *sam_role_name(sam_role role);

/* ---- secrets of clients and services ---- */

/* The whole of a file that only its owner (this user or root) may write, and only owner and group may read; at most
 * 1 MiB, NUL-terminated, new memory. FORBIDDEN says what to do. */
sam_status sam_secret_read(char **text, const char *path, sam_error *err);
void sam_secret_free(char *text); /* wipes it; NULL is fine */

/* The one token of a client: the first line of such a file that is no comment. */
sam_status sam_token_read(char token[SAM_TOKEN_MOST + 1], const char *path, sam_error *err);

#endif
