/* The ledger's rows as JSON objects, for people's eyes. What is printed with --json is the ledger's own text. */
#pragma once

#include "lib/json/json.h"

#include <stdint.h>

/* A new reference. A payload may hold numbers that only PostgreSQL can: they become strings of their digits. NULL: not JSON. */
json_t *row_parse(const char *text);
/* The member's text; NULL when it is null, missing or another kind. */
const char *row_string(const json_t *row, const char *key);
/* 0 when it is null or missing. */
int64_t row_int(const json_t *row, const char *key);
double row_number(const json_t *row, const char *key);
bool row_bool(const json_t *row, const char *key);
/* Unix microseconds of an RFC 3339 text, or HX_NO_TIME. */
int64_t row_time(const json_t *row, const char *key);
/* Appends a value as compact JSON (strings without quotes), clipped to max bytes and "...". */
void row_clip(struct hx_buf *out, const json_t *value, size_t max);
