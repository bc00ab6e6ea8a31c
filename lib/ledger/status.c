/* The six statuses by name: the labels of the enum job_status, in its order. */
#include "lib/ledger/ledger.h"

#include <errno.h>
#include <string.h>

static const char *const names[] = {
    [HX_QUEUED] = "queued", [HX_RUNNING] = "running",   [HX_SUCCEEDED] = "succeeded",
    [HX_FAILED] = "failed", [HX_CANCELED] = "canceled", [HX_DEAD_LETTER] = "dead_letter",
};
_Static_assert(sizeof names / sizeof names[0] == HX_STATUSES, "each status has a name");

const char *hx_status_name(enum hx_status status) {
    return (unsigned)status < HX_STATUSES ? names[status] : "unknown";
}

int hx_status_parse(const char *name, enum hx_status *ret) {
    for (unsigned i = 0; name && i < HX_STATUSES; i++) {
        if (strcmp(name, names[i]) == 0) {
            *ret = (enum hx_status)i;
            return 0;
        }
    }
    return -EINVAL;
}

bool hx_status_terminal(enum hx_status status) {
    return status == HX_SUCCEEDED || status == HX_CANCELED || status == HX_DEAD_LETTER;
}
