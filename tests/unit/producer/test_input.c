#include "producer/input.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A file of that content, open until the test ends, by the name under which it can be opened. */
static char *file_of(const char *content, size_t n) {
    char *path = hx_printf("/tmp/heimdex-test-input-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, n), (ssize_t)n);
    close(fd);
    return path;
}

/* All lines of a file as "1:text|2:text|", long ones as "3!". */
static char *lines_of(const char *content, size_t n, size_t max_line) {
    _cleanup_free_ char *path = file_of(content, n);
    struct input *in;
    struct hx_buf out = { 0 };
    assert_int_equal(input_open(path, max_line, &in), 0);
    assert_false(input_is_live(in));
    unlink(path);
    for (;;) {
        const char *text;
        size_t length;
        uint64_t number;
        enum input_result result = input_line(in, &text, &length, &number);
        if (result == INPUT_END)
            break;
        if (result == INPUT_MORE)
            assert_int_equal(input_fill(in), 0);
        else if (result == INPUT_LONG)
            hx_buf_printf(&out, "%d!|", (int)number);
        else
            hx_buf_printf(&out, "%d:%.*s|", (int)number, (int)length, text);
    }
    input_free(in);
    return hx_buf_take(&out);
}

static void check(const char *content, const char *expected) {
    _cleanup_free_ char *found = lines_of(content, strlen(content), 8);
    assert_string_equal(found, expected);
}

static void lines(void **state) {
    (void)state;
    check("", "");
    check("a\nb\n", "1:a|2:b|");
    check("a\nb", "1:a|2:b|");
    check("\n\na\n", "1:|2:|3:a|");
    check("a\r\n", "1:a\r|");
}

static void long_lines(void **state) {
    (void)state;
    check("12345678\n", "1:12345678|");
    check("123456789\na\n", "1!|2:a|");
    check("a\n123456789", "1:a|2!|");
    check("12345678", "1:12345678|");
}

/* Lines that cross the chunks in which the file is read, and one that is far too long. */
static void many_lines(void **state) {
    (void)state;
    struct hx_buf content = { 0 }, expected = { 0 };
    for (int i = 1; i <= 40000; i++) {
        if (i == 20000) {
            for (int k = 0; k < 100000; k++)
                hx_buf_puts(&content, "too long ");
            hx_buf_putc(&content, '\n');
            hx_buf_printf(&expected, "%d!|", i);
            continue;
        }
        hx_buf_printf(&content, "line %d %.*s\n", i, i % 60,
                      "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
        hx_buf_printf(&expected, "%d:line %d %.*s|", i, i, i % 60,
                      "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
    }
    _cleanup_free_ char *found = lines_of(content.data, content.len, 100);
    assert_true(hx_streq(found, expected.data));
    hx_buf_reset(&content);
    hx_buf_reset(&expected);
}

static void pipes_are_live(void **state) {
    (void)state;
    int fds[2], stdin_before = dup(STDIN_FILENO);
    struct input *in;
    const char *text;
    size_t n;
    uint64_t number;
    assert_int_equal(pipe(fds), 0);
    assert_true(dup2(fds[0], STDIN_FILENO) >= 0);
    assert_int_equal(input_open("-", 100, &in), 0);
    assert_true(input_is_live(in));
    assert_true(input_share(in) < 0);
    assert_int_equal(write(fds[1], "half", 4), 4);
    assert_int_equal(input_fill(in), 0);
    assert_int_equal(input_line(in, &text, &n, &number), INPUT_MORE);
    assert_int_equal(write(fds[1], " a line\nx", 9), 9);
    assert_int_equal(input_fill(in), 0);
    assert_int_equal(input_line(in, &text, &n, &number), INPUT_LINE);
    assert_int_equal(n, 11);
    assert_memory_equal(text, "half a line", 11);
    assert_int_equal(input_line(in, &text, &n, &number), INPUT_MORE);
    close(fds[1]);
    assert_int_equal(input_fill(in), 0);
    assert_int_equal(input_line(in, &text, &n, &number), INPUT_LINE);
    assert_int_equal(number, 2);
    assert_int_equal(input_line(in, &text, &n, &number), INPUT_END);
    assert_int_equal(input_line(in, &text, &n, &number), INPUT_END);
    input_free(in);
    dup2(stdin_before, STDIN_FILENO);
    close(stdin_before);
    close(fds[0]);
}

static void what_is_no_input(void **state) {
    (void)state;
    struct input *in;
    assert_int_equal(input_open("/nonexistent/file", 100, &in), -ENOENT);
    assert_int_equal(input_open("/tmp", 100, &in), -EISDIR);
}

static void share(void **state) {
    (void)state;
    _cleanup_free_ char *path = file_of("1234\n6789\n", 10);
    struct input *in;
    const char *text;
    size_t n;
    uint64_t number;
    assert_int_equal(input_open(path, 100, &in), 0);
    unlink(path);
    assert_true(input_share(in) == 0);
    assert_int_equal(input_fill(in), 0);
    assert_int_equal(input_line(in, &text, &n, &number), INPUT_LINE);
    assert_true(input_share(in) == 0.5);
    input_free(in);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines),          cmocka_unit_test(long_lines),       cmocka_unit_test(many_lines),
        cmocka_unit_test(pipes_are_live), cmocka_unit_test(what_is_no_input), cmocka_unit_test(share),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
