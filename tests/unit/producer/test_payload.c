#include "producer/payload.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/exit_codes.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* Complaints go nowhere while this runs. */
static int load(const char *option, size_t max, struct hx_buf *ret) {
    int before = dup(STDERR_FILENO), null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    dup2(null, STDERR_FILENO);
    int r = payload_load(option, max, ret);
    dup2(before, STDERR_FILENO);
    close(before);
    close(null);
    return r;
}

static void texts(void **state) {
    (void)state;
    _cleanup_buf_ struct hx_buf out = { 0 };
    assert_int_equal(load(" \n{\"a\": 1}\t", 100, &out), -1);
    assert_string_equal(out.data, "{\"a\": 1}");
    hx_buf_clear(&out);
    assert_int_equal(load("", 100, &out), HX_EXIT_DATA);
    hx_buf_clear(&out);
    assert_int_equal(load("{", 100, &out), HX_EXIT_DATA);
    hx_buf_clear(&out);
    assert_int_equal(load("[1,2,3]", 7, &out), -1);
    hx_buf_clear(&out);
    assert_int_equal(load("[1,2,3]", 6, &out), HX_EXIT_DATA);
}

static void files(void **state) {
    (void)state;
    char path[] = "@/tmp/heimdex-test-payload-XXXXXX";
    int fd = mkstemp(path + 1);
    struct hx_buf content = { 0 };
    hx_buf_putc(&content, '"');
    while (content.len < 200000)
        hx_buf_putc(&content, 'x');
    hx_buf_puts(&content, "\"\n");
    assert_int_equal(write(fd, content.data, content.len), (ssize_t)content.len);
    close(fd);
    _cleanup_buf_ struct hx_buf out = { 0 };
    assert_int_equal(load(path, 200001, &out), -1);
    assert_int_equal(out.len, 200001);
    hx_buf_clear(&out);
    assert_int_equal(load(path, 200000, &out), HX_EXIT_DATA);
    unlink(path + 1);
    hx_buf_clear(&out);
    assert_int_equal(load(path, 100, &out), HX_EXIT_DATA);
    hx_buf_clear(&out);
    assert_int_equal(load("@/tmp", 100, &out), HX_EXIT_DATA);
    hx_buf_clear(&out);
    assert_int_equal(load("@", 100, &out), HX_EXIT_DATA);
    hx_buf_reset(&content);
}

static void endless_files(void **state) {
    (void)state;
    _cleanup_buf_ struct hx_buf out = { 0 };
    assert_int_equal(load("@/dev/zero", 1000, &out), HX_EXIT_DATA);
    assert_true(out.len < 1 << 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts),
        cmocka_unit_test(files),
        cmocka_unit_test(endless_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
