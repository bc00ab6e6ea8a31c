#include "producer/payload.h"

#include "common/exit_codes.h"
#include "common/log.h"
#include "producer/field.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* White space around a payload is not part of it, but somebody may send nothing else. */
enum { SPACE_MAX = 64 << 10 };

static int read_all(int fd, size_t max, struct hx_buf *ret) {
    enum { CHUNK = 64 << 10 };
    while (ret->len <= max + SPACE_MAX) {
        ssize_t n = read(fd, hx_buf_reserve(ret, CHUNK), CHUNK);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : 0;
        ret->len += (size_t)n;
    }
    return 0; /* too large already, the rest doesn't matter */
}

static int read_file(const char *path, size_t max, struct hx_buf *ret) {
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    return fd < 0 ? -errno : read_all(fd, max, ret);
}

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void trim(struct hx_buf *b) {
    size_t first = 0;
    while (b->len > 0 && is_space(b->data[b->len - 1]))
        b->len--;
    while (first < b->len && is_space(b->data[first]))
        first++;
    hx_buf_reserve(b, 0);
    hx_buf_consume(b, first);
}

int payload_load(const char *option, size_t max, struct hx_buf *ret) {
    const char *name = hx_streq(option, "-") ? "standard input" : option + 1;
    bool file = true;
    int r = 0;
    if (hx_streq(option, "-"))
        r = read_all(STDIN_FILENO, max, ret);
    else if (*option == '@')
        r = read_file(name, max, ret);
    else {
        hx_buf_puts(ret, option);
        file = false;
    }
    if (r < 0) {
        hx_complain("--payload: %s: %s", name, strerror(-r));
        return HX_EXIT_DATA;
    }
    char why[FIELD_WHY];
    trim(ret);
    if (field_payload(ret->data, ret->len, max, why))
        return -1;
    if (file)
        hx_complain("--payload: %s: %s", name, why);
    else
        hx_complain("--payload: %s", why);
    return HX_EXIT_DATA;
}
