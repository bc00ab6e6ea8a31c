/* What a run used: all its processes where they are counted, else the program itself and those children of it that it waited for. */
#pragma once

#include "worker/cgroup.h"

#include <sys/resource.h>

struct spent {
    long long max_rss_kb, cpu_ms;
    bool max_rss_known; /* else it is at most that */
    struct hx_cgroup_usage all;
};

/* This worker's largest size until now: to be asked when a program has been started. */
long spent_own_rss_kb(void);
/* What a run whose program has ended used, also as members for the detail of its event (run.spent). Before its group is freed. */
struct spent spent_by(struct run *run, const struct rusage *usage, long own_rss_kb);
/* The limit that it ran into, as an error code, or NULL. */
const char *spent_limit(const struct spent *spent);
/* Appends to the message which limits there were. */
void spent_mention(const struct spent *spent, const struct run *run, char *message, size_t size);
