#include "producer/input.h"

#include "common/text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK = 256 << 10 };

struct input {
    int fd;
    bool own, live, ended;
    bool skipping; /* the rest of a line that was too long */
    size_t max_line;
    char *data;
    size_t start, end, cap; /* what was read and not used yet lies between start and end */
    size_t searched;        /* from start on: known to hold no end of line */
    uint64_t number;        /* of the last line */
    uint64_t bytes;         /* read so far */
    int64_t size;           /* of the file, or -1 */
};

int input_open(const char *path, size_t max_line, struct input **ret) {
    bool own = !hx_streq(path, "-");
    int fd = own ? open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY) : STDIN_FILENO;
    struct stat st;
    if (fd < 0)
        return -errno;
    if (fstat(fd, &st) < 0 || (S_ISDIR(st.st_mode) && (errno = EISDIR))) {
        int r = -errno;
        if (own)
            close(fd);
        return r;
    }
    struct input *in = hx_alloc(sizeof(*in));
    *in = (struct input){ .fd = fd, .own = own, .max_line = max_line, .size = -1 };
    in->live = S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode) || isatty(fd);
    if (S_ISREG(st.st_mode))
        in->size = st.st_size;
    *ret = in;
    return 0;
}

struct input *input_free(struct input *in) {
    if (!in)
        return NULL;
    if (in->own)
        close(in->fd);
    free(in->data);
    free(in);
    return NULL;
}

bool input_is_live(const struct input *in) {
    return in->live;
}

int input_fd(const struct input *in) {
    return in->fd;
}

/* Passes n bytes and, if there is one, the end of line behind them. */
static void consume(struct input *in, size_t n, bool newline) {
    in->start += n + newline;
    in->searched = 0;
}

/* The next end of line, NULL if there is none yet. */
static const char *find_newline(struct input *in) {
    size_t from = in->start + in->searched;
    if (from == in->end)
        return NULL;
    const char *found = memchr(in->data + from, '\n', in->end - from);
    in->searched = found ? 0 : in->end - in->start;
    return found;
}

/* Goes to the end of a line that was too long. False: that end isn't here yet. */
static bool skip_rest(struct input *in) {
    const char *newline = find_newline(in);
    if (!newline && !in->ended) {
        consume(in, in->end - in->start, false);
        return false;
    }
    size_t n = newline ? (size_t)(newline - (in->data + in->start)) : in->end - in->start;
    consume(in, n, newline);
    in->skipping = false;
    return true;
}

enum input_result input_line(struct input *in, const char **ret_text, size_t *ret_n, uint64_t *ret_number) {
    if (in->skipping && !skip_rest(in))
        return INPUT_MORE;
    const char *newline = find_newline(in);
    size_t n = newline ? (size_t)(newline - (in->data + in->start)) : in->end - in->start;
    bool too_long = n > in->max_line;
    if (!newline && !too_long) {
        if (!in->ended)
            return INPUT_MORE;
        if (n == 0)
            return INPUT_END;
    }
    *ret_number = ++in->number;
    *ret_text = in->data + in->start;
    *ret_n = n;
    in->skipping = too_long && !newline && !in->ended;
    consume(in, n, newline);
    return too_long ? INPUT_LONG : INPUT_LINE;
}

/* What is left moves to the front, and there is room for another chunk behind it. */
static void make_room(struct input *in) {
    if (in->start > 0) {
        in->end -= in->start;
        memmove(in->data, in->data + in->start, in->end);
        in->start = 0;
    }
    if (in->cap - in->end < CHUNK) {
        in->cap = in->cap ? 2 * in->cap : 2 * CHUNK;
        in->data = hx_realloc(in->data, in->cap);
    }
}

int input_fill(struct input *in) {
    make_room(in);
    ssize_t n = read(in->fd, in->data + in->end, in->cap - in->end);
    if (n < 0)
        return errno == EINTR || errno == EAGAIN ? 0 : -errno;
    in->ended = n == 0;
    in->end += (size_t)n;
    in->bytes += (uint64_t)n;
    return 0;
}

double input_share(const struct input *in) {
    if (in->size <= 0)
        return -1;
    double share = (double)(in->bytes - (in->end - in->start)) / (double)in->size;
    return HX_MIN(share, 1.0);
}
