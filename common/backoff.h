/* Exponential backoff with full jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/ */
#pragma once

#include <stdint.h>

/* A pause in ms, uniform in [0, min(max_ms, base_ms * 2^(n-1))], for the n-th failure in a row (n >= 1). */
int64_t hx_backoff_full_jitter(unsigned n, int64_t base_ms, int64_t max_ms);
/* The same ceiling without jitter: min(max_ms, base_ms * 2^(n-1)); 0 for n = 0. */
int64_t hx_backoff_ceiling(unsigned n, int64_t base_ms, int64_t max_ms);
