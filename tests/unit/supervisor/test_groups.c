#include "supervisor/groups.h"

#include "tests/unit/group.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static struct hx_evidence *evidence;

static int open_evidence(void **s) {
    int fd;
    (void)s;
    int r = hx_evidence_create(&fd, &evidence);
    close(fd);
    return r;
}

static int close_evidence(void **s) {
    (void)s;
    evidence = hx_evidence_unmap(evidence);
    return 0;
}

static void record(pid_t pgid, uint32_t state) {
    struct hx_uuid job = hx_uuid_v7();
    struct hx_evidence_entry *entry = hx_evidence_start(evidence, &job, 1, 0);
    entry->pgid = pgid;
    atomic_store(&entry->state, state);
}

static bool alive(pid_t pid) {
    return waitpid(pid, NULL, WNOHANG) == 0;
}

static bool spare_this(pid_t pgid, void *user) {
    return pgid == *(pid_t *)user;
}

static void end(pid_t pid) {
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static void kills_what_was_started_only(void **s) {
    (void)s;
    pid_t started = start_group(), ended = start_group(), spared = start_group();
    record(started, HX_EVIDENCE_STARTED);
    record(ended, HX_EVIDENCE_ENDED); /* that number may be anybody's by now */
    record(spared, HX_EVIDENCE_STARTED);
    assert_int_equal(groups_kill(evidence, spare_this, &spared), 1);
    assert_int_equal(waitpid(started, NULL, 0), started);
    assert_true(alive(ended) && alive(spared));
    assert_int_equal(groups_kill(evidence, spare_this, &spared), 0);
    end(ended);
    end(spared);
}

static void believes_no_nonsense(void **s) {
    (void)s;
    record(getpgrp(), HX_EVIDENCE_STARTED);
    record(0, HX_EVIDENCE_STARTED); /* a builtin */
    record(1, HX_EVIDENCE_STARTED);
    record(-1, HX_EVIDENCE_STARTED);
    record(INT32_MIN, HX_EVIDENCE_STARTED);
    record(getppid(), 77);
    assert_int_equal(groups_kill(evidence, NULL, NULL), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(kills_what_was_started_only, open_evidence, close_evidence),
        cmocka_unit_test_setup_teardown(believes_no_nonsense, open_evidence, close_evidence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
