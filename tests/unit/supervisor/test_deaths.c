#include "supervisor/deaths.h"

#include "tests/unit/group.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <signal.h>

static struct hx_loop *loop;
static struct hx_channel *ours[2], *theirs[2]; /* of two schedulers */
static int heard[2];
static json_int_t last[2];

static void on_theirs(struct hx_channel *channel, const json_t *message, int fd, void *user) {
    int which = *(int *)user;
    (void)channel;
    assert_non_null(message);
    assert_true(fd >= 0);
    close(fd);
    heard[which]++;
    last[which] = json_integer_value(json_object_get(message, "death"));
}

static void on_ours(struct hx_channel *channel, const json_t *message, int fd, void *user) {
    (void)channel, (void)message, (void)fd, (void)user;
}

static int open_schedulers(void **s) {
    static int names[2] = { 0, 1 };
    (void)s;
    memset(heard, 0, sizeof(heard));
    assert_int_equal(hx_loop_new(&loop), 0);
    for (int i = 0; i < 2; i++) {
        int fds[2];
        assert_int_equal(hx_channel_pair(fds), 0);
        assert_int_equal(hx_channel_new(loop, fds[0], on_ours, NULL, &ours[i]), 0);
        assert_int_equal(hx_channel_new(loop, fds[1], on_theirs, &names[i], &theirs[i]), 0);
    }
    return 0;
}

static int close_schedulers(void **s) {
    (void)s;
    for (int i = 0; i < 2; i++) {
        hx_channel_free(ours[i]);
        hx_channel_free(theirs[i]);
    }
    hx_loop_free(loop);
    return 0;
}

static struct death *make(int32_t worker_id) {
    struct death *d = hx_alloc(sizeof(*d));
    struct rusage usage = { 0 };
    *d = (struct death){ .role = "worker", .pid = 99, .wait_status = SIGKILL, .worker_id = worker_id };
    assert_int_equal(hx_evidence_create(&d->evidence_fd, &d->evidence), 0);
    death_describe(d, &usage, NULL, "", 0);
    return d;
}

static void nothing_is_told_before_all_is_gone(void **s) {
    (void)s;
    struct deaths *ds = deaths_new(NULL);
    deaths_add(ds, make(5));
    deaths_add(ds, make(0)); /* it had no row yet */
    deaths_tell(ds, ours[0]);
    assert_int_equal(deaths_count(ds), 2);
    assert_int_equal(deaths_unsettled(ds), 1);
    assert_false(deaths_answered(ds, 1));
    deaths_clear(ds, NULL, NULL);
    assert_int_equal(deaths_count(ds), 1);
    deaths_tell(ds, ours[0]);
    deaths_tell(ds, ours[0]); /* once is enough */
    while (heard[0] == 0)
        hx_loop_once(loop, 2000);
    hx_channel_read(theirs[0]);
    assert_int_equal(heard[0], 1);
    assert_int_equal(last[0], 1);
    assert_true(deaths_answered(ds, 1));
    assert_false(deaths_answered(ds, 1));
    assert_int_equal(deaths_unsettled(ds), 0);
    deaths_add(ds, make(6)); /* the list was empty: its end is where it should be */
    assert_int_equal(deaths_count(ds), 1);
    assert_null(deaths_free(ds));
    assert_null(deaths_free(NULL));
}

static void another_scheduler_takes_over(void **s) {
    (void)s;
    struct deaths *ds = deaths_new(NULL);
    deaths_add(ds, make(5));
    deaths_add(ds, make(6));
    deaths_clear(ds, NULL, NULL);
    deaths_tell(ds, ours[0]);
    hx_channel_read(theirs[0]);
    assert_int_equal(heard[0], 2);
    assert_int_equal(deaths_unsettled(ds), 2); /* told is not settled */
    assert_true(deaths_answered(ds, 2));
    deaths_tell(ds, ours[1]);
    deaths_scheduler_gone(ds, ours[0]);
    deaths_tell(ds, ours[1]);
    hx_channel_read(theirs[1]);
    assert_int_equal(heard[1], 1);
    assert_int_equal(last[1], 1);
    deaths_free(ds);
}

static void kills_the_groups_of_those_not_cleared(void **s) {
    (void)s;
    int status;
    struct deaths *ds = deaths_new(NULL);
    struct death *d = make(5);
    struct hx_uuid job = hx_uuid_v7();
    pid_t pid = start_group();
    hx_evidence_start(d->evidence, &job, 1, 0)->pgid = pid;
    deaths_add(ds, d);
    assert_int_equal(deaths_kill_groups(ds, NULL, NULL), 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WTERMSIG(status), SIGKILL);
    assert_int_equal(deaths_kill_groups(ds, NULL, NULL), 0);
    deaths_free(ds);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_is_told_before_all_is_gone, open_schedulers, close_schedulers),
        cmocka_unit_test_setup_teardown(another_scheduler_takes_over, open_schedulers, close_schedulers),
        cmocka_unit_test(kills_the_groups_of_those_not_cleared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
