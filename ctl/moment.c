#include "ctl/moment.h"

#include "common/clock.h"
#include "common/text.h"
#include "common/units.h"
#include "lib/ledger/ledger.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { US = 1000000 };

int moment_parse(const char *text, int64_t now_us, int64_t *ret_us) {
    int64_t ms;
    if (hx_duration_parse(text, &ms) == 0) {
        if (ms > now_us / 1000)
            return -EINVAL; /* before 1970 */
        *ret_us = now_us - ms * 1000;
        return 0;
    }
    return hx_rfc3339_parse(text, ret_us);
}

void moment_format(int64_t us, char out[MOMENT_SIZE]) {
    char full[HX_RFC3339_SIZE];
    if (us == HX_NO_TIME) {
        hx_strcopy(out, MOMENT_SIZE, "-");
        return;
    }
    hx_rfc3339_format(us, full);
    snprintf(out, MOMENT_SIZE, "%.*sZ", (int)strcspn(full, "."), full);
}

void moment_span(int64_t span_us, char out[MOMENT_SIZE]) {
    static const struct {
        int64_t from, unit;
        char name;
    } units[] = { { 2 * 86400, 86400, 'd' }, { 3600, 3600, 'h' }, { 60, 60, 'm' }, { 0, 1, 's' } };
    int64_t seconds = (span_us < 0 ? -span_us : span_us) / US;
    size_t i = 0;
    while (seconds < units[i].from)
        i++;
    snprintf(out, MOMENT_SIZE, "%" PRId64 "%c", seconds / units[i].unit, units[i].name);
}

void moment_age(int64_t us, int64_t now_us, char out[MOMENT_SIZE]) {
    char span[MOMENT_SIZE];
    int64_t age = now_us - us;
    moment_span(age, span);
    if (age > -US && age < US)
        hx_strcopy(out, MOMENT_SIZE, "now");
    else
        snprintf(out, MOMENT_SIZE, "%s%.40s%s", age < 0 ? "in " : "", span, age < 0 ? "" : " ago");
}

void moment_both(int64_t us, int64_t now_us, char out[MOMENT_SIZE]) {
    char when[MOMENT_SIZE], age[MOMENT_SIZE];
    moment_format(us, when);
    if (us == HX_NO_TIME) {
        hx_strcopy(out, MOMENT_SIZE, when);
        return;
    }
    moment_age(us, now_us, age);
    snprintf(out, MOMENT_SIZE, "%.20s (%.24s)", when, age);
}
