/* Texts with the complaint that both readers of lib/json must make; the tests of its files share this. */
#pragma once

#include "lib/json/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

struct sample {
    const char *text;
    const char *message; /* NULL: fine */
    size_t position;
};

/* Checks n bytes with hx_json_check and hx_json_parse, which must agree. */
static inline void check_bytes(const char *text, size_t n, const char *message, size_t position) {
    for (int parse = 0; parse < 2; parse++) {
        struct hx_json_error e = { "", 4711 };
        _cleanup_json_ json_t *value = NULL;
        int r = parse ? hx_json_parse(text, n, &value, &e) : hx_json_check(text, n, &e);
        if (r != (message ? -EINVAL : 0) || strcmp(e.message, message ? message : "") != 0 ||
            e.position != (message ? position : 4711))
            fail_msg("%.*s (parse %d): %d, \"%s\" at %zu", (int)n, text, parse, r, e.message, e.position);
        assert_int_equal(value != NULL, parse && !message);
    }
}

static inline void check_samples(const struct sample *samples, size_t n) {
    for (size_t i = 0; i < n; i++)
        check_bytes(samples[i].text, strlen(samples[i].text), samples[i].message, samples[i].position);
}

/* The value of a text that must be fine; a new reference. */
static inline json_t *parse(const char *text) {
    struct hx_json_error e;
    json_t *value = NULL;
    if (hx_json_parse(text, strlen(text), &value, &e) < 0)
        fail_msg("%s: %s at %zu", text, e.message, e.position);
    return value;
}
