/* Slices of a text that nobody has checked yet (a batch's lines are taken apart before): never beyond its end, always forward. */
#include "lib/json/slice.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *text = (const char *)data, *at = text, *end = text + size;
    struct hx_slice slice;
    for (const char *before = at; hx_slice_value(&at, end, &slice); before = at) {
        must(slice.n > 0 && slice.at >= before && slice.at + slice.n == at && at <= end);
        must(!hx_slice_is_space(*slice.at));
        _cleanup_buf_ struct hx_buf compact = { 0 };
        hx_slice_append_compact(slice, &compact);
        must(compact.len > 0 && compact.len <= slice.n);
    }
    if (hx_slice_member(text, size, "result", &slice))
        must(slice.at >= text && slice.at + slice.n <= end);
    return 0;
}
