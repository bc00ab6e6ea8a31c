#include "supervisor/output.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/redact.h"
#include "common/text.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct hx_loop *loop;
static struct hx_evidence *evidence;
static struct output *output;
static int evidence_fd, write_fd, stderr_before, stderr_now;

/* stderr becomes a file that can be read back. */
static int open_all(void **s) {
    (void)s;
    stderr_before = dup(STDERR_FILENO);
    stderr_now = memfd_create("stderr", 0);
    dup2(stderr_now, STDERR_FILENO);
    assert_int_equal(hx_loop_new(&loop), 0);
    assert_int_equal(hx_evidence_create(&evidence_fd, &evidence), 0);
    return output_new(loop, evidence, &output, &write_fd);
}

static int close_all(void **s) {
    (void)s;
    dup2(stderr_before, STDERR_FILENO);
    close(stderr_before);
    close(stderr_now);
    if (write_fd >= 0)
        close(write_fd);
    output_free(output);
    hx_evidence_unmap(evidence);
    close(evidence_fd);
    hx_loop_free(loop);
    return 0;
}

static void print(const char *text) {
    assert_int_equal(write(write_fd, text, strlen(text)), strlen(text));
    hx_loop_once(loop, 2000);
}

static void is_forwarded(const char *expected) {
    char text[8192] = "";
    ssize_t n = pread(stderr_now, text, sizeof(text) - 1, 0);
    assert_true(n >= 0);
    assert_string_equal(text, expected);
}

static void forwards_whole_lines(void **s) {
    (void)s;
    print("one\ntwo");
    is_forwarded("one\n");
    print(" and a half\nthree");
    is_forwarded("one\ntwo and a half\n");
    output_finish(output);
    is_forwarded("one\ntwo and a half\nthree\n");
    output_finish(output);
    is_forwarded("one\ntwo and a half\nthree\n");
}

static void reads_what_is_left(void **s) {
    (void)s;
    assert_int_equal(write(write_fd, "last", 4), 4);
    close(write_fd);
    write_fd = -1;
    output_finish(output);
    is_forwarded("last\n");
    hx_loop_once(loop, 0);
}

static void keeps_the_tail(void **s) {
    (void)s;
    size_t n;
    for (int i = 0; i < 1000; i++) {
        char line[24];
        snprintf(line, sizeof(line), "line %d\n", i);
        print(line);
    }
    const char *tail = output_tail(output, &n);
    assert_int_equal(n, HX_EVIDENCE_STDERR);
    assert_memory_equal(tail + n - 9, "line 999\n", 9);
    assert_int_equal(evidence->tail_len, n);
    assert_memory_equal(evidence->tail, tail, n);
    evidence->tail_len = UINT32_MAX; /* the child may write there: nothing of it is believed */
    print("more\n");
    tail = output_tail(output, &n);
    assert_memory_equal(tail + n - 14, "line 999\nmore\n", 14);
}

static void the_tail_is(const char *expected) {
    size_t n;
    const char *tail = output_tail(output, &n);
    _cleanup_free_ char *text = hx_strndup(tail, n);
    assert_string_equal(text, expected);
}

/* Its log holds lines of any job and the whole configuration: none of that belongs to a crash. */
static void what_it_logged_is_no_evidence(void **s) {
    (void)s;
    static const char starting[] =
        "{\"ts\":\"2026-11-21T11:01:26.648123Z\",\"service\":\"heimdex-worker\",\"event\":\"starting\"}\n";
    static const char other_job[] = "2026-11-21T11:01:26.648Z info    heimdex-worker: of another org job_id=1\n";
    print(starting);
    print("free(): invalid pointer\n");
    print(other_job);
    print("{\"ts\":\"2026-11-21T11:01:26.648123Z\",\"ser"); /* in two reads */
    print("vice\":\"heimdex-worker\"}\nworker.c:12: start: Assertion `w' failed.\n");
    print("{\"ts\":\"2026-11-21T11:01:26.648123Z\",\"cut by its death");
    output_finish(output);
    the_tail_is("free(): invalid pointer\nworker.c:12: start: Assertion `w' failed.\n");
}

static void a_logged_line_without_end_is_no_evidence(void **s) {
    (void)s;
    static char part[16 * 1024];
    memset(part, 'x', sizeof(part));
    print("{\"ts\":\"2026-11-21T11:01:26.648123Z\",\"message\":\"");
    for (int i = 0; i < 20; i++) {
        assert_int_equal(write(write_fd, part, sizeof(part)), sizeof(part));
        hx_loop_once(loop, 2000);
    }
    print("\"}\nlast words\n");
    the_tail_is("last words\n");
}

static void secrets_are_left_out_before_the_tail_is_cut(void **s) {
    (void)s;
    hx_redact_secret("hunter2-hunter2-hunter2");
    char filler[64];
    memset(filler, '.', sizeof(filler));
    filler[sizeof(filler) - 2] = '\n';
    filler[sizeof(filler) - 1] = '\0';
    print("password=hunter2-");
    print("hunter2-hunter2\n");
    size_t n, lines = 0;
    for (bool cut = false; !cut; lines++) { /* until the tail has begun to lose that line */
        print(filler);
        const char *tail = output_tail(output, &n);
        _cleanup_free_ char *text = hx_strndup(tail, n);
        assert_null(strstr(text, "hunter2"));
        cut = n == HX_EVIDENCE_STDERR;
    }
    assert_true(lines > HX_EVIDENCE_STDERR / sizeof(filler));
}

static void a_flood_is_cut(void **s) {
    (void)s;
    static char flood[60 * 1024];
    size_t n;
    memset(flood, 'x', sizeof(flood));
    for (int i = 0; i < 8; i++) {
        assert_int_equal(write(write_fd, flood, sizeof(flood)), sizeof(flood));
        hx_loop_once(loop, 2000);
    }
    output_finish(output);
    output_tail(output, &n);
    assert_int_equal(n, HX_EVIDENCE_STDERR);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(forwards_whole_lines, open_all, close_all),
        cmocka_unit_test_setup_teardown(reads_what_is_left, open_all, close_all),
        cmocka_unit_test_setup_teardown(keeps_the_tail, open_all, close_all),
        cmocka_unit_test_setup_teardown(what_it_logged_is_no_evidence, open_all, close_all),
        cmocka_unit_test_setup_teardown(a_logged_line_without_end_is_no_evidence, open_all, close_all),
        cmocka_unit_test_setup_teardown(secrets_are_left_out_before_the_tail_is_cut, open_all, close_all),
        cmocka_unit_test_setup_teardown(a_flood_is_cut, open_all, close_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
