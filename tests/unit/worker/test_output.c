#include "worker/output.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct heard {
    struct hx_buf text; /* lines, each in brackets; a cut one with a star */
};

static void hear(const char *line, size_t n, bool cut, void *user) {
    struct heard *h = user;
    hx_buf_putc(&h->text, '[');
    hx_buf_append(&h->text, line, n);
    hx_buf_puts(&h->text, cut ? "*]" : "]");
}

struct fixture {
    struct hx_loop *loop;
    struct output *output;
    struct heard heard;
    int in;
};

static void open_fixture(struct fixture *f, size_t max) {
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(hx_loop_new(&f->loop), 0);
    f->in = fds[1];
    f->output = output_new(f->loop, fds[0], max, hear, &f->heard);
}

static void close_fixture(struct fixture *f) {
    output_free(f->output);
    hx_loop_free(f->loop);
    hx_buf_reset(&f->heard.text);
    close(f->in);
}

static void say(struct fixture *f, const char *text) {
    assert_int_equal(write(f->in, text, strlen(text)), (ssize_t)strlen(text));
}

static void lines_come_whole(void **state) {
    (void)state;
    struct fixture f = { 0 };
    open_fixture(&f, 100);
    say(&f, "one\ntw");
    hx_loop_once(f.loop, 1000);
    assert_string_equal(f.heard.text.data, "[one]");
    say(&f, "o\n\nthree");
    hx_loop_once(f.loop, 1000);
    assert_string_equal(f.heard.text.data, "[one][two][]");
    output_drain(f.output);
    assert_string_equal(f.heard.text.data, "[one][two][][three]");
    close_fixture(&f);
}

static void long_lines_are_cut_and_the_next_is_whole(void **state) {
    (void)state;
    struct fixture f = { 0 };
    open_fixture(&f, 4);
    say(&f, "1234\n123456789\nab\n");
    output_drain(f.output);
    assert_string_equal(f.heard.text.data, "[1234][1234*][ab]");
    close_fixture(&f);
}

static void drain_does_not_wait_for_a_writer_that_stays(void **state) {
    (void)state;
    struct fixture f = { 0 };
    open_fixture(&f, 100);
    say(&f, "half");
    output_drain(f.output); /* the other end is still open */
    assert_string_equal(f.heard.text.data, "[half]");
    close_fixture(&f);
}

static void the_end_of_the_pipe_is_quiet(void **state) {
    (void)state;
    struct fixture f = { 0 };
    open_fixture(&f, 100);
    close(f.in);
    f.in = -1;
    for (int i = 0; i < 3; i++)
        hx_loop_once(f.loop, 0);
    output_drain(f.output);
    assert_null(f.heard.text.data);
    close_fixture(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_come_whole),
        cmocka_unit_test(long_lines_are_cut_and_the_next_is_whole),
        cmocka_unit_test(drain_does_not_wait_for_a_writer_that_stays),
        cmocka_unit_test(the_end_of_the_pipe_is_quiet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
