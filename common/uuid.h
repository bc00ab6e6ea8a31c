/* UUIDs: RFC 9562 version 7 for jobs (their order is time's order), version 4 for tokens. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct hx_uuid {
    uint8_t b[16];
};

#define HX_UUID_SIZE 37 /* 36 characters and a NUL */

/* A version 7 UUID: 48 bits of Unix milliseconds, then a counter that keeps ids of one process strictly ascending
 * within and across milliseconds (RFC 9562, section 6.2, method 1), then random bits. */
struct hx_uuid hx_uuid_v7(void);
/* The same at a given time; one before the last id's continues that one's counter. Tests turn the clock back with it. */
struct hx_uuid hx_uuid_v7_at(int64_t unix_ms);
/* A version 4 UUID from getrandom(2). */
struct hx_uuid hx_uuid_v4(void);
/* The time of a version 7 UUID in Unix milliseconds, or -1 for another version. */
int64_t hx_uuid_v7_ms(const struct hx_uuid *u);

void hx_uuid_format(const struct hx_uuid *u, char out[HX_UUID_SIZE]);
/* Takes exactly the 36-character form, any case. 0 or -EINVAL. */
int hx_uuid_parse(const char *text, struct hx_uuid *ret);
/* memcmp order, which is PostgreSQL's order of uuid. */
int hx_uuid_cmp(const struct hx_uuid *a, const struct hx_uuid *b);
bool hx_uuid_eq(const struct hx_uuid *a, const struct hx_uuid *b);

/* Random bytes that need not be secret but must differ between processes: backoff, sampling. */
uint64_t hx_random_u64(void);
