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
/* The next member of an object. *at stands on its opening bracket, or where the last call left it. False: there is none any more. Of a text
 * that is no JSON, or was cut off, this finds names all the same; the value behind one is empty (n = 0) where it has no end. */
bool hx_slice_next(const char **at, const char *end, struct hx_slice *ret_name, struct hx_slice *ret_value);
/* name is ASCII; the slice may have it with escapes: {"r\u0065sult":1} is a result as well. */
bool hx_slice_is_name(struct hx_slice slice, const char *name);
/* The member of an object that is known to be well-formed. False: there is none. */
bool hx_slice_member(const char *object, size_t n, const char *name, struct hx_slice *ret);
/* Appends it without white space between its parts. */
void hx_slice_append_compact(struct hx_slice value, struct hx_buf *out);
