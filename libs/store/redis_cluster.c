#include "store/redis_cluster.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* CRC-16/XMODEM, as the cluster's specification has it. */
static unsigned crc16(const char *bytes, size_t length)
{
    unsigned crc = 0;
    for (size_t i = 0; i < length; i++) {
        crc ^= (unsigned)(unsigned char)bytes[i] << 8;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc & 0x8000u ? (crc << 1) ^ 0x1021u : crc << 1) & 0xffffu;
    }
    return crc;
}

int sam_redis_slot_of_key(const char *key, size_t length)
{
    const char *open = memchr(key, '{', length);
    if (open != NULL) {
        const char *close = memchr(open + 1, '}', length - (size_t)(open + 1 - key));
        if (close != NULL && close > open + 1) {
            key = open + 1;
            length = (size_t)(close - key);
        }
    }
    return (int)(crc16(key, length) % SAM_REDIS_SLOTS);
}

/* Which word is the (first) key; 0: none. Of the commands that Samara sends. */
static int key_at(int count, const char *const *words)
{
    static const char *const WITHOUT[] = {"PING", "AUTH",   "SELECT", "SCRIPT",   "CONFIG", "INFO",
                                          "ROLE", "ASKING", "WAIT",   "FLUSHALL", "CLUSTER"};
    for (size_t i = 0; i < sizeof WITHOUT / sizeof WITHOUT[0]; i++)
        if (strcasecmp(words[0], WITHOUT[i]) == 0)
            return 0;
    if (strcasecmp(words[0], "EVALSHA") == 0 || strcasecmp(words[0], "EVAL") == 0)
        return count > 3 && strcmp(words[2], "0") != 0 ? 3 : 0;
    if (strcasecmp(words[0], "XREAD") == 0) {
        for (int i = 1; i + 1 < count; i++)
            if (strcasecmp(words[i], "STREAMS") == 0)
                return i + 1;
        return 0;
    }
    return count > 1 ? 1 : 0;
}

int sam_redis_slot(int count, const char *const *words, const size_t *lengths)
{
    int at = key_at(count, words);
    if (at == 0)
        return -1;
    return sam_redis_slot_of_key(words[at], lengths == NULL ? strlen(words[at]) : lengths[at]);
}

bool sam_redis_move_of(sam_redis_move *move, const redisReply *reply)
{
    if (reply->type != REDIS_REPLY_ERROR)
        return false;
    char word[8], place[280];
    *move = (sam_redis_move){0};
    if (sscanf(reply->str, "%7s %d %279s", word, &move->slot, place) != 3)
        return false;
    move->once = strcmp(word, "ASK") == 0;
    const char *colon = strrchr(place, ':');
    if ((!move->once && strcmp(word, "MOVED") != 0) || move->slot < 0 || move->slot >= SAM_REDIS_SLOTS ||
        colon == NULL || (size_t)(colon - place) >= sizeof move->host || sscanf(colon + 1, "%u", &move->port) != 1 ||
        move->port == 0 || move->port > 65535)
        return false;
    memcpy(move->host, place, (size_t)(colon - place));
    return true;
}
