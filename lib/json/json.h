/* JSON of strangers, checked before anything of ours believes it. On top of jansson. */
#pragma once

#include "common/text.h"

#include <jansson.h>
#include <stdbool.h>

static inline void hx_json_decref_p(json_t **p) {
    json_decref(*p);
}
#define _cleanup_json_ HX_CLEANUP(hx_json_decref_p)

#define HX_JSON_DEPTH 64

struct hx_json_error {
    char message
        [160]; /* "duplicate key \"a\"", "nesting deeper than 64", "number out of range", "\\u0000 is not allowed" */
    size_t position; /* byte offset */
};

/* Parses n bytes that must be one JSON value of any kind: UTF-8, no duplicate keys, no \u0000, no nesting over HX_JSON_DEPTH, no
 * number that PostgreSQL's jsonb or a double can't hold (1e400), nothing behind it. 0 and *ret (a new reference), -EINVAL. */
int hx_json_parse(const char *text, size_t n, json_t **ret, struct hx_json_error *reterr);
/* The same checks without building a tree; much faster; for payloads that only pass through. */
int hx_json_check(const char *text, size_t n, struct hx_json_error *reterr);
/* Member lookups that distinguish absent (0, *ret untouched), present (1) and of another type (-EINVAL). */
int hx_json_get_string(const json_t *object, const char *key, const char **ret);
int hx_json_get_int(const json_t *object, const char *key, json_int_t *ret);
int hx_json_get_bool(const json_t *object, const char *key, bool *ret);
/* Compact text, keys in insertion order; the caller frees. */
char *hx_json_dump(const json_t *value);
