/* Durations, sizes, integers: what is read and printed again reads the same, and what is refused changes nothing. */
#include "common/units.h"

#include "tests/fuzz/fuzz.h"

#include <errno.h>

static void check_duration(const char *text) {
    int64_t ms = -7, again = -7;
    char printed[HX_DURATION_SIZE];
    int r = hx_duration_parse(text, &ms);
    must(r == 0 || ((r == -EINVAL || r == -ERANGE) && ms == -7));
    if (r < 0)
        return;
    must(ms >= 0);
    hx_duration_format(ms, printed);
    must(hx_duration_parse(printed, &again) == 0 && again == ms);
    must(strlen(printed) <= strlen(text)); /* the shortest exact form */
}

static void check_size(const char *text) {
    int64_t bytes = -7, again = -7;
    char printed[HX_SIZE_SIZE];
    int r = hx_size_parse(text, &bytes);
    must(r == 0 || ((r == -EINVAL || r == -ERANGE) && bytes == -7));
    if (r < 0)
        return;
    must(bytes >= 0);
    hx_size_format(bytes, printed);
    must(hx_size_parse(printed, &again) == 0 && again == bytes);
}

/* strtoll is the second opinion. */
static void check_integer(const char *text, int64_t min, int64_t max) {
    int64_t value = -7;
    char *end;
    int r = hx_int_parse(text, min, max, &value);
    errno = 0;
    long long other = strtoll(text, &end, 10);
    bool whole = *text && !strchr(" \t\n\v\f\r", *text) && end > text && !*end;
    bool fits = whole && errno == 0 && other >= min && other <= max;
    must(r == 0 ? fits && value == other : !fits && value == -7);
    must(r != -ERANGE || whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    _cleanup_free_ char *text = fuzz_text(data, size);
    check_duration(text);
    check_size(text);
    check_integer(text, INT64_MIN, INT64_MAX);
    check_integer(text, 1, 1000);
    return 0;
}
