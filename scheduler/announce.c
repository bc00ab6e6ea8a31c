#include "scheduler/announce.h"

#include "common/text.h"
#include "lib/kafka/record.h"

size_t announce_end(const struct hx_relay_job *jobs, size_t n, size_t from) {
    const struct hx_relay_job *first = &jobs[from];
    size_t most = first->announce > 0 ? HX_MIN((size_t)first->announce, (size_t)HX_ANNOUNCE_MAX) : 1;
    size_t end = from + 1;
    while (end < n && end - from < most && jobs[end].high == first->high && hx_streq(jobs[end].type, first->type))
        end++;
    return end;
}
