/* Lines reach stderr whole or not at all, and nobody waits for whoever reads it. */
#include "tests/unit/common/log_lines.h"

#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>

/* A pipe that nobody empties takes 64K: the rest is dropped, counted, and nobody waits. */
static void a_full_pipe_drops(void **state) {
    init(HX_LOG_JSON, HX_LOG_INFO);
    uint64_t before = hx_log_dropped();
    for (int i = 0; i < 5000; i++)
        hx_info(NULL, "line %d", i);
    uint64_t dropped = hx_log_dropped() - before, lines = 0;
    _cleanup_free_ char *text = written(*state);
    for (char *line = text, *end; *line; line = end) {
        end = strchr(line, '\n') + 1;
        _cleanup_free_ char *one = hx_strndup(line, (size_t)(end - line));
        is_one_object(one);
        lines++;
    }
    assert_true(dropped > 1000);
    assert_int_equal(lines + dropped, 5000);
    assert_false(fcntl(STDERR_FILENO, F_GETFL) & O_NONBLOCK); /* whoever shares it must not notice */
    hx_info(NULL, "again");
    _cleanup_free_ char *again = written(*state);
    assert_non_null(strstr(again, "again"));
}

/* A line bigger than the pipe is cut: the next one starts on its own line. */
static void a_torn_line_is_ended(void **state) {
    init(HX_LOG_JSON, HX_LOG_INFO);
    uint64_t before = hx_log_dropped();
    _cleanup_free_ char *big = hx_alloc(200001);
    memset(big, 'x', 200000);
    hx_info(NULL, "%s", big);
    assert_int_equal(hx_log_dropped() - before, 1);
    free(written(*state));
    hx_info(NULL, "next");
    _cleanup_free_ char *next = written(*state);
    assert_int_equal(next[0], '\n');
    char *second = strchr(next + 1, '\n') + 1;
    is_one_object(second); /* what became of the big one */
    *second = '\0';
    is_one_object(next + 1);
}

static size_t count(const char *text, const char *what) {
    size_t n = 0;
    for (const char *at = text; (at = strstr(at, what)); at++)
        n++;
    return n;
}

/* When the reader is back, it hears what it has missed, once. */
static void what_was_dropped_is_reported_once(void **state) {
    static const enum hx_log_format formats[] = { HX_LOG_JSON, HX_LOG_TEXT };
    for (size_t i = 0; i < 2; i++) {
        init(formats[i], HX_LOG_ERR); /* below the report's own level */
        uint64_t before = hx_log_dropped();
        while (hx_log_dropped() - before < 250)
            hx_error(NULL, "a line");
        _cleanup_free_ char *full = written(*state);
        assert_int_equal(count(full, "dropped"), 0);
        hx_error(NULL, "back");
        hx_error(NULL, "again");
        _cleanup_free_ char *text = written(*state);
        assert_int_equal(count(text, "250 lines dropped"), 1);
        assert_int_equal(count(text, "\n"), 3);
        assert_true(strstr(text, "back") < strstr(text, "250 lines") &&
                    strstr(text, "250 lines") < strstr(text, "again"));
        assert_int_equal(count(text, "\"event\":\"log.dropped\""), formats[i] == HX_LOG_JSON);
        assert_int_equal(count(text, "\"dropped\":250}"), formats[i] == HX_LOG_JSON);
    }
}

static void forwarded_lines_are_dropped_whole_and_counted(void **state) {
    _cleanup_buf_ struct hx_buf lines = { 0 };
    init(HX_LOG_JSON, HX_LOG_INFO);
    for (int i = 0; i < 1000; i++)
        hx_buf_printf(&lines, "someone else's line %0100d\n", i);
    uint64_t before = hx_log_dropped();
    hx_log_forward(lines.data, lines.len);
    hx_log_forward(lines.data, lines.len);
    hx_info(NULL, "nor this");
    _cleanup_free_ char *text = written(*state);
    size_t n = strlen(text), arrived = count(text, "\n");
    assert_true(arrived > 100 && arrived < 1000);
    assert_memory_equal(text, lines.data, n);
    assert_int_equal(text[n - 1], '\n');
    assert_int_equal(hx_log_dropped() - before, 2001 - arrived);
    hx_log_forward("back\n", 5);
    _cleanup_free_ char *back = written(*state);
    assert_true(hx_startswith(back, "back\n"));
    is_one_object(back + 5);
    assert_int_equal(count(back, "\"event\":\"log.dropped\""), 1);
}

static void a_reader_that_is_gone_drops(void **state) {
    struct fixture *f = *state;
    uint64_t before = hx_log_dropped();
    init(HX_LOG_JSON, HX_LOG_INFO);
    close(f->reader);
    f->reader = -1;
    hx_info(NULL, "nobody hears"); /* SIGPIPE has its default: it would kill us */
    hx_complain("nobody hears");
    assert_int_equal(hx_log_dropped() - before, 1);
    sigset_t pending;
    sigpending(&pending);
    assert_false(sigismember(&pending, SIGPIPE));
    close(STDERR_FILENO);
    init(HX_LOG_JSON, HX_LOG_INFO);
    hx_info(NULL, "nor is there a descriptor");
    assert_int_equal(hx_log_dropped() - before, 2);
}

static void a_full_socket_drops(void **state) {
    struct fixture *f = *state, inner;
    int fds[2];
    (void)f;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(redirect(&inner, fds[1], fds[0]), 0);
    init(HX_LOG_JSON, HX_LOG_INFO);
    uint64_t before = hx_log_dropped();
    for (int i = 0; i < 20000 && hx_log_dropped() == before; i++)
        hx_info(NULL, "a line %d", i);
    assert_int_equal(hx_log_dropped() - before, 1);
    dup2(inner.saved, STDERR_FILENO);
    close(inner.saved);
    close(inner.reader);
}

/* The children of a fork that never called hx_log_init, for one. */
static void before_init_nothing_blocks_either(void **state) {
    struct fixture *f = *state;
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        for (int i = 0; i < 5000; i++)
            hx_log(HX_LOG_INFO, NULL, "line");
        _exit(hx_log_dropped() > 0 ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    _cleanup_free_ char *text = written(f);
    assert_true(strlen(text) > 60000);
}

static void files_keep_their_offset(void **state) {
    struct fixture *f = *state, inner;
    (void)f;
    char name[] = "/tmp/hx-test-log-XXXXXX", out[4096];
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    unlink(name);
    int reader = fcntl(fd, F_DUPFD_CLOEXEC, 10);
    assert_int_equal(redirect(&inner, fd, reader), 0);
    init(HX_LOG_JSON, HX_LOG_INFO);
    hx_info(NULL, "one");
    dprintf(STDERR_FILENO, "someone else's\n");
    hx_info(NULL, "two");
    dup2(inner.saved, STDERR_FILENO);
    close(inner.saved);
    ssize_t n = pread(reader, out, sizeof(out) - 1, 0);
    assert_true(n > 0);
    out[n] = '\0';
    const char *other = strstr(out, "}\nsomeone else's\n{");
    assert_non_null(other);
    assert_true(strstr(out, "one") < other && strstr(out, "two") > other);
    close(reader);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(before_init_nothing_blocks_either),
        TEST(a_full_pipe_drops),
        TEST(a_torn_line_is_ended),
        TEST(what_was_dropped_is_reported_once),
        TEST(forwarded_lines_are_dropped_whole_and_counted),
        TEST(a_reader_that_is_gone_drops),
        TEST(a_full_socket_drops),
        TEST(files_keep_their_offset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
