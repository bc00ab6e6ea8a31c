/* Keeps secrets out of everything we print. */
#pragma once

#include "common/text.h"

/* Remembers a secret value (copied); hx_redact then replaces it by "***" wherever it stands. Values shorter than
 * 4 bytes are not remembered: they would tear up ordinary words. */
void hx_redact_secret(const char *value);
/* Appends text to out with these replaced by three asterisks: the user info inside URLs ("user:pw" of
 * "scheme://user:pw@host"), the values of password-like pairs ("password=…", "sasl.password=…", "secret…=", "token…=",
 * quoted or not, also as members of a JSON object), and every remembered secret. */
void hx_redact(struct hx_buf *out, const char *text);
/* The same, as a new string; the caller frees. */
char *hx_redacted(const char *text);
