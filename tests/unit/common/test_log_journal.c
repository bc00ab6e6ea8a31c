#include "common/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/log_event.h"
#include "common/log_internal.h"
#include "common/loop.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

enum { DEADLINE_MS = 60000 };

/* A journal of our own: a datagram socket in a new folder. */
struct fixture {
    char folder[32], path[64];
    int socket, received;
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
    close(f->socket);
    unlink(f->path);
    hx_log_end(); /* nothing waits for the next test's */
    hx_log_journal_set_path(NULL);
    rmdir(f->folder);
    free(f);
    return 0;
}

/* True when there is an entry to receive; what waits in the program is sent for it. */
static bool another(const struct fixture *f) {
    hx_log_flush();
    return poll(&(struct pollfd){ .fd = f->socket, .events = POLLIN }, 1, 0) == 1;
}

/* The next entry: a datagram's bytes, or those of the memfd that came with it. */
static char *receive(const struct fixture *f, bool *ret_memfd) {
    static char bytes[1 << 20];
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec part = { .iov_base = bytes, .iov_len = sizeof(bytes) };
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
    return hx_printf("%.*s", (int)n, bytes);
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

static void line_of_a_program(int i) {
    struct hx_log_ctx ctx = *HX_EVENT("handler.stdout");
    ctx.output = true;
    hx_info(&ctx, "%d %01000d", i, 0);
}

static int number_of(const char *entry) {
    return (int)strtol(entry + strlen("MESSAGE="), NULL, 10);
}

/* Its socket takes ten or some hundred entries before somebody reads them: many more are on their way, and none is lost. */
static void a_busy_journal_loses_nothing(void **state) {
    uint64_t before = hx_log_dropped();
    bool memfd;
    int next = 0;
    for (int i = 0; i < 2000; i++)
        line_of_a_program(i);
    while (another(*state)) {
        _cleanup_free_ char *entry = receive(*state, &memfd);
        assert_int_equal(number_of(entry), next++);
    }
    assert_int_equal(next, 2000);
    assert_int_equal(hx_log_dropped(), before);
    assert_int_equal(hx_log_flush(), -1);
}

/* Output goes before what we have to say, and that not for ever either; when all is through, what was lost is told. */
static void a_still_journal_drops(void **state) {
    enum { ENDS = 1000 }; /* more than would fit where the last line of output just didn't */
    _cleanup_free_ char *last = NULL;
    uint64_t before = hx_log_dropped();
    bool memfd;
    int ended = 0;
    for (int i = 0; i < 20000 && hx_log_dropped() < before + 3; i++)
        line_of_a_program(i);
    assert_int_equal(hx_log_dropped() - before, 3);
    for (int i = 0; i < ENDS; i++)
        hx_info(HX_EVENT("job.ended"), "its end");
    assert_int_equal(hx_log_dropped() - before, 3);
    while (another(*state)) {
        free(last);
        last = receive(*state, &memfd);
        ended += strstr(last, "HEIMDEX_EVENT=job.ended\n") != NULL;
        assert_true(ended == 0 || number_of(last) == 0 || strstr(last, "log.dropped"));
    }
    assert_int_equal(ended, ENDS);
    assert_non_null(strstr(last, "MESSAGE=3 lines dropped"));
    assert_non_null(strstr(last, "HEIMDEX_EVENT=log.dropped\n"));
    assert_non_null(strstr(last, "HEIMDEX_DETAIL={\"dropped\":3}\n"));
    for (int i = 0; i < 20000 && hx_log_dropped() < before + 6; i++)
        hx_info(NULL, "%01000d", i);
    assert_int_equal(hx_log_dropped() - before, 6);
}

/* What waits while there is no journal is sent when one is back. */
static void waits_for_one_that_comes_back(void **state) {
    struct fixture *f = *state;
    bool memfd;
    int next = 0;
    for (int i = 0; i < 1000; i++)
        line_of_a_program(i);
    hx_log_journal_set_path("/does/not/exist");
    assert_true(hx_log_flush() > 0);
    hx_log_journal_set_path(f->path);
    for (; another(f); next++) {
        _cleanup_free_ char *entry = receive(f, &memfd);
        assert_int_equal(number_of(entry), next);
    }
    assert_int_equal(next, 1000);
}

static void read_one(int fd, uint32_t events, void *user) {
    struct fixture *f = user;
    bool memfd;
    (void)fd, (void)events;
    free(receive(f, &memfd));
    f->received++;
}

/* Nobody has to see to it but the loop, which has nothing else to do. */
static void the_loop_sends_what_waits(void **state) {
    struct fixture *f = *state;
    struct hx_loop *loop;
    struct hx_watch *watch;
    assert_int_equal(hx_loop_new(&loop), 0);
    assert_int_equal(hx_watch_new(loop, f->socket, EPOLLIN, read_one, f, &watch), 0);
    for (int i = 0; i < 2000; i++)
        line_of_a_program(i);
    while (f->received < 2000)
        assert_int_equal(hx_loop_once(loop, -1), 0);
    hx_loop_free(loop);
}

/* A program that ends waits for its reader; who stands still is not waited for long. */
static void the_end_waits_for_a_reader(void **state) {
    struct fixture *f = *state;
    uint64_t before = hx_log_dropped();
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        for (int i = 0; i < 2000; i++)
            line_of_a_program(i);
        hx_log_queue_end(DEADLINE_MS, DEADLINE_MS);
        _exit(hx_log_dropped() == before ? 0 : 1);
    }
    int status = -1;
    bool memfd;
    for (pid_t ended = 0; ended == 0 || f->received < 2000;) {
        if (ended == 0)
            ended = waitpid(pid, &status, WNOHANG);
        if (poll(&(struct pollfd){ .fd = f->socket, .events = POLLIN }, 1, 10) == 1) {
            free(receive(f, &memfd));
            f->received++;
        } else if (ended != 0)
            break;
    }
    assert_int_equal(f->received, 2000);
    assert_int_equal(status, 0);
    for (int i = 0; i < 2000; i++)
        line_of_a_program(i);
    hx_log_queue_end(DEADLINE_MS, 0);
    assert_true(hx_log_dropped() > before);
    assert_int_equal(hx_log_flush(), -1);
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
        TEST(a_busy_journal_loses_nothing),
        TEST(a_still_journal_drops),
        TEST(waits_for_one_that_comes_back),
        TEST(the_loop_sends_what_waits),
        TEST(the_end_waits_for_a_reader),
        TEST(falls_back_to_text),
        TEST(knows_its_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
