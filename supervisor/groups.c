#include "supervisor/groups.h"

#include "common/process.h"

#include <signal.h>
#include <unistd.h>

/* Shared memory that the dead one could write: what it names may be none of its handlers. Of an entry that ENDED the group was gone
 * already, and its number may be somebody else's by now. */
int groups_kill(const struct hx_evidence *evidence, groups_spare_cb spare, void *user) {
    int alive = 0;
    pid_t own = getpgrp();
    for (size_t i = 0; i < HX_EVIDENCE_ENTRIES; i++) {
        const struct hx_evidence_entry *entry = &evidence->entries[i];
        uint32_t state = atomic_load_explicit(&entry->state, memory_order_acquire);
        pid_t pgid = __atomic_load_n(&entry->pgid, __ATOMIC_ACQUIRE);
        if (state != HX_EVIDENCE_STARTED || pgid <= 1 || pgid == own || (spare && spare(pgid, user)))
            continue;
        alive += hx_kill_group(pgid, SIGKILL);
    }
    return alive;
}
