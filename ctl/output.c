#include "ctl/output.h"

#include "common/exit_codes.h"
#include "common/log.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

bool output_colored(void) {
    const char *no_color = getenv("NO_COLOR"), *terminal = getenv("TERM");
    return isatty(STDOUT_FILENO) && !(no_color && *no_color) && !hx_streq(terminal, "dumb");
}

int output_write(struct hx_buf *text) {
    size_t done = 0;
    while (done < text->len) {
        ssize_t n = write(STDOUT_FILENO, text->data + done, text->len - done);
        if (n >= 0) {
            done += (size_t)n;
        } else if (errno == EAGAIN) {
            poll(&(struct pollfd){ .fd = STDOUT_FILENO, .events = POLLOUT }, 1, -1);
        } else if (errno == EPIPE) {
            return -EPIPE;
        } else if (errno != EINTR) {
            hx_complain("standard output: %m");
            return HX_EXIT_UNAVAILABLE;
        }
    }
    hx_buf_clear(text);
    return 0;
}

int output_end(struct hx_buf *text, int code) {
    int r = output_write(text);
    return r > 0 ? r : code;
}

int output_json(json_t *document, int code) {
    _cleanup_buf_ struct hx_buf text = { 0 };
    _cleanup_free_ char *dumped = hx_json_dump(document);
    json_decref(document);
    hx_buf_puts(&text, dumped);
    hx_buf_putc(&text, '\n');
    return output_end(&text, code);
}
