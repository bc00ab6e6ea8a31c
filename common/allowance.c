#include "common/allowance.h"

#include "common/text.h"

enum { ONE = 1000 };

bool hx_allowance_take(struct hx_allowance *a, int64_t now_ms) {
    int64_t passed = HX_MAX(now_ms - a->filled_ms, (int64_t)0);
    a->filled_ms = now_ms;
    /* whole after so long in any case: no product of ours overflows */
    a->spent = passed > a->burst * ONE ? 0 : HX_MAX(a->spent - passed * a->per_second, (int64_t)0);
    if (a->spent + ONE > a->burst * ONE)
        return false;
    a->spent += ONE;
    return true;
}
