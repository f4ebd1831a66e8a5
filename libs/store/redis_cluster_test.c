#include "store/redis_cluster.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Slots as `redis-cli cluster keyslot` names them. */
static void keys_are_in_the_slots_that_redis_puts_them_in(void **state)
{
    static const struct {
        const char *key;
        int slot;
    } CASES[] = {{"123456789", 12739}, {"foo", 12182},  {"{foo}bar", 12182},  {"a{foo}b{c}", 12182},
                 {"{}foo", 9500},      {"{foo", 13308}, {"samara:runs", 1289}};
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++)
        if (sam_redis_slot_of_key(CASES[i].key, strlen(CASES[i].key)) != CASES[i].slot)
            fail_msg("%s: %d", CASES[i].key, sam_redis_slot_of_key(CASES[i].key, strlen(CASES[i].key)));
}

static void the_key_of_a_command_is_found(void **state)
{
    static const struct {
        int count;
        const char *words[8];
        int slot;
    } CASES[] = {
        {2, {"GET", "foo"}, 12182},
        {4, {"EVALSHA", "abc", "1", "foo"}, 12182},
        {3, {"EVALSHA", "abc", "0"}, -1},
        {8, {"XREAD", "COUNT", "1", "BLOCK", "250", "STREAMS", "foo", "0-0"}, 12182},
        {3, {"SCRIPT", "LOAD", "foo"}, -1},
        {1, {"PING"}, -1},
        {3, {"WAIT", "1", "100"}, -1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++)
        assert_int_equal(sam_redis_slot(CASES[i].count, CASES[i].words, NULL), CASES[i].slot);
}

static redisReply error_reply(char *text)
{
    return (redisReply){.type = REDIS_REPLY_ERROR, .str = text, .len = strlen(text)};
}

static void a_node_that_sends_us_on_is_understood(void **state)
{
    static char moved[] = "MOVED 3999 127.0.0.1:6381", asked[] = "ASK 7 ::1:9", same_host[] = "MOVED 1 :6380";
    static char no_moves[][40] = {"MOVED",         "MOVED 1 nowhere", "MOVED 16384 a:1",
                                  "MOVED -1 a:1",  "MOVED 1 a:0",     "MOVED 1 a:65536",
                                  "MOVABLE 1 a:1", "ERR MOVED 1 a:1", ""};
    sam_redis_move move;
    (void)state;
    redisReply reply = error_reply(moved);
    assert_true(sam_redis_move_of(&move, &reply));
    assert_true(!move.once && move.slot == 3999 && move.port == 6381 && strcmp(move.host, "127.0.0.1") == 0);
    reply = error_reply(asked);
    assert_true(sam_redis_move_of(&move, &reply));
    assert_true(move.once && move.slot == 7 && move.port == 9 && strcmp(move.host, "::1") == 0);
    reply = error_reply(same_host);
    assert_true(sam_redis_move_of(&move, &reply) && move.host[0] == 0);
    for (size_t i = 0; i < sizeof no_moves / sizeof no_moves[0]; i++) {
        reply = error_reply(no_moves[i]);
        assert_false(sam_redis_move_of(&move, &reply));
    }
    reply = error_reply(moved);
    reply.type = REDIS_REPLY_STRING;
    assert_false(sam_redis_move_of(&move, &reply));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_in_the_slots_that_redis_puts_them_in),
        cmocka_unit_test(the_key_of_a_command_is_found),
        cmocka_unit_test(a_node_that_sends_us_on_is_understood),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
