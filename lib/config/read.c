#include "lib/config/read.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int hx_config_read(const char *path, size_t max, struct hx_buf *out) {
    /* O_NONBLOCK: the opening of a pipe would last until somebody writes. */
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    if (S_ISFIFO(st.st_mode))
        return -ESPIPE;
    for (;;) {
        ssize_t n = read(fd, hx_buf_reserve(out, 16384), 16384);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return 0;
        out->len += (size_t)n;
        if (out->len > max)
            return -EFBIG;
    }
}

const char *hx_config_read_problem(int r) {
    return r == -ESPIPE || r == -ENXIO ? "a pipe or a socket, must be a file" : strerror(-r);
}
