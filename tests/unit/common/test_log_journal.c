#include "common/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/log_event.h"
#include "common/log_internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

/* A journal of our own: a datagram socket in a new folder. */
struct fixture {
    char folder[32], path[64];
    int socket;
};

static int setup(void **state) {
    struct fixture *f = hx_alloc(sizeof(*f));
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    *state = f;
    hx_strcopy(f->folder, sizeof(f->folder), "/tmp/hx-test-journal-XXXXXX");
    if (!mkdtemp(f->folder))
        return -1;
    snprintf(f->path, sizeof(f->path), "%s/socket", f->folder);
    hx_strcopy(address.sun_path, sizeof(address.sun_path), f->path);
    f->socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    hx_log_journal_set_path(f->path);
    hx_log_init(&(struct hx_log_options){
        .service = "heimdex-test", .environment = "test", .format = HX_LOG_JOURNAL, .level = HX_LOG_INFO });
    return f->socket < 0 || bind(f->socket, (struct sockaddr *)&address, sizeof(address)) < 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    hx_log_journal_set_path(NULL);
    close(f->socket);
    unlink(f->path);
    rmdir(f->folder);
    free(f);
    return 0;
}

/* The next entry: a datagram's bytes, or those of the memfd that came with it. */
static char *receive(const struct fixture *f, bool *ret_memfd) {
    struct hx_buf b = { 0 };
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec part = { .iov_base = hx_buf_reserve(&b, 1 << 20), .iov_len = 1 << 20 };
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
    };
    ssize_t n = recvmsg(f->socket, &message, MSG_CMSG_CLOEXEC);
    assert_true(n >= 0);
    const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    *ret_memfd = header != NULL;
    if (header) {
        int fd;
        memcpy(&fd, CMSG_DATA(header), sizeof(fd));
        assert_int_equal(fcntl(fd, F_GET_SEALS) & (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW),
                         F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW);
        n = pread(fd, part.iov_base, part.iov_len, 0);
        close(fd);
    }
    assert_true(n > 0);
    b.len = (size_t)n;
    hx_buf_putc(&b, '\0');
    return hx_buf_take(&b);
}

static void sends_fields(void **state) {
    bool memfd;
    struct hx_log_ctx ctx = HX_LOG_CTX;
    ctx.job_id = "j";
    ctx.job_type = "t\nFAKE=1";
    ctx.org_id = "o";
    ctx.attempt = 1;
    ctx.fence = 2;
    ctx.worker = "w";
    ctx.topic = "heimdex.jobs";
    ctx.partition = 0;
    ctx.offset = 5;
    ctx.event = "job.failed";
    ctx.error_code = "SIGSEGV";
    ctx.trace_id = "abc";
    ctx.detail_json = "\"a\":1,\n\"b\":2";
    hx_warning(&ctx, "crashed\npassword=x\x01");
    _cleanup_free_ char *entry = receive(*state, &memfd);
    assert_false(memfd);
    assert_string_equal(entry, "MESSAGE=crashed\\npassword=***\nPRIORITY=4\nSYSLOG_IDENTIFIER=heimdex-test\n"
                               "HEIMDEX_EVENT=job.failed\nHEIMDEX_JOB_ID=j\nHEIMDEX_JOB_TYPE=t\\nFAKE=1\n"
                               "HEIMDEX_ORG_ID=o\nHEIMDEX_ATTEMPT=1\nHEIMDEX_FENCE=2\nHEIMDEX_WORKER=w\n"
                               "HEIMDEX_TOPIC=heimdex.jobs\nHEIMDEX_PARTITION=0\nHEIMDEX_OFFSET=5\n"
                               "HEIMDEX_ERROR_CODE=SIGSEGV\nHEIMDEX_TRACE_ID=abc\nHEIMDEX_DETAIL={\"a\":1, \"b\":2}\n");
}

static void leaves_unset_fields_out(void **state) {
    bool memfd;
    hx_error(NULL, "x");
    _cleanup_free_ char *entry = receive(*state, &memfd);
    assert_string_equal(entry, "MESSAGE=x\nPRIORITY=3\nSYSLOG_IDENTIFIER=heimdex-test\nHEIMDEX_EVENT=log\n");
}

static void an_event_of_the_catalog(void **state) {
    bool memfd;
    hx_log_init(&(struct hx_log_options){
        .service = "heimdex-test", .worker = "host/main/0", .format = HX_LOG_JOURNAL, .level = HX_LOG_INFO });
    hx_warning(HX_EVENT("lease.lapsed"), "x");
    _cleanup_free_ char *entry = receive(*state, &memfd);
    _cleanup_free_ char *wanted =
        hx_printf("MESSAGE=x\nPRIORITY=4\nMESSAGE_ID=%s\nSYSLOG_IDENTIFIER=heimdex-test\nHEIMDEX_EVENT=lease.lapsed\n"
                  "HEIMDEX_WORKER=host/main/0\n",
                  hx_log_event_find("lease.lapsed")->id);
    assert_string_equal(entry, wanted);
}

/* A tool's stderr is for people, its line goes to the journal alone. */
static void a_note_of_a_tool(void **state) {
    struct fixture *f = *state;
    bool memfd;
    struct hx_log_ctx ctx = HX_LOG_CTX;
    hx_log_init(&(struct hx_log_options){ .service = "heimdex-test", .format = HX_LOG_TEXT, .level = HX_LOG_ERR });
    ctx.job_id = "j";
    ctx.event = "job.submitted";
    hx_log_note(&ctx, "submitted by %s", "me");
    _cleanup_free_ char *entry = receive(f, &memfd);
    assert_string_equal(entry, "MESSAGE=submitted by me\nPRIORITY=6\nSYSLOG_IDENTIFIER=heimdex-test\n"
                               "HEIMDEX_EVENT=job.submitted\nHEIMDEX_JOB_ID=j\n");
    uint64_t dropped = hx_log_dropped();
    hx_log_journal_set_path("/does/not/exist");
    hx_log_note(&ctx, "nobody misses it");
    hx_log_journal_set_path(f->path);
    assert_int_equal(hx_log_dropped(), dropped);
}

static void sends_big_entries_as_a_memfd(void **state) {
    bool memfd;
    _cleanup_free_ char *big = hx_alloc(500001);
    memset(big, 'x', 500000);
    hx_info(NULL, "%s", big);
    _cleanup_free_ char *entry = receive(*state, &memfd);
    assert_true(memfd);
    assert_int_equal(strncmp(entry, "MESSAGE=xxx", 11), 0);
    assert_int_equal(strcspn(entry, "\n"), 8 + 500000);
}

static void a_slow_journal_drops(void **state) {
    bool memfd;
    uint64_t before = hx_log_dropped();
    for (int i = 0; i < 10000 && hx_log_dropped() < before + 3; i++)
        hx_info(NULL, "line %d", i);
    assert_int_equal(hx_log_dropped() - before, 3);
    free(receive(*state, &memfd));
    hx_info(NULL, "there is room for one");
    assert_int_equal(hx_log_dropped() - before, 3);
    free(receive(*state, &memfd));
    free(receive(*state, &memfd));
    hx_info(NULL, "there is room for two");
    for (bool room = false; !room;) {
        _cleanup_free_ char *entry = receive(*state, &memfd);
        room = strstr(entry, "MESSAGE=there is room for two\n");
    }
    _cleanup_free_ char *report = receive(*state, &memfd);
    assert_non_null(strstr(report, "MESSAGE=3 lines dropped"));
    assert_non_null(strstr(report, "HEIMDEX_EVENT=log.dropped\n"));
    assert_non_null(strstr(report, "HEIMDEX_DETAIL={\"dropped\":3}\n"));
}

/* Without a journal a line is still worth printing, and a journal that comes back is used again. */
static void falls_back_to_text(void **state) {
    struct fixture *f = *state;
    char text[4096];
    bool memfd;
    int fds[2], saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    dup2(fds[1], STDERR_FILENO);
    hx_log_write_init(STDERR_FILENO);
    hx_log_journal_set_path("/does/not/exist");
    hx_info(NULL, "still heard");
    dup2(saved, STDERR_FILENO);
    close(saved);
    hx_log_write_init(STDERR_FILENO);
    ssize_t n = read(fds[0], text, sizeof(text) - 1);
    assert_true(n > 0);
    text[n] = '\0';
    assert_non_null(strstr(text, "info    heimdex-test: still heard\n"));
    hx_log_journal_set_path(f->path);
    hx_info(NULL, "back");
    free(receive(f, &memfd));
    close(fds[0]);
    close(fds[1]);
}

static void knows_its_stream(void **state) {
    struct stat st;
    char stream[64];
    (void)state;
    assert_int_equal(fstat(STDERR_FILENO, &st), 0);
    unsetenv("JOURNAL_STREAM");
    assert_false(hx_log_journal_attached(STDERR_FILENO));
    snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    assert_true(hx_log_journal_attached(STDERR_FILENO));
    assert_false(hx_log_journal_attached(-1));
    snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino + 1);
    setenv("JOURNAL_STREAM", stream, 1);
    assert_false(hx_log_journal_attached(STDERR_FILENO));
    setenv("JOURNAL_STREAM", "nonsense", 1);
    assert_false(hx_log_journal_attached(STDERR_FILENO));
    unsetenv("JOURNAL_STREAM");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(sends_fields),
        TEST(leaves_unset_fields_out),
        TEST(sends_big_entries_as_a_memfd),
        TEST(an_event_of_the_catalog),
        TEST(a_note_of_a_tool),
        TEST(a_slow_journal_drops),
        TEST(falls_back_to_text),
        TEST(knows_its_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
