#include "supervisor/output.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

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
        cmocka_unit_test_setup_teardown(a_flood_is_cut, open_all, close_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
