#include "worker/spent.h"

#include "common/units.h"

#include <string.h>

enum { RSS_LAG_KB = 1024 };

static long long milliseconds(struct timeval t) {
    return t.tv_sec * 1000LL + t.tv_usec / 1000;
}

long spent_own_rss_kb(void) {
    struct rusage own = { 0 };
    getrusage(RUSAGE_SELF, &own);
    return own.ru_maxrss;
}

/* A child has our memory until its exec, and the kernel counts that as its own: of a program that stayed below our size it knows no more
 * than that. Its counters lag behind by some hundred KiB. */
static bool above_ours(const struct rusage *usage, long own_rss_kb) {
    return usage->ru_maxrss > own_rss_kb + RSS_LAG_KB;
}

struct spent spent_by(struct run *run, const struct rusage *usage, long own_rss_kb) {
    struct spent s = { .max_rss_kb = usage->ru_maxrss,
                       .max_rss_known = above_ours(usage, own_rss_kb),
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

/* Why it died is known better than by the signal: the kernel keeps count. */
const char *spent_limit(const struct spent *spent) {
    return spent->all.out_of_memory ? "memory_max" : spent->all.out_of_tasks ? "tasks_max" : NULL;
}

/* A program that gets no memory says so in ways of its own, if at all: whoever reads of its end should know that there was a limit. */
void spent_mention(const struct spent *spent, const struct run *run, char *message, size_t size) {
    char max[HX_SIZE_SIZE];
    size_t n = strlen(message);
    if (spent->all.out_of_tasks) {
        snprintf(message + n, size - n, " (tasks_max %lld, it wanted more)", (long long)run->handler->tasks_max);
        n = strlen(message);
    }
    if (!run->handler->memory_max)
        return;
    hx_size_format(run->handler->memory_max, max);
    bool counted = spent->all.memory_peak >= 0;
    long long peak = counted ? spent->all.memory_peak / 1024 : spent->max_rss_kb;
    const char *bound = counted || spent->max_rss_known ? "" : "at most ";
    snprintf(message + n, size - n, " (memory_max %s, %s%lldM used)", max, bound, (peak + 1023) / 1024);
}
