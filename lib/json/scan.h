/* The scanner behind json.h: strict JSON, with or without building jansson's tree. */
#pragma once

#include "lib/json/json.h"

#include <stdint.h>

/* A member name of an object that is still open, for finding duplicates when it closes. */
struct hx_json_key {
    size_t start, length; /* into the text, or into `unescaped` */
    size_t position;      /* of the quote in the text */
    bool unescaped;
};

struct hx_json_scan {
    const char *text;
    size_t n, at;
    unsigned depth;
    size_t expansion; /* digits that exponents stand for */
    bool build;       /* make json_t values */
    struct hx_json_error *error;
    struct hx_json_key *keys; /* a stack: the innermost open object's are on top */
    size_t key_count, key_room;
    struct hx_buf unescaped; /* names that held escapes, one behind the other */
    struct hx_buf string;    /* the string being read, where it held escapes */
};

/* Reads the value at s->at, white space before it included. With s->build *ret is a new reference, else NULL.
 * 0, or -EINVAL with s->error filled in. */
int hx_json_scan_value(struct hx_json_scan *s, json_t **ret);
/* Moves over white space. */
void hx_json_scan_space(struct hx_json_scan *s);
/* Notes what is wrong at a byte offset; returns -EINVAL. */
int hx_json_scan_fail(struct hx_json_scan *s, size_t position, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* A string of the text, its quotes taken off and escapes resolved. */
struct hx_json_string {
    const char *data; /* into the text, or into s->string, where it lives until the next string */
    size_t length, position;
    bool escaped;
};
int hx_json_scan_string(struct hx_json_scan *s, struct hx_json_string *ret);
int hx_json_scan_number(struct hx_json_scan *s, json_t **ret);

/* Member names: remember one; and, when the object closes, find duplicates among those from index `first` on and
 * forget them. 0 or -EINVAL. */
void hx_json_keys_add(struct hx_json_scan *s, const struct hx_json_string *key);
int hx_json_keys_close(struct hx_json_scan *s, size_t first, size_t first_unescaped);
