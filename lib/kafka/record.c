#include "lib/kafka/record.h"

#include <errno.h>
#include <string.h>

enum { VERSION = 1, KIND_ANNOUNCE = 1, TYPE_MAX = 100, ID_SIZE = 16 };

int hx_announcement_encode(struct hx_buf *out, const char *type, const struct hx_uuid *ids, size_t n) {
    size_t type_len = strlen(type);
    if (type_len < 1 || type_len > TYPE_MAX || n < 1 || n > HX_ANNOUNCE_MAX)
        return -EINVAL;
    hx_buf_append(out, (uint8_t[]){ 'H', 'X', VERSION, KIND_ANNOUNCE, (uint8_t)type_len }, 5);
    hx_buf_append(out, type, type_len);
    hx_buf_append(out, (uint8_t[]){ (uint8_t)(n >> 8), (uint8_t)n }, 2);
    for (size_t i = 0; i < n; i++)
        hx_buf_append(out, ids[i].b, ID_SIZE);
    return 0;
}

/* The first thing that is wrong with the record, NULL if it is well-formed: then *ret is filled in. */
static const char *read_announcement(const uint8_t *at, size_t left, struct hx_announcement *ret) {
    if (left < 2 || at[0] != 'H' || at[1] != 'X')
        return "not an announcement";
    if (left < 5)
        return "truncated";
    if (at[2] != VERSION)
        return "unknown version";
    if (at[3] != KIND_ANNOUNCE)
        return "unknown kind";
    size_t type_len = at[4];
    if (type_len < 1 || type_len > TYPE_MAX)
        return "type must have 1 to 100 bytes";
    at += 5;
    left -= 5;
    if (left < type_len + 2)
        return "truncated";
    if (memchr(at, 0, type_len) || !hx_utf8_valid((const char *)at, type_len))
        return "type is not text";
    size_t count = (size_t)at[type_len] << 8 | at[type_len + 1];
    if (count < 1 || count > HX_ANNOUNCE_MAX)
        return "count must be 1 to 1000";
    const uint8_t *ids = at + type_len + 2;
    left -= type_len + 2;
    if (left < count * ID_SIZE)
        return "truncated";
    if (left > count * ID_SIZE)
        return "bytes behind the last id";

    memcpy(ret->type, at, type_len);
    ret->type[type_len] = '\0';
    ret->count = count;
    ret->ids = ids;
    return NULL;
}

int hx_announcement_decode(const void *data, size_t size, struct hx_announcement *ret, const char **ret_why) {
    const char *why = read_announcement(data, size, ret);
    if (!why)
        return 0;
    *ret_why = why;
    return -EINVAL;
}

struct hx_uuid hx_announcement_id(const struct hx_announcement *a, size_t i) {
    struct hx_uuid id;
    memcpy(id.b, a->ids + i * ID_SIZE, ID_SIZE);
    return id;
}
