/* A process group of one process, which does nothing until it is killed. */
#pragma once

#include <unistd.h>

/* Its pid; it leads the group by the time this returns. */
static inline pid_t start_group(void) {
    pid_t pid = fork();
    if (pid == 0) {
        setpgid(0, 0);
        for (;;)
            pause();
    }
    setpgid(pid, pid);
    return pid;
}
