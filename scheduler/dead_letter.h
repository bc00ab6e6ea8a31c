/* Records of the dead-letter topic that Kafka finds too long. */
#pragma once

#include <stddef.h>

/* The record with its long values cut: `payload` becomes null, its first 16 KiB of text stand in `payload_head`, its length in
 * `payload_size`, and `truncated` is true; a long error message and `record_base64` are cut too. Of a record that isn't a JSON object
 * only the key stays, as `id`. The caller frees. */
char *dead_letter_shorten(const char *key, const char *record, size_t size);
