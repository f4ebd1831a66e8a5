#include "rounds.h"

#include "seed/code.h"

sam_scale exact_rounds_scale(const exact_rounds *rounds, uint64_t round)
{
    size_t i = rounds->put;
    while (i > 0 && rounds->history[i - 1].round > round)
        i--;
    return i == 0 ? (sam_scale){0} : rounds->history[i - 1].scale;
}

static sam_price price_of(const exact_rounds *rounds, uint64_t origin)
{
    uint64_t state_round = origin > rounds->lag ? origin - rounds->lag : 0;
    sam_scale before = exact_rounds_scale(rounds, state_round);
    return sam_price_of(&rounds->size, &before, origin);
}

static bool weigh(const exact_rounds *rounds, const exact_record *records, size_t count, uint32_t *weights)
{
    sam_guarded guarded[EXACT_RECORDS_MAX] = {0};
    for (size_t i = 0; i < count; i++) {
        sam_price price = price_of(rounds, records[i].round);
        for (uint32_t p = 0; p < rounds->numbering.probes; p++) {
            guarded[i].sum += (uint64_t)sam_price_size(&price, records[i].codes[p]);
            guarded[i].values += sam_code_has_value(records[i].codes[p]);
        }
    }
    return sam_guard_weigh(&rounds->guard, guarded, count, weights);
}

static void move(const exact_rounds *rounds, const exact_record *record, uint32_t weight, sam_move *moves)
{
    sam_price price = price_of(rounds, record->round);
    sam_step step = sam_number_slot(&rounds->numbering, record->round, record->place);
    for (uint32_t p = 0; p < rounds->numbering.probes; p++)
        moves[p] = (sam_move){.direction = {step.epoch, step.direction + p},
                              .amount = sam_weighted(sam_price_amount(&price, record->codes[p]), weight)};
}

static void learn(exact_rounds *rounds, uint64_t round, const exact_record *records, size_t count,
                  const uint32_t *weights)
{
    sam_scale scale = exact_rounds_scale(rounds, round);
    sam_u128 squares = 0;
    uint64_t values = 0;
    for (size_t i = 0; i < count; i++) {
        sam_price price = price_of(rounds, records[i].round);
        for (uint32_t p = 0; weights[i] > 0 && p < rounds->numbering.probes; p++) {
            int64_t size = sam_weighted(sam_price_size(&price, records[i].codes[p]), weights[i]);
            squares += (sam_u128)size * (sam_u128)size;
            values += sam_code_has_value(records[i].codes[p]);
        }
    }
    sam_scale_learn(&rounds->size.scale, &scale, squares, values);
    rounds->history[rounds->put++] = (exact_scale){round + 1, scale};
}

bool exact_rounds_put(exact_rounds *rounds, uint64_t round, const exact_record *records, size_t count,
                      uint32_t *weights, sam_move *moves)
{
    if (rounds->put == EXACT_ROUNDS_MAX || count > EXACT_RECORDS_MAX || !weigh(rounds, records, count, weights))
        return false;
    for (size_t i = 0; i < count; i++)
        move(rounds, &records[i], weights[i], moves + i * rounds->numbering.probes);
    learn(rounds, round, records, count, weights);
    return true;
}
