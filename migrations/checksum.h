/* The checksum of what was applied: of the statements, without comments and without white space that means nothing. */
#pragma once

#include "common/sha256.h"
#include "migrations/split.h"

/* Of the first n statements. */
void hx_checksum(const struct hx_statements *statements, size_t n, char ret[HX_SHA256_HEX_SIZE]);
/* Appends the text that is summed, for one statement. */
void hx_checksum_text(const char *sql, struct hx_buf *out);
