/* What the log writes to stderr, read back line by line. */
#pragma once

#include "common/log.h"
#include "common/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <string.h>

/* Stderr is a pipe during a test; cmocka gets its own back afterwards. */
struct fixture {
    int saved, reader;
};

static inline int redirect(struct fixture *f, int writer, int reader) {
    f->saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
    f->reader = reader;
    int r = dup2(writer, STDERR_FILENO);
    close(writer);
    return f->saved < 0 || r < 0;
}

static inline int setup(void **state) {
    struct fixture *f = hx_alloc(sizeof(*f));
    int fds[2];
    *state = f;
    unsetenv("JOURNAL_STREAM");
    return pipe2(fds, O_CLOEXEC) || fcntl(fds[0], F_SETFL, O_NONBLOCK) || redirect(f, fds[1], fds[0]);
}

static inline int teardown(void **state) {
    struct fixture *f = *state;
    dup2(f->saved, STDERR_FILENO);
    close(f->saved);
    if (f->reader >= 0)
        close(f->reader);
    free(f);
    hx_log_init(&(struct hx_log_options){ .level = HX_LOG_INFO });
    return 0;
}

static inline void init(enum hx_log_format format, enum hx_log_level level) {
    hx_log_init(
        &(struct hx_log_options){ .service = "heimdex-test", .environment = "test", .format = format, .level = level });
}

/* What was written since the last call. */
static inline char *written(const struct fixture *f) {
    struct hx_buf b = { 0 };
    ssize_t n;
    while ((n = read(f->reader, hx_buf_reserve(&b, 65536), 65536)) > 0)
        b.len += (size_t)n;
    return hx_buf_take(&b);
}

/* ---- a JSON reader, just enough to tell whether a line is one object ---- */

static inline const char *value(const char *p);

static inline const char *string(const char *p) {
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

static inline const char *container(const char *p, char end, bool names) {
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

static inline const char *value(const char *p) {
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

static inline void is_one_object(const char *line) {
    const char *end = *line == '{' && hx_utf8_valid(line, strlen(line)) ? value(line) : NULL;
    if (!end || strcmp(end, "\n") != 0)
        fail_msg("not one line of JSON: %s", line);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
