#include "common/evidence.h"

#include "common/clock.h"
#include "common/text.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(sizeof(struct hx_evidence_entry) == 32, "the layout is shared between processes");
_Static_assert(ATOMIC_INT_LOCK_FREE == 2 && ATOMIC_LLONG_LOCK_FREE == 2, "a lock would live in one process only");

/* Nobody may cut the file short under a reader, which would die of SIGBUS. */
enum { SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL };

static int map(int fd, struct hx_evidence **ret) {
    void *p = mmap(NULL, sizeof(struct hx_evidence), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED)
        return -errno;
    *ret = p;
    return 0;
}

int hx_evidence_create(int *ret_fd, struct hx_evidence **ret) {
    struct hx_evidence *e = NULL;
    int r = 0;
    int fd = memfd_create("heimdex-evidence", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -errno;
    if (ftruncate(fd, (off_t)sizeof(struct hx_evidence)) < 0 || fcntl(fd, F_ADD_SEALS, SEALS) < 0)
        r = -errno;
    if (r == 0)
        r = map(fd, &e);
    if (r < 0) {
        close(fd);
        return r;
    }
    e->magic = HX_EVIDENCE_MAGIC;
    e->version = HX_EVIDENCE_VERSION;
    *ret_fd = fd;
    *ret = e;
    return 0;
}

int hx_evidence_map(int fd, struct hx_evidence **ret) {
    struct stat st;
    struct hx_evidence *e = NULL;
    if (fstat(fd, &st) < 0)
        return -errno;
    int seals = fcntl(fd, F_GET_SEALS);
    if (st.st_size != (off_t)sizeof(struct hx_evidence) || seals < 0 || (seals & F_SEAL_SHRINK) == 0)
        return -EINVAL;
    int r = map(fd, &e);
    if (r < 0)
        return r;
    if (e->magic != HX_EVIDENCE_MAGIC || e->version != HX_EVIDENCE_VERSION) {
        hx_evidence_unmap(e);
        return -EINVAL;
    }
    *ret = e;
    return 0;
}

struct hx_evidence *hx_evidence_unmap(struct hx_evidence *e) {
    if (e)
        munmap(e, sizeof(*e));
    return NULL;
}

int64_t hx_evidence_pulsed_ms(const struct hx_evidence *e, int64_t now_ms, int64_t at_most_ms) {
    int64_t boot_ms = atomic_load(&e->pulse_boot_ms), ago_ms = boot_ms ? hx_boot_ms() - boot_ms : 0;
    return now_ms - HX_MIN(HX_MAX(ago_ms, (int64_t)0), at_most_ms);
}

struct hx_evidence_entry *hx_evidence_start(struct hx_evidence *e, const struct hx_uuid *job_id, int32_t fence,
                                            size_t hint) {
    for (size_t i = 0; i < HX_EVIDENCE_ENTRIES; i++) {
        struct hx_evidence_entry *entry = &e->entries[(hint + i) % HX_EVIDENCE_ENTRIES];
        if (atomic_load_explicit(&entry->state, memory_order_relaxed) != HX_EVIDENCE_FREE)
            continue;
        entry->job_id = *job_id;
        entry->fence = fence;
        entry->pgid = 0;
        atomic_store_explicit(&entry->state, HX_EVIDENCE_STARTED, memory_order_release);
        return entry;
    }
    return NULL;
}
