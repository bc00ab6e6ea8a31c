/* How often something may be done: a burst at once, and then so many a second. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Zero-initialise the rest: it begins full. */
struct hx_allowance {
    int64_t burst, per_second;
    int64_t spent;     /* thousandths */
    int64_t filled_ms; /* when it was last filled up */
};

/* True: it may be done, and is counted. now_ms: hx_mono_ms's. */
bool hx_allowance_take(struct hx_allowance *a, int64_t now_ms);
