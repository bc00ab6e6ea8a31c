#include "common/units.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

struct sample {
    const char *text;
    int result;
    int64_t value;
};

static void check(int (*parse)(const char *, int64_t *), const struct sample *samples, size_t n) {
    for (size_t i = 0; i < n; i++) {
        int64_t value = 42;
        int r = parse(samples[i].text, &value);
        if (r != samples[i].result || value != (r == 0 ? samples[i].value : 42))
            fail_msg("\"%s\": result %d, value %lld", samples[i].text, r, (long long)value);
    }
}

static void durations(void **s) {
    (void)s;
    static const struct sample samples[] = {
        { "250ms", 0, 250 },
        { "30s", 0, 30000 },
        { "5m", 0, 300000 },
        { "1h", 0, 3600000 },
        { "2d", 0, 172800000 },
        { "0", 0, 0 },
        { "0s", 0, 0 },
        { "007s", 0, 7000 },
        { "9223372036854775807ms", 0, INT64_MAX },
        { "9223372036854775s", 0, INT64_C(9223372036854775000) },
        { "9223372036854775808ms", -ERANGE, 0 },
        { "9223372036854776s", -ERANGE, 0 },
        { "106751991168d", -ERANGE, 0 },
        { "18446744073709551616ms", -ERANGE, 0 },
        { "99999999999999999999999999d", -ERANGE, 0 },
        { "99999999999999999999999999", -EINVAL, 0 }, /* no unit: that comes first */
        { "18446744073709551616", -EINVAL, 0 },       /* 2^64, which is 0 to whoever forgets to look */
        { "30", -EINVAL, 0 },
        { "", -EINVAL, 0 },
        { "s", -EINVAL, 0 },
        { "-5s", -EINVAL, 0 },
        { "+5s", -EINVAL, 0 },
        { "1.5s", -EINVAL, 0 },
        { "5 s", -EINVAL, 0 },
        { " 5s", -EINVAL, 0 },
        { "5s ", -EINVAL, 0 },
        { "5S", -EINVAL, 0 },
        { "5sm", -EINVAL, 0 },
        { "1h30m", -EINVAL, 0 },
        { "5us", -EINVAL, 0 },
        { NULL, -EINVAL, 0 },
    };
    check(hx_duration_parse, samples, sizeof(samples) / sizeof(samples[0]));
}

static void sizes(void **s) {
    (void)s;
    static const struct sample samples[] = {
        { "64K", 0, 65536 },
        { "16M", 0, 16777216 },
        { "1G", 0, 1073741824 },
        { "2T", 0, INT64_C(2199023255552) },
        { "512", 0, 512 },
        { "0", 0, 0 },
        { "0K", 0, 0 },
        { "9223372036854775807", 0, INT64_MAX },
        { "8589934591G", 0, INT64_C(9223372035781033984) },
        { "8589934592G", -ERANGE, 0 },
        { "9223372036854775808", -ERANGE, 0 },
        { "18446744073709551616K", -ERANGE, 0 },
        { "", -EINVAL, 0 },
        { "K", -EINVAL, 0 },
        { "-1K", -EINVAL, 0 },
        { "64k", -EINVAL, 0 },
        { "64KB", -EINVAL, 0 },
        { "1.5M", -EINVAL, 0 },
        { "64 K", -EINVAL, 0 },
    };
    check(hx_size_parse, samples, sizeof(samples) / sizeof(samples[0]));
}

static int any_int(const char *text, int64_t *ret) {
    return hx_int_parse(text, INT64_MIN, INT64_MAX, ret);
}
static int port(const char *text, int64_t *ret) {
    return hx_int_parse(text, 1, 65535, ret);
}

static void integers(void **s) {
    (void)s;
    static const struct sample any[] = {
        { "0", 0, 0 },
        { "-0", 0, 0 },
        { "+7", 0, 7 },
        { "-7", 0, -7 },
        { "9223372036854775807", 0, INT64_MAX },
        { "-9223372036854775808", 0, INT64_MIN },
        { "9223372036854775808", -ERANGE, 0 },
        { "-9223372036854775809", -ERANGE, 0 },
        { "18446744073709551617", -ERANGE, 0 },
        { "", -EINVAL, 0 },
        { "-", -EINVAL, 0 },
        { "+-1", -EINVAL, 0 },
        { "1x", -EINVAL, 0 },
        { "0x10", -EINVAL, 0 },
        { " 1", -EINVAL, 0 },
        { "1 ", -EINVAL, 0 },
        { NULL, -EINVAL, 0 },
    };
    static const struct sample ports[] = {
        { "1", 0, 1 }, { "65535", 0, 65535 }, { "0", -ERANGE, 0 }, { "65536", -ERANGE, 0 }, { "-1", -ERANGE, 0 },
    };
    check(any_int, any, sizeof(any) / sizeof(any[0]));
    check(port, ports, sizeof(ports) / sizeof(ports[0]));
}

static void formats_shortest_exact(void **s) {
    (void)s;
    static const struct sample durations_out[] = {
        { "0", 0, 0 },
        { "1ms", 0, 1 },
        { "1500ms", 0, 1500 },
        { "90s", 0, 90000 },
        { "5m", 0, 300000 },
        { "90m", 0, 5400000 },
        { "1h", 0, 3600000 },
        { "1d", 0, 86400000 },
        { "25h", 0, 90000000 },
        { "-1s", 0, -1000 },
        { "9223372036854775807ms", 0, INT64_MAX },
    };
    static const struct sample sizes_out[] = {
        { "0", 0, 0 },       { "512", 0, 512 },       { "1536", 0, 1536 },
        { "64K", 0, 65536 }, { "1025K", 0, 1049600 }, { "1G", 0, 1073741824 },
    };
    char out[HX_DURATION_SIZE];
    for (size_t i = 0; i < sizeof(durations_out) / sizeof(durations_out[0]); i++) {
        hx_duration_format(durations_out[i].value, out);
        assert_string_equal(out, durations_out[i].text);
    }
    for (size_t i = 0; i < sizeof(sizes_out) / sizeof(sizes_out[0]); i++) {
        hx_size_format(sizes_out[i].value, out);
        assert_string_equal(out, sizes_out[i].text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations),
        cmocka_unit_test(sizes),
        cmocka_unit_test(integers),
        cmocka_unit_test(formats_shortest_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
