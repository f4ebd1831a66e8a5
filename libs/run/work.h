/* Kinds of work that a ledger gives and a worker does: one table says how each is written everywhere.
 *
 *     sam_work work = {SAM_WORK_SLOT, 41, 3};
 *     char text[SAM_WORK_TEXT];
 *     sam_work_write(text, &work);                            // "s:41:3", as Redis has it
 *     if (!sam_work_parse(&work, text))
 *         return;
 *     puts(sam_work_kind_of(work.kind)->name);                // "slot"
 *
 * A new kind is a row here. Pure data, safe from any thread.
 */
#ifndef SAM_RUN_WORK_H
#define SAM_RUN_WORK_H

#include <stdbool.h>
#include <stdint.h>

/* What the result of a kind of work is made of. */
typedef enum sam_work_yield { SAM_YIELDS_RECORD, SAM_YIELDS_EVALUATION } sam_work_yield;

/* name, byte on the wire, letter in Redis, what it yields:
 *   SLOT        a place of an open round: a minibatch and its probes
 *   EVALUATION  a chunk of the dev data, at the state before a round
 *   CHECK       a place of a committed round, computed once more to be compared */
#define SAM_WORK_TABLE(X)                                                                                              \
    X(SLOT, "slot", 1, 's', SAM_YIELDS_RECORD)                                                                         \
    X(EVALUATION, "evaluation", 2, 'e', SAM_YIELDS_EVALUATION)                                                         \
    X(CHECK, "check", 3, 'v', SAM_YIELDS_RECORD)

typedef enum sam_work_kind {
#define X(name, text, byte, letter, yields) SAM_WORK_##name = (byte),
    SAM_WORK_TABLE(X)
#undef X
} sam_work_kind;

typedef struct sam_work_row {
    sam_work_kind kind; /* its number is its byte on the wire */
    const char *name;
    char letter;
    sam_work_yield yields;
} sam_work_row;

const sam_work_row *sam_work_kind_of(unsigned kind);      /* NULL: there is none with this byte */
const sam_work_row *sam_work_kind_by_letter(char letter); /* NULL: none */

typedef struct sam_work {
    sam_work_kind kind;
    uint64_t round;
    uint32_t index; /* place of a slot or check, chunk of an evaluation */
} sam_work;

#define SAM_WORK_TEXT 40 /* bytes that the text of any work needs, with its end */

void sam_work_write(char text[SAM_WORK_TEXT], const sam_work *work);
bool sam_work_parse(sam_work *work, const char *text); /* false: not the text of a work */

#endif
