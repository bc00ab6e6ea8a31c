/* Names and texts as SQL writes them. */
#pragma once

#include "common/text.h"

/* "name", with inner quotes doubled; the caller frees. */
char *hx_quote_name(const char *name);
/* Appends 'text', with inner quotes doubled (standard_conforming_strings is on). */
void hx_quote_text(struct hx_buf *out, const char *text);
