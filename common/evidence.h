/* What a worker had started, kept where its death can't take it: a memfd that the supervisor made. The worker writes
 * an entry before a handler's fork or a builtin's start and clears it when the outcome is committed; after waitpid
 * the supervisor kills the groups named here and hands the whole file to a scheduler, which settles the jobs. */
#pragma once

#include "common/uuid.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define HX_EVIDENCE_MAGIC 0x48584556u /* "HXEV" */
#define HX_EVIDENCE_VERSION 1u
#define HX_EVIDENCE_ENTRIES 4096u
#define HX_EVIDENCE_STDERR 4096u

enum hx_evidence_state {
    HX_EVIDENCE_FREE = 0,
    HX_EVIDENCE_STARTED = 1, /* may have had effects; the process (group) pgid, if any, may still live */
    HX_EVIDENCE_ENDED = 2,   /* the handler ended, its outcome was not committed yet */
};

/* An entry is valid for a reader when state isn't FREE; the writer stores state last (release). */
struct hx_evidence_entry {
    struct hx_uuid job_id;
    int32_t fence;
    int32_t pgid; /* process group of an exec handler; 0 for a builtin; negative: why it has none (hx_spawn) */
    _Atomic uint32_t state;
    uint32_t reserved;
};

/* The mapping, identical in every process of one version of the program. Shared memory: everything a reader takes
 * from it is checked before use. */
struct hx_evidence {
    uint32_t magic, version;
    _Atomic uint64_t pulse;        /* advanced by the child's loop */
    _Atomic int64_t pulse_boot_ms; /* CLOCK_BOOTTIME of the last advance */
    _Atomic int32_t worker_id;     /* the child's row in `worker`, 0 before there is one */
    _Atomic uint32_t running;      /* handlers running now, for status */
    char tail[HX_EVIDENCE_STDERR]; /* the last bytes the supervisor read from the child's stderr; supervisor's */
    uint32_t tail_len;
    uint32_t reserved;
    struct hx_evidence_entry entries[HX_EVIDENCE_ENTRIES];
};

/* Makes the memfd (sealed against resizing, CLOEXEC) and maps it. 0 or -errno; the caller owns both. */
int hx_evidence_create(int *ret_fd, struct hx_evidence **ret);
/* Maps one that was handed over; -EINVAL if it isn't one of this version. */
int hx_evidence_map(int fd, struct hx_evidence **ret);
struct hx_evidence *hx_evidence_unmap(struct hx_evidence *e); /* NULL is fine; returns NULL */

/* The pulse was seen to have moved at now_ms (hx_mono_ms): when it did, at most at_most_ms earlier. */
int64_t hx_evidence_pulsed_ms(const struct hx_evidence *e, int64_t now_ms, int64_t at_most_ms);

/* Takes a free entry and fills it in, state STARTED last. NULL when all are taken. `hint` speeds the search up: an index. */
struct hx_evidence_entry *hx_evidence_start(struct hx_evidence *e, const struct hx_uuid *job_id, int32_t fence,
                                            size_t hint);
