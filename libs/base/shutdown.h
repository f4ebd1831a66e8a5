/* Clean shutdown: SIGTERM and SIGINT set a flag, and make one descriptor readable, for loops that poll.
 *
 *     sam_shutdown_catch();
 *     struct pollfd asked = {.fd = sam_shutdown_fd(), .events = POLLIN};
 *     while (!sam_shutdown_requested())
 *         poll(&asked, 1, 1000);                    // until SIGTERM or SIGINT, or for a second; then other work
 *
 * A second signal of the same kind ends the process at once, as people expect of a second Ctrl-C.
 * SIGPIPE is ignored from then on.
 *
 * A service that can read its files anew also calls sam_hangups_catch(): then SIGHUP does not end it but is counted,
 * and who keeps something of a file compares the count with the one it saw. Thread safety: catch once, before threads
 * start; the others from any thread.
 */
#ifndef SAM_BASE_SHUTDOWN_H
#define SAM_BASE_SHUTDOWN_H

#include <stdbool.h>

void sam_shutdown_catch(void);
bool sam_shutdown_requested(void);
void sam_shutdown_request(void); /* from inside, as if the signal had come */
int sam_shutdown_fd(void);

void sam_hangups_catch(void);
unsigned sam_hangups(void); /* SIGHUPs since then */

#endif
