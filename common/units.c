#include "common/units.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct unit {
    const char *name;
    int64_t factor;
};

/* Biggest first: the first one that divides a number gives its shortest form. */
static const struct unit durations[] = {
    { "d", 86400000 }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 }, { "ms", 1 }, { NULL, 0 },
};
static const struct unit sizes[] = {
    { "T", INT64_C(1) << 40 },
    { "G", INT64_C(1) << 30 },
    { "M", INT64_C(1) << 20 },
    { "K", INT64_C(1) << 10 },
    { "", 1 },
    { NULL, 0 },
};

/* Reads digits; *ret_overflow tells instead of a failure, since what follows may be wrong as well, and that counts. */
static const char *take_number(const char *p, uint64_t *ret, bool *ret_overflow) {
    uint64_t value = 0;
    bool overflow = false;
    for (; *p >= '0' && *p <= '9'; p++)
        overflow = overflow || __builtin_mul_overflow(value, 10u, &value) ||
                   __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value);
    *ret = value;
    *ret_overflow = overflow;
    return p;
}

static int parse(const char *text, const struct unit *units, int64_t *ret) {
    uint64_t number;
    bool overflow;
    if (!text)
        return -EINVAL;
    const char *unit = take_number(text, &number, &overflow);
    if (unit == text)
        return -EINVAL;
    if (*unit == '\0' && number == 0 && !overflow) {
        *ret = 0;
        return 0;
    }
    while (units->name && strcmp(units->name, unit) != 0)
        units++;
    if (!units->name)
        return -EINVAL;
    int64_t value;
    if (overflow || __builtin_mul_overflow(number, units->factor, &value))
        return -ERANGE;
    *ret = value;
    return 0;
}

static void format(int64_t value, const struct unit *units, char *out, size_t size) {
    while (value % units->factor != 0)
        units++;
    if (value == 0)
        snprintf(out, size, "0");
    else
        snprintf(out, size, "%lld%s", (long long)(value / units->factor), units->name);
}

int hx_duration_parse(const char *text, int64_t *ret_ms) {
    return parse(text, durations, ret_ms);
}

void hx_duration_format(int64_t ms, char out[HX_DURATION_SIZE]) {
    format(ms, durations, out, HX_DURATION_SIZE);
}

int hx_size_parse(const char *text, int64_t *ret_bytes) {
    return parse(text, sizes, ret_bytes);
}

void hx_size_format(int64_t bytes, char out[HX_SIZE_SIZE]) {
    format(bytes, sizes, out, HX_SIZE_SIZE);
}

int hx_int_parse(const char *text, int64_t min, int64_t max, int64_t *ret) {
    uint64_t number;
    bool overflow;
    if (!text)
        return -EINVAL;
    bool negative = *text == '-';
    const char *digits = text + (*text == '-' || *text == '+');
    const char *end = take_number(digits, &number, &overflow);
    if (end == digits || *end != '\0')
        return -EINVAL;
    int64_t value = 0;
    if (overflow || (negative ? __builtin_sub_overflow(0, number, &value) : __builtin_add_overflow(0, number, &value)))
        return -ERANGE;
    if (value < min || value > max)
        return -ERANGE;
    *ret = value;
    return 0;
}
