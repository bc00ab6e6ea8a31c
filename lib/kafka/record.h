/* The announcement: what travels in a record. "These jobs may be ready", never a payload, never the truth.
 *
 * Binary, version 1: 'H' 'X', version (1), kind (1 = announce), type length (1 byte, 1..100), type, count (2 bytes,
 * big-endian, 1..1000), count ids of 16 bytes. Nothing may follow. */
#pragma once

#include "common/text.h"
#include "common/uuid.h"

#define HX_ANNOUNCE_MAX 1000

struct hx_announcement {
    char type[101];
    size_t count;
    const uint8_t *ids; /* count * 16 bytes inside the record */
};

/* Appends the record. type 1..100 bytes, 1 <= n <= HX_ANNOUNCE_MAX; -EINVAL otherwise. */
int hx_announcement_encode(struct hx_buf *out, const char *type, const struct hx_uuid *ids, size_t n);
/* Reads one; *ret points into data. 0, or -EINVAL with *ret_why a literal that says what is wrong ("truncated", "version 9"…). */
int hx_announcement_decode(const void *data, size_t size, struct hx_announcement *ret, const char **ret_why);
struct hx_uuid hx_announcement_id(const struct hx_announcement *a, size_t i);
