#include "common/text.h"
#include "lib/kafka/kafka.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* 0, or -ENAMETOOLONG: Kafka's limit is 249 bytes. */
static int fits(int written) {
    return written >= 0 && written < HX_TOPIC_SIZE ? 0 : -ENAMETOOLONG;
}

int hx_topic_jobs(char out[HX_TOPIC_SIZE], const char *prefix, const char *queue, _Bool high) {
    return fits(snprintf(out, HX_TOPIC_SIZE, "%s.jobs.%s%s", prefix, queue, high ? ".high" : ""));
}

int hx_topic_dead_letter(char out[HX_TOPIC_SIZE], const char *prefix) {
    return fits(snprintf(out, HX_TOPIC_SIZE, "%s.dead-letter", prefix));
}

_Bool hx_topic_name_valid(const char *name) {
    static const char legal[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t len = strlen(name);
    return len >= 1 && len <= 100 && strspn(name, legal) == len;
}
