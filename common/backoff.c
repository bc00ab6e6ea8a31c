#include "common/backoff.h"

#include "common/uuid.h"

int64_t hx_backoff_ceiling(unsigned n, int64_t base_ms, int64_t max_ms) {
    if (n == 0 || base_ms <= 0 || max_ms <= 0)
        return 0;
    /* Shifting the maximum down instead of the base up can't overflow. */
    if (n - 1 >= 63 || base_ms > max_ms >> (n - 1))
        return max_ms;
    return base_ms << (n - 1);
}

int64_t hx_backoff_full_jitter(unsigned n, int64_t base_ms, int64_t max_ms) {
    uint64_t values = (uint64_t)hx_backoff_ceiling(n, base_ms, max_ms) + 1;
    return (int64_t)((unsigned __int128)hx_random_u64() * values >> 64);
}
