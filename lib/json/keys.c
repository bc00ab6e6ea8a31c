/* The members of an object that were seen so far: two with one name are refused. */
#include "lib/json/scan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FEW 12 /* up to here comparing all pairs is quicker than sorting */

void hx_json_keys_add(struct hx_json_scan *s, const struct hx_json_string *key) {
    if (s->key_count == s->key_room) {
        s->key_room = s->key_room ? s->key_room * 2 : 32;
        s->keys = hx_realloc(s->keys, s->key_room * sizeof *s->keys);
    }
    struct hx_json_key *k = &s->keys[s->key_count++];
    *k = (struct hx_json_key){ .length = key->length, .position = key->position, .unescaped = key->escaped };
    if (key->escaped) {
        k->start = s->unescaped.len;
        hx_buf_append(&s->unescaped, key->data, key->length);
    } else {
        k->start = (size_t)(key->data - s->text);
    }
}

static const char *key_data(const struct hx_json_scan *s, const struct hx_json_key *k) {
    if (k->length == 0)
        return "";
    return (k->unescaped ? s->unescaped.data : s->text) + k->start;
}

static bool same(const struct hx_json_scan *s, const struct hx_json_key *a, const struct hx_json_key *b) {
    return a->length == b->length && memcmp(key_data(s, a), key_data(s, b), a->length) == 0;
}

static int compare(const void *left, const void *right, void *scan) {
    const struct hx_json_key *a = left, *b = right;
    if (a->length != b->length)
        return a->length < b->length ? -1 : 1;
    int r = memcmp(key_data(scan, a), key_data(scan, b), a->length);
    if (r != 0)
        return r;
    return a->position < b->position ? -1 : a->position > b->position;
}

static int fail_duplicate(struct hx_json_scan *s, const struct hx_json_key *k) {
    _cleanup_buf_ struct hx_buf name = { 0 };
    hx_buf_json_string(&name, key_data(s, k), HX_MIN(k->length, (size_t)100));
    return hx_json_scan_fail(s, k->position, "duplicate key %s", name.data);
}

int hx_json_keys_close(struct hx_json_scan *s, size_t first, size_t first_unescaped) {
    struct hx_json_key *keys = s->keys + first;
    size_t n = s->key_count - first;
    if (n <= FEW) {
        for (size_t i = 1; i < n; i++)
            for (size_t j = 0; j < i; j++)
                if (same(s, &keys[i], &keys[j]))
                    return fail_duplicate(s, &keys[i]);
    } else {
        /* Sorting, not hashing: no choice of names makes it slow. */
        qsort_r(keys, n, sizeof *keys, compare, s);
        for (size_t i = 1; i < n; i++)
            if (same(s, &keys[i - 1], &keys[i]))
                return fail_duplicate(s, &keys[i]);
    }
    s->key_count = first;
    s->unescaped.len = first_unescaped;
    return 0;
}
