#include "net/access.h"

#include "base/digest.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/shutdown.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECRET_BYTES_MAX ((size_t)1 << 20)
#define DIGEST_PREFIX    "blake2b:"

/* ---- files that hold secrets ---- */

static sam_status check_owner(const struct stat *about, const char *path, sam_error *err)
{
    if (!S_ISREG(about->st_mode))
        return sam_fail(err, SAM_INVALID, "%s is no file", path);
    if ((about->st_mode & 027) != 0)
        return sam_fail(err, SAM_FORBIDDEN,
                        "%s holds a secret, but its mode %03o lets others read or change it: chmod 600 %s", path,
                        (unsigned)(about->st_mode & 0777), path);
    if (about->st_uid != 0 && about->st_uid != geteuid())
        return sam_fail(err, SAM_FORBIDDEN, "%s holds a secret, but belongs to another user (%u)", path,
                        (unsigned)about->st_uid);
    if ((uint64_t)about->st_size > SECRET_BYTES_MAX)
        return sam_fail(err, SAM_TOO_LARGE, "%s has %lld bytes; a file with secrets has at most %zu", path,
                        (long long)about->st_size, SECRET_BYTES_MAX);
    return SAM_OK;
}

static sam_status read_open(char **text, int fd, struct stat *about, const char *path, sam_error *err)
{
    if (fstat(fd, about) != 0)
        return sam_fail_errno(err, SAM_IO, errno, "cannot look at %s", path);
    sam_status status = check_owner(about, path, err);
    if (status != SAM_OK)
        return status;
    size_t room = (size_t)about->st_size, length = 0;
    char *made = sam_alloc(room + 1, 1);
    if (made == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory reading %s", path);
    while (length < room) {
        ssize_t got = read(fd, made + length, room - length);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            sam_fail_errno(err, SAM_IO, errno, "cannot read %s", path);
            sam_secret_free(made);
            return SAM_IO;
        }
        if (got == 0)
            break; /* it became shorter */
        length += (size_t)got;
    }
    *text = made;
    return SAM_OK;
}

static sam_status read_secret(char **text, struct stat *about, const char *path, sam_error *err)
{
    *text = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return sam_fail_errno(err, errno == ENOENT ? SAM_NOT_FOUND : SAM_IO, errno, "cannot open %s", path);
    sam_status status = read_open(text, fd, about, path, err);
    close(fd);
    return status;
}

sam_status sam_secret_read(char **text, const char *path, sam_error *err)
{
    struct stat about;
    return read_secret(text, &about, path, err);
}

void sam_secret_free(char *text)
{
    if (text != NULL)
        sodium_memzero(text, strlen(text));
    sam_free(text);
}

/* ---- words ---- */

static bool only(const char *text, const char *signs)
{
    static const char ALPHANUMERIC[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    for (; *text != 0; text++)
        if (strchr(ALPHANUMERIC, *text) == NULL && strchr(signs, *text) == NULL)
            return false;
    return true;
}

/* RFC 6750, section 2.1 */
static bool is_token(const char *word)
{
    size_t length = strlen(word);
    return length >= SAM_TOKEN_LEAST && length <= SAM_TOKEN_MOST && only(word, "-._~+/=");
}

static bool is_name(const char *word)
{
    return strlen(word) <= SAM_CALLER_NAME_MAX && only(word, "-._");
}

const char *sam_role_name(sam_role role)
{
    static const char *const NAMES[] = {"admin", "worker", "reader", "anyone"};
    return NAMES[role];
}

static bool role_of(sam_role *role, const char *word)
{
    for (unsigned i = SAM_ROLE_ADMIN; i < SAM_ROLE_ANYONE; i++)
        if (strcmp(word, sam_role_name((sam_role)i)) == 0) {
            *role = (sam_role)i;
            return true;
        }
    return false;
}

/* ---- the table ---- */

typedef struct entry {
    sam_digest digest;
    sam_caller caller;
} entry;

struct sam_access {
    pthread_mutex_t lock; /* guards all below but the path */
    entry *entries;
    size_t count;
    struct stat seen; /* the file that was read, or could not be */
    unsigned hangups;
    char *path;
};

typedef struct lines {
    const char *path;
    unsigned number; /* of the present line */
    entry *entries;
    size_t count, room;
} lines;

static sam_status refuse_line(const lines *at, sam_error *err, const char *why)
{
    return sam_fail(err, SAM_INVALID, "%s:%u: %s", at->path, at->number, why); /* and never what stands there */
}

/* A token, or its digest, into `digest`. */
static bool read_credential(sam_digest *digest, const char *word)
{
    size_t prefix = strlen(DIGEST_PREFIX);
    if (strncmp(word, DIGEST_PREFIX, prefix) == 0)
        return sam_digest_parse(digest, word + prefix);
    if (!is_token(word))
        return false;
    sam_digest_of(digest, word, strlen(word));
    return true;
}

static sam_status add_entry(lines *at, const entry *made, sam_error *err)
{
    for (size_t i = 0; i < at->count; i++)
        if (sam_digest_equal(&at->entries[i].digest, &made->digest))
            return refuse_line(at, err, "this token stands in a line above already");
    if (at->count == at->room) {
        size_t room = at->room * 2 + 16;
        entry *entries = sam_realloc(at->entries, room, sizeof *entries);
        if (entries == NULL)
            return sam_fail(err, SAM_NO_MEMORY, "out of memory reading %s", at->path);
        at->entries = entries;
        at->room = room;
    }
    at->entries[at->count++] = *made;
    return SAM_OK;
}

static sam_status read_line(lines *at, char *line, sam_error *err)
{
    char *rest = NULL;
    const char *role = strtok_r(line, " \t\r", &rest);
    if (role == NULL || role[0] == '#')
        return SAM_OK;
    const char *credential = strtok_r(NULL, " \t\r", &rest), *name = strtok_r(NULL, " \t\r", &rest);
    entry made = {0};
    if (!role_of(&made.caller.role, role) || credential == NULL)
        return refuse_line(at, err, "a line is ROLE TOKEN [NAME], where ROLE is admin, worker or reader");
    if (!read_credential(&made.digest, credential))
        return refuse_line(at, err,
                           "a token has 16 to 512 letters, digits and -._~+/=, or is blake2b: and the 64 digits "
                           "of its digest");
    if (name != NULL && name[0] == '#')
        name = NULL;
    if (name != NULL && !is_name(name))
        return refuse_line(at, err, "the name of a token has at most 64 letters, digits and -._");
    memcpy(made.caller.name, name == NULL ? "unnamed" : name, name == NULL ? sizeof "unnamed" : strlen(name) + 1);
    return add_entry(at, &made, err);
}

static sam_status read_lines(lines *at, char *text, sam_error *err)
{
    sam_status status = SAM_OK;
    for (char *next; text != NULL && status == SAM_OK; text = next) {
        next = strchr(text, '\n');
        if (next != NULL)
            *next++ = 0;
        at->number++;
        status = read_line(at, text, err);
    }
    /* an empty file must not open the door */
    if (status == SAM_OK && at->count == 0)
        return sam_fail(err, SAM_INVALID, "%s is empty: it has no line ROLE TOKEN [NAME]", at->path);
    return status;
}

/* With the lock held, or before there are threads. */
static sam_status load(sam_access *access, sam_error *err)
{
    char *text;
    lines at = {.path = access->path};
    sam_status status = read_secret(&text, &access->seen, access->path, err);
    size_t length = text == NULL ? 0 : strlen(text);
    if (status == SAM_OK)
        status = read_lines(&at, text, err);
    if (text != NULL)
        sodium_memzero(text, length); /* cut into words, it has NULs now */
    sam_free(text);
    if (status != SAM_OK) {
        sam_free(at.entries);
        return status;
    }
    sam_free(access->entries);
    access->entries = at.entries;
    access->count = at.count;
    return SAM_OK;
}

static bool is_same_file(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size && a->st_mode == b->st_mode &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static void reload_changed(sam_access *access)
{
    struct stat now = {0};
    unsigned hangups = sam_hangups();
    (void)stat(access->path, &now);
    if (is_same_file(&now, &access->seen) && hangups == access->hangups)
        return;
    sam_error err = {0};
    access->hangups = hangups;
    access->seen = now; /* a file that is not good is complained about once */
    if (load(access, &err) == SAM_OK)
        sam_log_info("read %zu tokens from %s", access->count, access->path);
    else
        sam_log_error("%s; the tokens read before go on to be valid", err.text);
}

sam_status sam_access_open(sam_access **access, const char *path, sam_error *err)
{
    *access = NULL;
    sam_access *made = sam_alloc(1, sizeof *made);
    if (made == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory reading %s", path);
    pthread_mutex_init(&made->lock, NULL);
    made->path = sam_strdup(path);
    made->hangups = sam_hangups();
    sam_status status =
        made->path == NULL ? sam_fail(err, SAM_NO_MEMORY, "out of memory reading %s", path) : load(made, err);
    if (status != SAM_OK) {
        sam_access_free(made);
        return status;
    }
    *access = made;
    return SAM_OK;
}

void sam_access_free(sam_access *access)
{
    if (access == NULL)
        return;
    pthread_mutex_destroy(&access->lock);
    sam_free(access->entries);
    sam_free(access->path);
    sam_free(access);
}

bool sam_access_find(sam_access *access, const char *token, sam_caller *caller)
{
    sam_digest digest;
    size_t found = SIZE_MAX;
    sam_digest_of(&digest, token, strlen(token));
    pthread_mutex_lock(&access->lock);
    reload_changed(access);
    for (size_t i = 0; i < access->count; i++)
        if (sodium_memcmp(digest.bytes, access->entries[i].digest.bytes, SAM_DIGEST_BYTES) == 0)
            found = i;
    if (found != SIZE_MAX)
        *caller = access->entries[found].caller;
    pthread_mutex_unlock(&access->lock);
    return found != SIZE_MAX;
}

/* ---- clients ---- */

sam_status sam_token_read(char token[SAM_TOKEN_MOST + 1], const char *path, sam_error *err)
{
    char *text, *rest = NULL;
    sam_status status = sam_secret_read(&text, path, err);
    if (status != SAM_OK)
        return status;
    size_t length = strlen(text);
    char *line = strtok_r(text, "\r\n", &rest);
    while (line != NULL && line[0] == '#')
        line = strtok_r(NULL, "\r\n", &rest);
    if (line == NULL || !is_token(line))
        status =
            sam_fail(err, SAM_INVALID,
                     "%s: its first line is no token: 16 to 512 letters, digits and -._~+/=, and nothing else", path);
    else
        memcpy(token, line, strlen(line) + 1);
    sodium_memzero(text, length);
    sam_free(text);
    return status;
}
