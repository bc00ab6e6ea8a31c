/* What a run used: all its processes where they are counted, else the program itself and those children of it that it waited for. */
#pragma once

#include "common/cgroup.h"
#include "worker/run.h"

#include <sys/resource.h>

struct spent {
    long long max_rss_kb, cpu_ms;
    bool max_rss_known; /* else it is at most that */
    struct hx_cgroup_usage all;
};

/* After its end, while it still has its control group. own_rss_kb: this process's largest size when the program was started. Sets
 * run.spent, too. */
struct spent spent_take_stock(struct run *run, const struct rusage *usage, long own_rss_kb);
