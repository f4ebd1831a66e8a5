/* The other side of a connection, for fuzz targets: it takes every connection and answers with bytes that were set,
 * whatever it is sent, and then ends its side. One connection at a time. A thread of this process, on loopback or on a
 * socket in a folder.
 *
 *     static fuzz_peer peer;
 *     fuzz_peer_start(&peer, NULL);                  // once; peer.address: "127.0.0.1:43210"
 *     fuzz_peer_set(&peer, bytes, length);           // answered from now on; borrowed until the next set
 *     fuzz_peer_script(&peer, answers, 3);           // to the first connection, the second, and all others
 */
#ifndef SAM_FUZZ_PEER_H
#define SAM_FUZZ_PEER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct fuzz_answer {
    const uint8_t *bytes;
    size_t length;
} fuzz_answer;

#define FUZZ_ANSWERS_MAX 4u
#define FUZZ_PATIENCE_MS 600000u /* for timeouts: the peer always ends, however slow or stopped the machine is */

typedef struct fuzz_peer {
    char address[160]; /* "127.0.0.1:PORT", or "unix:/PATH" */
    int listener;
    pthread_mutex_t lock; /* guards what follows */
    fuzz_answer answers[FUZZ_ANSWERS_MAX];
    size_t count, next;
} fuzz_peer;

/* `socket_path` NULL: on loopback. Traps where that cannot be. */
void fuzz_peer_start(fuzz_peer *peer, const char *socket_path);
/* Returns when no earlier connection is being answered any more. */
void fuzz_peer_set(fuzz_peer *peer, const uint8_t *bytes, size_t length);
void fuzz_peer_script(fuzz_peer *peer, const fuzz_answer *answers, size_t count);
/* Of answers as a Redis gives them: they would send us on to another machine, which no test may talk to. */
bool fuzz_peer_refers(const uint8_t *bytes, size_t length);

#endif
