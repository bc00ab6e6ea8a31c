/* Times in text: what is read prints and reads as the same moment, libc agrees on which one, and any number prints as a time. */
#include "common/clock.h"

#include "tests/fuzz/fuzz.h"

#include <time.h>

/* The moment of the canonical form, by libc's calendar. */
static int64_t by_libc(const char *canonical) {
    struct tm tm = { 0 };
    int us = 0;
    must(sscanf(canonical, "%4d-%2d-%2dT%2d:%2d:%2d.%6dZ", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
                &tm.tm_min, &tm.tm_sec, &us) == 7);
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    return (int64_t)timegm(&tm) * 1000000 + us;
}

static void check_moment(int64_t us) {
    char text[HX_RFC3339_SIZE];
    int64_t again = -7;
    hx_rfc3339_format(us, text);
    must(strlen(text) == HX_RFC3339_SIZE - 1);
    must(hx_rfc3339_parse(text, &again) == 0);
    must(again == by_libc(text));
    if (us >= INT64_C(-62135596800) * 1000000 && us < INT64_C(253402300800) * 1000000)
        must(again == us);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    _cleanup_free_ char *text = fuzz_text(data, size);
    int64_t us = -7;
    if (hx_rfc3339_parse(text, &us) == 0)
        check_moment(us);
    else
        must(us == -7);
    if (size == sizeof us) {
        memcpy(&us, data, sizeof us);
        check_moment(us);
    }
    return 0;
}
