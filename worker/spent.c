#include "worker/spent.h"

#include "worker/cgroup.h"

#include <stdio.h>

enum { RSS_LAG_KB = 1024 };

static long long milliseconds(struct timeval t) {
    return t.tv_sec * 1000LL + t.tv_usec / 1000;
}

/* A child has our memory until its exec, and the kernel counts that as its own: of a program that stayed below our size it knows no
 * more than that. Its counters lag behind by some hundred KiB. */
static bool above_ours(long own_rss_kb, const struct rusage *usage) {
    return usage->ru_maxrss > own_rss_kb + RSS_LAG_KB;
}

struct spent spent_take_stock(struct run *run, const struct rusage *usage, long own_rss_kb) {
    struct spent s = { .max_rss_kb = usage->ru_maxrss,
                       .max_rss_known = above_ours(own_rss_kb, usage),
                       .cpu_ms = milliseconds(usage->ru_utime) + milliseconds(usage->ru_stime),
                       .all = cgroup_usage(run->cgroup) };
    if (s.all.cpu_us >= 0)
        s.cpu_ms = s.all.cpu_us / 1000;
    int n = snprintf(run->spent, sizeof run->spent, "\"cpu_ms\":%lld", s.cpu_ms);
    if (s.max_rss_known)
        n += snprintf(run->spent + n, sizeof run->spent - (size_t)n, ",\"max_rss_kb\":%lld", s.max_rss_kb);
    if (s.all.memory_peak >= 0)
        snprintf(run->spent + n, sizeof run->spent - (size_t)n, ",\"memory_peak_kb\":%lld",
                 (long long)s.all.memory_peak / 1024);
    return s;
}
