#include "support/amx_tiles.h"

#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* The emulation against what the manual's pseudo-code gives by hand. */

static const tile_config SMALL = {.palette = 1, .rows = {1, 1, 2}, .row_bytes = {4, 8, 4}};

static uint16_t bf16(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return (uint16_t)(bits >> 16);
}

/* sum + a . b for one row, one column and two pairs. */
static float dot(float sum, const float a[4], const float b[4])
{
    uint16_t row[4], column[4];
    for (int i = 0; i < 4; i++) {
        row[i] = bf16(a[i]);
        column[i] = bf16(b[i]);
    }
    emulated_configure(&SMALL);
    emulated_load(0, &sum, 4);
    emulated_load(1, row, 8);
    emulated_load(2, column, 4);
    emulated_multiply(0, 1, 2);
    emulated_store(0, &sum, 4);
    emulated_release();
    return sum;
}

static void a_product_is_rounded_as_the_manual_orders_it(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        float sum, a[4], b[4], expected;
    } CASES[] = {
        {"plain numbers", 1, {1, 2, 3, 4}, {5, 6, 7, 8}, 71},
        {"first and second halves have chains of their own", 0, {0x1p30f, 1, -0x1p30f, 2}, {1, 1, 1, 1}, 3},
        {"a chain is rounded at each step", 0, {0x1p30f, 0, 1, 0}, {1, 0, 1, 0}, 0x1p30f},
        {"the sum comes last", 0x1p30f, {-0x1p30f, 1, 0, 0}, {1, 1, 0, 0}, 0},
        {"a denormal factor is zero", 1, {0x1p-127f, 0, 0, 0}, {0x1p127f, 0, 0, 0}, 1},
        {"a denormal sum is zero", 0x1p-127f, {0}, {0}, 0},
        {"a denormal step is zero", 0, {0x1p-100f, 0, 0x1p-63f, 0}, {0x1p-27f, 0, 0x1p-63f, 0}, 0x1p-126f},
        {"a denormal total of the chains is zero", 0, {0x1.8p-126f, -0x1p-126f, 0, 0}, {1, 1, 0, 0}, 0},
        {"the smallest normal number stays", 0, {0x1p-126f, 0, 0, 0}, {1, 0, 0, 0}, 0x1p-126f},
        {"infinity stays", 0, {INFINITY, 0, 0, 0}, {1, 0, 0, 0}, INFINITY},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        float got = dot(CASES[i].sum, CASES[i].a, CASES[i].b);
        if (memcmp(&got, &CASES[i].expected, sizeof got) != 0)
            fail_msg("%s: %a instead of %a", CASES[i].what, (double)got, (double)CASES[i].expected);
    }
    assert_true(isnan(dot(0, (float[]){INFINITY, 0, 0, 0}, (float[]){0, 0, 0, 0})));
}

/* Around 2^-126, the smallest normal number. */
static void a_result_just_below_the_normal_numbers_is_flushed_by_its_unbounded_rounding(void **state)
{
    (void)state;
    const float a = 0x1.fep-64f, below = 0x1.fep-64f, above = 0x1.02p-63f;
    assert_true(dot(0, (float[]){a, 0, 0, 0}, (float[]){below, 0, 0, 0}) == 0);
    assert_true(dot(0, (float[]){a, 0, 0, 0}, (float[]){above, 0, 0, 0}) == a * above);
    /* 2^-126 - 2^-150 has 24 bits and is too small; rounded as a denormal it would become 2^-126. */
    assert_true(dot(0, (float[]){0x1p-126f, 0, 0x1p-75f, 0}, (float[]){1, 0, -0x1p-75f, 0}) == 0);
    /* 2^-126 - 2^-151 is a tie, whose even end is 2^-126. */
    assert_true(dot(0, (float[]){0x1p-126f, 0, 0x1p-75f, 0}, (float[]){1, 0, -0x1p-76f, 0}) == 0x1p-126f);
}

static void a_tile_loads_and_stores_its_rows_and_nothing_else(void **state)
{
    (void)state;
    const tile_config config = {.palette = 1, .rows = {3}, .row_bytes = {8}};
    unsigned char from[3][10], to[4][12];
    for (size_t i = 0; i < sizeof from; i++)
        ((unsigned char *)from)[i] = (unsigned char)(i + 1);
    memset(to, 0xee, sizeof to);
    emulated_configure(&config);
    assert_true(emulated_in_use());
    emulated_load(0, from, sizeof from[0]);
    emulated_store(0, to, sizeof to[0]);
    for (size_t r = 0; r < 4; r++)
        for (size_t i = 0; i < 12; i++)
            assert_int_equal(to[r][i], r < 3 && i < 8 ? from[r][i] : 0xee);
    emulated_zero(0);
    emulated_store(0, to, sizeof to[0]);
    assert_int_equal(to[2][7], 0);
    emulated_release();
    assert_false(emulated_in_use());
}

/* ---- what the CPU refuses ---- */

static sigjmp_buf back;

static void jump_back(int number)
{
    (void)number;
    siglongjmp(back, 1);
}

static bool refused(void (*instructions)(const tile_config *), const tile_config *config)
{
    void (*old)(int) = signal(SIGILL, jump_back);
    volatile bool raised = true;
    if (sigsetjmp(back, 1) == 0) {
        instructions(config);
        raised = false;
    }
    (void)signal(SIGILL, old);
    emulated_release();
    return raised;
}

static void configure(const tile_config *config)
{
    emulated_configure(config);
}

static void multiply(const tile_config *config)
{
    emulated_configure(config);
    emulated_multiply(0, 1, 2);
}

static void multiply_a_tile_by_itself(const tile_config *config)
{
    emulated_configure(config);
    emulated_multiply(0, 1, 1);
}

static void zero_after_release(const tile_config *config)
{
    emulated_configure(config);
    emulated_release();
    emulated_zero(0);
}

static void what_the_cpu_refuses_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        void (*instructions)(const tile_config *);
        tile_config config;
    } CASES[] = {
        {"palette 2", configure, {.palette = 2}},
        {"a reserved byte", configure, {.palette = 1, .reserved = {[13] = 1}}},
        {"a ninth tile", configure, {.palette = 1, .rows = {[8] = 1}, .row_bytes = {[8] = 4}}},
        {"17 rows", configure, {.palette = 1, .rows = {17}, .row_bytes = {64}}},
        {"68 bytes", configure, {.palette = 1, .rows = {1}, .row_bytes = {68}}},
        {"rows without bytes", configure, {.palette = 1, .rows = {1}}},
        {"bytes without rows", configure, {.palette = 1, .row_bytes = {4}}},
        {"no palette", multiply, {.palette = 0}},
        {"a missing tile", multiply, {.palette = 1, .rows = {1, 1}, .row_bytes = {4, 4}}},
        {"half a word", multiply, {.palette = 1, .rows = {1, 1, 1}, .row_bytes = {4, 6, 4}}},
        {"other rows", multiply, {.palette = 1, .rows = {2, 1, 1}, .row_bytes = {4, 4, 4}}},
        {"other columns", multiply, {.palette = 1, .rows = {1, 1, 1}, .row_bytes = {4, 4, 8}}},
        {"other pairs", multiply, {.palette = 1, .rows = {1, 1, 1}, .row_bytes = {4, 8, 4}}},
        {"one tile twice", multiply_a_tile_by_itself, {.palette = 1, .rows = {1, 1}, .row_bytes = {4, 4}}},
        {"after release", zero_after_release, {.palette = 1, .rows = {1}, .row_bytes = {4}}},
    };
    assert_false(refused(multiply, &SMALL));
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++)
        if (!refused(CASES[i].instructions, &CASES[i].config))
            fail_msg("%s is accepted", CASES[i].what);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_product_is_rounded_as_the_manual_orders_it),
        cmocka_unit_test(a_result_just_below_the_normal_numbers_is_flushed_by_its_unbounded_rounding),
        cmocka_unit_test(a_tile_loads_and_stores_its_rows_and_nothing_else),
        cmocka_unit_test(what_the_cpu_refuses_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
