/* One fixed pseudo-random run through libs/seed, printed as digests: the same lines on every processor.
 *
 *     exact_digest                          what this machine computes
 *     qemu-aarch64 exact_digest             what another one does
 *     exact_digest.py                       what the second implementation does
 *
 * Needs libc only. Lines: "NAME DIGEST".
 */
#include "blake2b.h"
#include "rounds.h"

#include "seed/code.h"
#include "seed/directions/directions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOVES   3000
#define WEIGHTS 300
#define ROUNDS  120
#define SLOTS   5
#define PROBES  3

#define ONE_TENSOR(size) .tensors = &(const sam_directions_tensor){0, 1, size}, .tensor_count = 1

/* SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): enough to choose inputs. */
static uint64_t draw(uint64_t *generator)
{
    *generator += 0x9e3779b97f4a7c15u;
    uint64_t z = *generator;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static void print_digest(const char *name, const uint8_t *bytes, size_t length)
{
    uint8_t digest[32];
    blake2b_256(digest, bytes, length);
    printf("%s ", name);
    for (size_t i = 0; i < sizeof digest; i++)
        printf("%02x", digest[i]);
    printf("\n");
}

static void put(uint8_t *out, uint64_t value, size_t count)
{
    for (size_t i = 0; i < count; i++)
        out[i] = (uint8_t)(value >> (8 * i));
}

static int hashes(void)
{
    static const size_t LENGTHS[] = {0, 1, 127, 128, 129, 256, 1000};
    uint8_t bytes[1000];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(7 * i);
    for (size_t i = 0; i < sizeof LENGTHS / sizeof LENGTHS[0]; i++) {
        char name[32];
        snprintf(name, sizeof name, "blake2b-%zu", LENGTHS[i]);
        print_digest(name, bytes, LENGTHS[i]);
    }
    return 0;
}

static void print_weights(const char *name, const sam_directions *directions, uint64_t *generator)
{
    float base[WEIGHTS], theta[WEIGHTS];
    uint8_t bytes[4 * WEIGHTS];
    for (size_t i = 0; i < WEIGHTS; i++) {
        uint64_t word = draw(generator); /* exponents 2^-24..2^7, any sign and mantissa */
        uint32_t bits = (uint32_t)(word & 0x807fffffu) | (uint32_t)(103 + (word >> 32) % 32) << 23;
        memcpy(&base[i], &bits, sizeof bits);
    }
    sam_directions_weights(directions, 100, WEIGHTS, base, theta);
    for (size_t i = 0; i < WEIGHTS; i++) {
        uint32_t bits;
        memcpy(&bits, &theta[i], sizeof bits);
        put(bytes + 4 * i, bits, 4);
    }
    print_digest(name, bytes, sizeof bytes);
}

static void move_in_batches(sam_directions *directions, uint32_t epochs, uint64_t *generator)
{
    sam_move moves[40];
    for (size_t done = 0; done < MOVES;) {
        size_t count = 1 + (size_t)(draw(generator) % 40);
        count = count < MOVES - done ? count : MOVES - done;
        for (size_t m = 0; m < count; m++) {
            uint64_t number = draw(generator);
            moves[m].direction = (sam_direction){(uint32_t)(number % epochs), number >> 20};
            uint64_t word = draw(generator);
            int64_t size = (int64_t)(word >> (2 + word % 50)); /* all magnitudes up to 2^62 */
            moves[m].amount = (draw(generator) & 1) != 0 ? -size : size;
        }
        if (!sam_directions_move(directions, moves, count))
            exit(1);
        done += count;
    }
}

static int family_run(const char *name, const sam_directions_spec *spec, uint32_t epochs)
{
    uint64_t generator = spec->seed;
    sam_directions *directions = sam_directions_new(spec);
    if (directions == NULL)
        return 1;
    move_in_batches(directions, epochs, &generator);
    size_t length = (size_t)sam_directions_state_bytes(directions);
    uint8_t *bytes = malloc(length);
    if (bytes == NULL)
        return 1;
    char line[64];
    sam_directions_state_read(directions, 0, length, bytes);
    snprintf(line, sizeof line, "%s-state", name);
    print_digest(line, bytes, length);
    snprintf(line, sizeof line, "%s-weights", name);
    print_weights(line, directions, &generator);
    free(bytes);
    sam_directions_free(directions);
    return 0;
}

/* Any code, from floats of all magnitudes. */
static uint8_t random_code(uint64_t *generator)
{
    uint64_t word = draw(generator);
    double size = (double)(word >> 20 & 0xfffff) / (double)(1u << (word % 24));
    return word >> 60 == 0 ? SAM_CODE_NONE : sam_code_encode(word >> 59 & 1 ? -size : size);
}

static exact_rounds rounds_of(unsigned number)
{
    return (exact_rounds){
        .numbering = {SLOTS, PROBES, number % 2 == 0 ? 0 : 7 * number},
        .size = {.rate = (uint64_t)1 << (10 + number),
                 .schedule = {(sam_schedule_kind)(number % 4), 10 * number, 300, number},
                 .scale = {(sam_scale_kind)(number % 3), 1000 + 300 * number, number % 7, 5 * number},
                 .clip = 256 + 90 * number},
        .guard = {(sam_guard_kind)(number / 3 % 3), 20 * number, 256 + 50 * number},
        .lag = number % 5,
    };
}

/* Each place of a round has a record, but for one place of two in three rounds. */
static size_t random_records(uint64_t *generator, uint64_t round, uint8_t codes[SLOTS][PROBES], exact_record *records)
{
    uint64_t empty = draw(generator) % SLOTS;
    size_t count = 0;
    for (uint32_t place = 0; place < SLOTS; place++) {
        if (place == empty && round % 3 != 0)
            continue;
        for (size_t p = 0; p < PROBES; p++)
            codes[count][p] = random_code(generator);
        records[count] = (exact_record){round, place, codes[count]};
        count++;
    }
    return count;
}

static uint8_t *put_round(uint8_t *out, const uint32_t *weights, const sam_move *moves, size_t count)
{
    for (size_t i = 0; i < count; i++, out += 8)
        put(out, weights[i], 8);
    for (size_t i = 0; i < count * PROBES; i++, out += 24) {
        put(out, moves[i].direction.epoch, 8);
        put(out + 8, moves[i].direction.number, 8);
        put(out + 16, (uint64_t)moves[i].amount, 8);
    }
    return out;
}

/* Through every schedule, scale and guard in turn, with and without lag and epochs. */
static int rounds_run(unsigned number)
{
    static uint8_t bytes[ROUNDS * 8 * (SLOTS * (1 + 3 * PROBES) + 2)];
    uint64_t generator = number;
    exact_rounds rounds = rounds_of(number);
    uint8_t *out = bytes;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        uint8_t codes[SLOTS][PROBES];
        exact_record records[SLOTS];
        uint32_t weights[SLOTS];
        sam_move moves[SLOTS * PROBES];
        size_t count = random_records(&generator, round, codes, records);
        if (!exact_rounds_put(&rounds, round, records, count, weights, moves))
            return 1;
        sam_scale scale = exact_rounds_scale(&rounds, round + 1);
        out = put_round(out, weights, moves, count);
        put(out, scale.mean_square, 8);
        put(out + 8, scale.rounds_seen, 8);
        out += 16;
    }
    char name[32];
    snprintf(name, sizeof name, "rounds-%u", number);
    print_digest(name, bytes, (size_t)(out - bytes));
    return 0;
}

int main(void)
{
    const struct {
        const char *name;
        sam_directions_spec spec;
        uint32_t epochs;
    } FAMILIES[] = {
        {"sketch-6", {.choice.family = SAM_SKETCH, .choice.log2_k = 6, .seed = 1, ONE_TENSOR(700), .eta_log2 = -60}, 1},
        {"sketch-13",
         {.choice.family = SAM_SKETCH, .choice.log2_k = 13, .seed = 2, ONE_TENSOR(9000), .eta_log2 = -66},
         3},
        {"rademacher", {.choice.family = SAM_DENSE_RADEMACHER, .seed = 3, ONE_TENSOR(700), .eta_log2 = -30}, 1},
        {"rademacher-pool",
         {.choice.family = SAM_DENSE_RADEMACHER, .choice.log2_pool = 9, .seed = 4, ONE_TENSOR(401)},
         4},
        {"gaussian", {.choice.family = SAM_DENSE_GAUSSIAN, .seed = 5, ONE_TENSOR(700), .eta_log2 = -28}, 2},
    };
    int failed = hashes();
    for (size_t i = 0; i < sizeof FAMILIES / sizeof FAMILIES[0]; i++)
        failed |= family_run(FAMILIES[i].name, &FAMILIES[i].spec, FAMILIES[i].epochs);
    for (unsigned number = 0; number < 12; number++)
        failed |= rounds_run(number);
    return failed;
}
