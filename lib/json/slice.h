/* Values found inside JSON text without building anything: where one ends is found by counting brackets. Whether it is well-formed
 * is for others to check (hx_json_check). */
#pragma once

#include "common/text.h"

/* Part of a text. Of a string the quotes belong to it. */
struct hx_slice {
    const char *at;
    size_t n;
};

bool hx_slice_is_space(char c);
bool hx_slice_is_null(struct hx_slice value);
/* The value that starts at *at, white space before it skipped; *at moves behind it. False when the text ends before it does. */
bool hx_slice_value(const char **at, const char *end, struct hx_slice *ret);
/* The member of an object that is known to be well-formed, be its name written with escapes or without. False: there is none. */
bool hx_slice_member(const char *object, size_t n, const char *name, struct hx_slice *ret);
/* True when the object has that member, even if what the name belongs to is broken, or cut off: the text needs to be no JSON. */
bool hx_slice_names(const char *object, size_t n, const char *name);
/* Appends it without white space between its parts. */
void hx_slice_append_compact(struct hx_slice value, struct hx_buf *out);
