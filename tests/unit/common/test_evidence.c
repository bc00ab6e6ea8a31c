#include "common/evidence.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static void outlives_its_writer(void **s) {
    (void)s;
    int fd;
    struct hx_evidence *e, *again;
    struct hx_uuid job = hx_uuid_v7();
    assert_int_equal(hx_evidence_create(&fd, &e), 0);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    pid_t pid = fork();
    if (pid == 0) {
        struct hx_evidence_entry *entry = hx_evidence_start(e, &job, 7, 5);
        entry->pgid = 1234;
        atomic_store(&e->pulse, 99);
        kill(getpid(), SIGKILL);
    }
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(hx_evidence_map(fd, &again), 0);
    assert_int_equal(atomic_load(&again->pulse), 99);
    assert_int_equal(atomic_load(&again->entries[5].state), HX_EVIDENCE_STARTED);
    assert_int_equal(again->entries[5].pgid, 1234);
    assert_int_equal(again->entries[5].fence, 7);
    assert_true(hx_uuid_eq(&again->entries[5].job_id, &job));
    assert_null(hx_evidence_unmap(again));
    assert_null(hx_evidence_unmap(e));
    assert_null(hx_evidence_unmap(NULL));
    close(fd);
}

static void cannot_be_resized(void **s) {
    (void)s;
    int fd;
    struct hx_evidence *e;
    assert_int_equal(hx_evidence_create(&fd, &e), 0);
    assert_int_equal(ftruncate(fd, 0), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(ftruncate(fd, 1 << 24), -1);
    hx_evidence_unmap(e);
    close(fd);
}

static void takes_every_entry_once(void **s) {
    (void)s;
    int fd;
    struct hx_evidence *e;
    struct hx_uuid job = hx_uuid_v7();
    assert_int_equal(hx_evidence_create(&fd, &e), 0);
    for (size_t i = 0; i < HX_EVIDENCE_ENTRIES; i++)
        assert_ptr_equal(hx_evidence_start(e, &job, 1, 4000), &e->entries[(4000 + i) % HX_EVIDENCE_ENTRIES]);
    assert_null(hx_evidence_start(e, &job, 1, 0));
    atomic_store(&e->entries[17].state, HX_EVIDENCE_FREE);
    e->entries[17].pgid = 77;
    struct hx_evidence_entry *entry = hx_evidence_start(e, &job, 2, SIZE_MAX);
    assert_ptr_equal(entry, &e->entries[17]);
    assert_int_equal(entry->pgid, 0);
    hx_evidence_unmap(e);
    close(fd);
}

static void refuses_strangers(void **s) {
    (void)s;
    struct hx_evidence *e = NULL;
    assert_int_equal(hx_evidence_map(-1, &e), -EBADF);
    int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_int_equal(hx_evidence_map(fd, &e), -EINVAL);
    assert_int_equal(ftruncate(fd, (off_t)sizeof(struct hx_evidence)), 0);
    assert_int_equal(hx_evidence_map(fd, &e), -EINVAL); /* not sealed */
    assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
    assert_int_equal(hx_evidence_map(fd, &e), -EINVAL); /* no magic */
    uint32_t head[2] = { HX_EVIDENCE_MAGIC, HX_EVIDENCE_VERSION + 1 };
    assert_int_equal(pwrite(fd, head, sizeof(head), 0), sizeof(head));
    assert_int_equal(hx_evidence_map(fd, &e), -EINVAL); /* another version */
    head[1] = HX_EVIDENCE_VERSION;
    assert_int_equal(pwrite(fd, head, sizeof(head), 0), sizeof(head));
    assert_null(e);
    assert_int_equal(hx_evidence_map(fd, &e), 0);
    hx_evidence_unmap(e);
    close(fd);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outlives_its_writer),
        cmocka_unit_test(cannot_be_resized),
        cmocka_unit_test(takes_every_entry_once),
        cmocka_unit_test(refuses_strangers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
