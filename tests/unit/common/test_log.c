#include "common/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/log_internal.h"
#include "common/redact.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

/* Stderr is a pipe during a test; cmocka gets its own back afterwards. */
struct fixture {
    int saved, reader;
};

static int redirect(struct fixture *f, int writer, int reader) {
    f->saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
    f->reader = reader;
    int r = dup2(writer, STDERR_FILENO);
    close(writer);
    return f->saved < 0 || r < 0;
}

static int setup(void **state) {
    struct fixture *f = hx_alloc(sizeof(*f));
    int fds[2];
    *state = f;
    unsetenv("JOURNAL_STREAM");
    return pipe2(fds, O_CLOEXEC) || fcntl(fds[0], F_SETFL, O_NONBLOCK) || redirect(f, fds[1], fds[0]);
}

static int teardown(void **state) {
    struct fixture *f = *state;
    dup2(f->saved, STDERR_FILENO);
    close(f->saved);
    if (f->reader >= 0)
        close(f->reader);
    free(f);
    hx_log_init(&(struct hx_log_options){ .level = HX_LOG_INFO });
    return 0;
}

static void init(enum hx_log_format format, enum hx_log_level level) {
    hx_log_init(
        &(struct hx_log_options){ .service = "heimdex-test", .environment = "test", .format = format, .level = level });
}

/* What was written since the last call. */
static char *written(const struct fixture *f) {
    struct hx_buf b = { 0 };
    ssize_t n;
    while ((n = read(f->reader, hx_buf_reserve(&b, 65536), 65536)) > 0)
        b.len += (size_t)n;
    return hx_buf_take(&b);
}

/* ---- a JSON reader, just enough to tell whether a line is one object ---- */

static const char *value(const char *p);

static const char *string(const char *p) {
    p += strspn(p, " ");
    if (*p++ != '"')
        return NULL;
    for (; *p != '"'; p++) {
        if ((unsigned char)*p < 0x20)
            return NULL;
        if (*p == '\\' && !strchr("\"\\/bfnrtu", *++p))
            return NULL;
        if (p[-1] == '\\' && *p == 'u' && strspn(p + 1, "0123456789abcdefABCDEF") < 4)
            return NULL;
    }
    return p + 1;
}

static const char *container(const char *p, char end, bool names) {
    if (*++p == end)
        return p + 1;
    for (;; p++) {
        if (names && (!(p = string(p)) || *p++ != ':'))
            return NULL;
        p = value(p);
        if (!p || (*p != ',' && *p != end))
            return NULL;
        if (*p == end)
            return p + 1;
    }
}

static const char *value(const char *p) {
    p += strspn(p, " ");
    if (*p == '{' || *p == '[')
        p = container(p, *p == '{' ? '}' : ']', *p == '{');
    else if (*p == '"')
        p = string(p);
    else if (strspn(p, "-0123456789.") > 0)
        p += strspn(p, "-0123456789.");
    else
        return NULL;
    return p ? p + strspn(p, " ") : NULL;
}

static void is_one_object(const char *line) {
    const char *end = *line == '{' && hx_utf8_valid(line, strlen(line)) ? value(line) : NULL;
    if (!end || strcmp(end, "\n") != 0)
        fail_msg("not one line of JSON: %s", line);
}

/* ---- tests ---- */

static void json_has_all_fields(void **state) {
    init(HX_LOG_JSON, HX_LOG_INFO);
    struct hx_log_ctx ctx = HX_LOG_CTX;
    ctx.job_id = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f";
    ctx.job_type = "thumb\"nail";
    ctx.attempt = 0;
    ctx.fence = 3;
    ctx.offset = INT64_C(9007199254740993);
    ctx.event = "job.succeeded";
    ctx.detail_json = "\"config\":{\"a\":[1,2],\n\"b\":\"c\"}";
    hx_info(&ctx, "done in %d ms", 12);
    _cleanup_free_ char *line = written(*state);
    is_one_object(line);
    assert_int_equal(strncmp(line, "{\"ts\":\"2", 8), 0);
    assert_string_equal(strchr(line, ','),
                        ",\"service\":\"heimdex-test\",\"env\":\"test\",\"level\":\"info\",\"event\":\"job.succeeded\","
                        "\"message\":\"done in 12 ms\",\"job_id\":\"017f22e2-79b0-7cc3-98c4-dc0c0c07398f\","
                        "\"job_type\":\"thumb\\\"nail\",\"attempt\":0,\"fence\":3,\"offset\":9007199254740993,"
                        "\"config\":{\"a\":[1,2], \"b\":\"c\"}}\n");
}

static void json_without_context(void **state) {
    init(HX_LOG_JSON, HX_LOG_INFO);
    hx_warning(NULL, "careful");
    _cleanup_free_ char *line = written(*state);
    is_one_object(line);
    assert_non_null(strstr(line, "\"level\":\"warning\",\"event\":\"log\",\"message\":\"careful\"}\n"));
}

static void text_has_the_brief_detail(void **state) {
    static const enum hx_log_format formats[] = { HX_LOG_TEXT, HX_LOG_JSON };
    struct hx_log_ctx ctx = HX_LOG_CTX;
    ctx.worker = "w";
    ctx.detail_json = "\"config\":{\"a\":1}";
    ctx.detail_text = "a=1\nb=2";
    for (size_t i = 0; i < 2; i++) {
        init(formats[i], HX_LOG_INFO);
        hx_info(&ctx, "starting");
        _cleanup_free_ char *line = written(*state);
        assert_int_equal(strstr(line, " heimdex-test: starting worker=w a=1\\nb=2\n") != NULL, i == 0);
        assert_int_equal(strstr(line, "config") != NULL, i == 1);
        assert_int_equal(strstr(line, "b=2") != NULL, i == 0);
    }
}

static void hostile_text_stays_one_line(void **state) {
    static const char hostile[] = "a\nb\r\t\x1b[31m\x01 \"quoted\\\" \xff\xc3( \xc2\x9b \x7f \xe2\x82\xac\n\n";
    struct hx_log_ctx ctx = HX_LOG_CTX;
    ctx.worker = hostile;
    init(HX_LOG_JSON, HX_LOG_INFO);
    hx_info(&ctx, "%s", hostile);
    _cleanup_free_ char *json = written(*state);
    is_one_object(json);
    init(HX_LOG_TEXT, HX_LOG_INFO);
    hx_info(&ctx, "%s", hostile);
    _cleanup_free_ char *text = written(*state);
    assert_int_equal(strcspn(text, "\n"), strlen(text) - 1);
    assert_null(strpbrk(text, "\x1b\x01\x7f\r\t"));
    assert_non_null(
        strstr(text, "a\\nb\\r\\t\\x1b[31m\\x01 \"quoted\\\" \xef\xbf\xbd\xef\xbf\xbd( \\x9b \\x7f \xe2\x82\xac"));
    assert_true(hx_utf8_valid(text, strlen(text)));
}

static void secrets_stay_out(void **state) {
    hx_redact_secret("s3cr3t-value");
    static const enum hx_log_format formats[] = { HX_LOG_JSON, HX_LOG_TEXT };
    for (size_t i = 0; i < 2; i++) {
        init(formats[i], HX_LOG_INFO);
        hx_error(NULL, "can't reach redis://u:pw@h with s3cr3t-value, password=%s", "hunter2");
        _cleanup_free_ char *line = written(*state);
        assert_non_null(strstr(line, "can't reach redis://***@h with ***, password=***"));
    }
    hx_complain("url: %s: no", "redis://u:pw@h");
    _cleanup_free_ char *line = written(*state);
    assert_string_equal(line, "heimdex-test: url: redis://***@h: no\n");
}

static void levels(void **state) {
    init(HX_LOG_TEXT, HX_LOG_NOTICE);
    assert_true(hx_log_enabled(HX_LOG_NOTICE));
    assert_false(hx_log_enabled(HX_LOG_INFO));
    hx_info(NULL, "not this");
    hx_debug(NULL, "nor this");
    hx_notice(NULL, "but this");
    _cleanup_free_ char *line = written(*state);
    assert_null(strstr(line, "this "));
    assert_non_null(strstr(line, " notice  heimdex-test: but this\n"));
    assert_int_equal(strcspn(line, "\n"), strlen(line) - 1);
}

static void auto_is_json_in_a_pipe(void **state) {
    init(HX_LOG_AUTO, HX_LOG_INFO);
    hx_info(NULL, "x");
    _cleanup_free_ char *line = written(*state);
    is_one_object(line);
}

static void errno_stays(void **state) {
    init(HX_LOG_JSON, HX_LOG_INFO);
    errno = ENOENT;
    hx_info(NULL, "%m");
    assert_int_equal(errno, ENOENT);
    hx_complain("%m");
    assert_int_equal(errno, ENOENT);
    _cleanup_free_ char *line = written(*state);
    assert_non_null(strstr(line, "\"No such file or directory\"}\n"));
    assert_non_null(strstr(line, "heimdex-test: No such file or directory\n"));
}

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

static void knows_its_own_lines(void **state) {
    static const enum hx_log_format formats[] = { HX_LOG_JSON, HX_LOG_TEXT };
    static const enum hx_log_level levels[] = { HX_LOG_ERR, HX_LOG_WARNING, HX_LOG_NOTICE, HX_LOG_INFO, HX_LOG_DEBUG };
    for (size_t i = 0; i < HX_ARRAY_LEN(formats) * HX_ARRAY_LEN(levels); i++) {
        init(formats[i % 2], HX_LOG_DEBUG);
        hx_log(levels[i / 2], NULL, "a line");
        _cleanup_free_ char *line = written(*state);
        assert_true(hx_log_wrote(line, strlen(line)));
        assert_true(hx_log_wrote(line, 40)); /* torn */
    }
    static const char *const others[] = {
        "",
        "{",
        "free(): invalid pointer",
        "==4711==ERROR: AddressSanitizer: heap-use-after-free on address 0x602000000010",
        "{\"ts\":\"yesterday\",\"service\":\"x\"}",
        "{\"result\":1}",
        "2026-11-21T11:01:26.648Z",
        "2026-11-21T11:01:26.648Z fine    x: y",
        "2026-11-21 11:01:26.648Z info    x: y",
        "heimdex-worker: --slot: x: not a valid value",
    };
    for (size_t i = 0; i < HX_ARRAY_LEN(others); i++)
        assert_false(hx_log_wrote(others[i], strlen(others[i])));
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(before_init_nothing_blocks_either),
        TEST(json_has_all_fields),
        TEST(json_without_context),
        TEST(text_has_the_brief_detail),
        TEST(hostile_text_stays_one_line),
        TEST(secrets_stay_out),
        TEST(levels),
        TEST(auto_is_json_in_a_pipe),
        TEST(errno_stays),
        TEST(a_full_pipe_drops),
        TEST(a_torn_line_is_ended),
        TEST(what_was_dropped_is_reported_once),
        TEST(forwarded_lines_are_dropped_whole_and_counted),
        TEST(knows_its_own_lines),
        TEST(a_reader_that_is_gone_drops),
        TEST(a_full_socket_drops),
        TEST(files_keep_their_offset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
