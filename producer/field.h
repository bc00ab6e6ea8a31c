/* The rules for a job's values, the same for flags and for lines of a batch, and in the same words in SQL's heimdex_submit(). Each
 * function returns NULL and sets *ret, or says what the value must be ("1 to 255 characters of UTF-8 text"). */
#pragma once

#include "common/uuid.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The organisation of single-tenant installs. */
extern const struct hx_uuid field_no_org;

const char *field_type(const char *text);
const char *field_org(const char *text, struct hx_uuid *ret);
const char *field_label(const char *text); /* idempotency key, requested_by */
const char *field_priority(const char *text, int32_t *ret);
const char *field_max_attempts(const char *text, int32_t *ret);
const char *field_timeout(const char *text, int64_t *ret_ms);
const char *field_delay(const char *text, int64_t *ret_ms);
const char *field_run_at(const char *text, int64_t *ret_us); /* RFC 3339 */

enum { FIELD_WHY = 256 };
/* A payload of n bytes: one JSON value, not larger than max. False with why filled in. */
bool field_payload(const char *text, size_t n, size_t max, char why[static FIELD_WHY]);

/* True for a W3C traceparent of version 00: one in another form is none, says the standard. */
bool field_is_traceparent(const char *text);
