#include "lib/json/scan.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* PostgreSQL's numeric keeps 14 bits of scale; more digits behind the point than that are "value overflows numeric
 * format". Its 131072 digits before the point are far beyond what a double can hold, which is our other limit. */
#define NUMERIC_SCALE 16383
#define EXPONENT_LIMIT 100000
/* jsonb writes exponents out: 1e300 is 301 bytes for everybody who reads it. A text of a megabyte may not become fifty. */
#define EXPANSION_LIMIT 65536

static size_t skip_digits(struct hx_json_scan *s) {
    size_t start = s->at;
    while (s->at < s->n && s->text[s->at] >= '0' && s->text[s->at] <= '9')
        s->at++;
    return s->at - start;
}

static bool skip(struct hx_json_scan *s, const char *any) {
    for (; *any; any++)
        if (s->at < s->n && s->text[s->at] == *any) {
            s->at++;
            return true;
        }
    return false;
}

/* The exponent behind 'e'; what is beyond EXPONENT_LIMIT stays there. */
static int scan_exponent(struct hx_json_scan *s, long *ret) {
    bool negative = s->at < s->n && s->text[s->at] == '-';
    skip(s, "+-");
    size_t start = s->at;
    if (skip_digits(s) == 0)
        return hx_json_scan_fail(s, start, "number without digits in its exponent");
    long exponent = 0;
    for (size_t i = start; i < s->at && exponent < EXPONENT_LIMIT; i++)
        exponent = exponent * 10 + (s->text[i] - '0');
    *ret = negative ? -exponent : exponent;
    return 0;
}

/* The value of n bytes of number as a double. strtod wants a NUL behind them, so it gets a copy. */
static double to_double(const char *text, size_t n) {
    char small[64];
    if (n < sizeof small) {
        memcpy(small, text, n);
        small[n] = '\0';
        return strtod(small, NULL);
    }
    _cleanup_free_ char *large = hx_strndup(text, n);
    return strtod(large, NULL);
}

static json_t *build(const char *text, size_t n, bool integer) {
    if (integer && n < 32) {
        char digits[32];
        memcpy(digits, text, n);
        digits[n] = '\0';
        errno = 0;
        long long value = strtoll(digits, NULL, 10);
        if (errno == 0)
            return json_integer(value);
    }
    return json_real(to_double(text, n)); /* an integer over 64 bits loses its last digits here, as in JavaScript */
}

int hx_json_scan_number(struct hx_json_scan *s, json_t **ret) {
    size_t start = s->at, fraction = 0;
    bool integer = true;
    long exponent = 0;
    skip(s, "-");
    size_t first = s->at, digits = skip_digits(s);
    if (digits == 0)
        return hx_json_scan_fail(s, start, "'-' without a number");
    if (digits > 1 && s->text[first] == '0')
        return hx_json_scan_fail(s, start, "number that starts with 0");
    if (skip(s, ".")) {
        integer = false;
        fraction = skip_digits(s);
        if (fraction == 0)
            return hx_json_scan_fail(s, start, "number without digits behind its point");
    }
    if (skip(s, "eE")) {
        integer = false;
        int r = scan_exponent(s, &exponent);
        if (r < 0)
            return r;
    }
    size_t n = s->at - start;
    bool out_of_range = (long)fraction - exponent > NUMERIC_SCALE || exponent >= EXPONENT_LIMIT;
    if (!out_of_range && (digits > 300 || exponent > 0)) /* else it can't be too large */
        out_of_range = !isfinite(to_double(s->text + start, n));
    if (out_of_range)
        return hx_json_scan_fail(s, start, "number out of range");
    s->expansion += (size_t)labs(exponent);
    if (s->expansion > EXPANSION_LIMIT)
        return hx_json_scan_fail(s, start, "numbers with exponents that are more than 64 KiB when written out");
    *ret = s->build ? build(s->text + start, n, integer) : NULL;
    return 0;
}
