/* One fixed pseudo-random run through libs/seed, printed as digests: the same lines on every processor.
 *
 *     exact_digest                          what this machine computes
 *     qemu-aarch64 exact_digest             what another one does
 *     exact_digest.py                       what the second implementation does
 *
 * Needs libc only. Lines: "NAME DIGEST".
 */
#include "blake2b.h"

#include "seed/code.h"
#include "seed/directions/directions.h"
#include "seed/update.h"

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

static void move_in_batches(sam_directions *directions, uint32_t epoch, uint64_t *generator)
{
    sam_move moves[40];
    for (size_t done = 0; done < MOVES;) {
        size_t count = 1 + (size_t)(draw(generator) % 40);
        count = count < MOVES - done ? count : MOVES - done;
        for (size_t m = 0; m < count; m++) {
            moves[m].direction = (sam_direction){epoch, draw(generator) >> 20};
            uint64_t word = draw(generator);
            int64_t size = (int64_t)(word >> (2 + word % 50)); /* all magnitudes up to 2^62 */
            moves[m].amount = (draw(generator) & 1) != 0 ? -size : size;
        }
        if (!sam_directions_move(directions, moves, count))
            exit(1);
        done += count;
    }
}

/* All moves are of one epoch, and its state is the last. */
static int family_run(const char *name, const sam_directions_spec *spec, uint32_t epoch)
{
    uint64_t generator = spec->seed;
    sam_directions *directions = sam_directions_new(spec);
    size_t length = directions == NULL ? 0 : (size_t)sam_directions_state_bytes(directions);
    uint8_t *bytes = malloc(length + 1);
    if (directions == NULL || bytes == NULL)
        return 1;
    char line[64];
    move_in_batches(directions, epoch, &generator);
    sam_directions_state_read(directions, sam_directions_state_bytes(directions) - length, length, bytes);
    snprintf(line, sizeof line, "%s-state", name);
    print_digest(line, bytes, length);
    snprintf(line, sizeof line, "%s-weights", name);
    print_weights(line, directions, &generator);
    free(bytes);
    sam_directions_free(directions);
    return 0;
}

/* Codes from floats of all magnitudes, through every schedule, normaliser and guard in turn. */
static int update_run(unsigned number)
{
    static uint8_t bytes[ROUNDS][8 * (SLOTS * PROBES + 2)];
    uint64_t generator = number;
    const sam_update_spec spec = {
        .rate = (uint64_t)1 << (10 + number),
        .schedule = {(sam_schedule_kind)(number % 4), 10 * number, 300, number},
        .normaliser = {(sam_normaliser_kind)(number % 3), number % 7, 5 * number},
        .guard = {(sam_guard_kind)(number / 3 % 3), 256 + 90 * number, 20 * number, 256 + 50 * number},
    };
    sam_update_state carried = {0};
    for (uint64_t round = 0; round < ROUNDS; round++) {
        uint8_t codes[SLOTS * PROBES];
        int64_t amounts[SLOTS * PROBES];
        for (size_t i = 0; i < SLOTS * PROBES; i++) {
            uint64_t word = draw(&generator);
            double size = (double)(word >> 20 & 0xfffff) / (double)(1u << (word % 24));
            codes[i] = word >> 60 == 0 ? SAM_CODE_NONE : sam_code_encode(word >> 59 & 1 ? -size : size);
        }
        if (!sam_update_round(&spec, &carried, round, codes, SLOTS, PROBES, amounts))
            return 1;
        for (size_t i = 0; i < SLOTS * PROBES; i++)
            put(bytes[round] + 8 * i, (uint64_t)amounts[i], 8);
        put(bytes[round] + 8 * SLOTS * PROBES, carried.mean_square, 8);
        put(bytes[round] + 8 * SLOTS * PROBES + 8, carried.rounds_seen, 8);
    }
    char name[32];
    snprintf(name, sizeof name, "update-%u", number);
    print_digest(name, &bytes[0][0], sizeof bytes);
    return 0;
}

int main(void)
{
    const struct {
        const char *name;
        sam_directions_spec spec;
        uint32_t epoch;
    } FAMILIES[] = {
        {"sketch-6", {.family = SAM_SKETCH, .log2_k = 6, .seed = 1, ONE_TENSOR(700), .eta_log2 = -60}, 0},
        {"sketch-13", {.family = SAM_SKETCH, .log2_k = 13, .seed = 2, ONE_TENSOR(9000), .eta_log2 = -66}, 9},
        {"rademacher", {.family = SAM_DENSE_RADEMACHER, .seed = 3, ONE_TENSOR(700), .eta_log2 = -30}, 0},
        {"rademacher-pool", {.family = SAM_DENSE_RADEMACHER, .log2_pool = 9, .seed = 4, ONE_TENSOR(401)}, 1},
        {"gaussian", {.family = SAM_DENSE_GAUSSIAN, .seed = 5, ONE_TENSOR(700), .eta_log2 = -28}, 0},
    };
    int failed = hashes();
    for (size_t i = 0; i < sizeof FAMILIES / sizeof FAMILIES[0]; i++)
        failed |= family_run(FAMILIES[i].name, &FAMILIES[i].spec, FAMILIES[i].epoch);
    for (unsigned number = 0; number < 12; number++)
        failed |= update_run(number);
    return failed;
}
