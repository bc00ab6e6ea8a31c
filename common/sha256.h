/* SHA-256 (FIPS 180-4). */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define HX_SHA256_SIZE 32
#define HX_SHA256_HEX_SIZE 65 /* with the NUL */

/* A value type: hx_sha256_init, any number of updates, one end. */
struct hx_sha256 {
    uint32_t state[8];
    uint64_t size; /* bytes so far */
    unsigned char block[64];
};

void hx_sha256_init(struct hx_sha256 *s);
void hx_sha256_update(struct hx_sha256 *s, const void *bytes, size_t n);
void hx_sha256_end(struct hx_sha256 *s, unsigned char out[HX_SHA256_SIZE]);
/* The same in lower-case hexadecimal digits. */
void hx_sha256_end_hex(struct hx_sha256 *s, char out[HX_SHA256_HEX_SIZE]);
