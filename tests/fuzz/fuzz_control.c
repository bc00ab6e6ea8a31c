/* Requests on the control socket: every line that isn't blank gets one answer, an object, however the bytes arrive. */
#include "supervisor/state.h"

#include "tests/fuzz/oracle.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static struct supervisor fleet; /* without children */
static struct control *control;
static struct sockaddr_un address = { .sun_family = AF_UNIX };
static char *folder;
static pid_t creator;

static void clean_up(void) {
    if (getpid() != creator)
        return;
    control_free(control);
    deaths_free(fleet.deaths);
    hx_loop_free(fleet.loop);
    free(fleet.status);
    _cleanup_free_ char *lock = hx_printf("%s.lock", address.sun_path);
    unlink(lock);
    rmdir(folder);
    free(folder);
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc, (void)argv;
    struct control_error error;
    folder = fuzz_folder();
    snprintf(address.sun_path, sizeof address.sun_path, "%s/control", folder);
    must(hx_loop_new(&fleet.loop) == 0);
    static char instance[] = "main";
    fleet.instance = instance;
    fleet.deaths = deaths_new(NULL);
    must(control_new(fleet.loop, address.sun_path, report_request, &fleet, &control, &error) == 0);
    creator = getpid();
    atexit(clean_up);
    return 0;
}

/* Everything that was answered; the caller resets. */
static void converse(const uint8_t *data, size_t size, size_t chunk, struct hx_buf *answers) {
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    must(connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
    for (size_t at = 0; at < size; at += chunk) {
        size_t n = HX_MIN(chunk, size - at);
        if (send(fd, data + at, n, MSG_NOSIGNAL) < 0)
            break; /* it had enough of us */
        hx_loop_once(fleet.loop, 0);
    }
    shutdown(fd, SHUT_WR);
    for (;;) {
        ssize_t n = recv(fd, hx_buf_reserve(answers, 4096), 4096, 0);
        if (n > 0)
            answers->len += (size_t)n;
        else if (n < 0 && errno == EAGAIN)
            hx_loop_once(fleet.loop, 100);
        else
            break;
    }
    close(fd);
}

static size_t requests(const uint8_t *data, size_t size) {
    size_t n = 0;
    for (const uint8_t *end; size && (end = memchr(data, '\n', size)); size -= (size_t)(end + 1 - data), data = end + 1)
        n += end > data && !(end == data + 1 && *data == '\r');
    return n;
}

static void check_answers(const struct hx_buf *answers, size_t expected) {
    size_t n = 0;
    for (const char *at = answers->data, *stop = at + answers->len; at && at < stop; n++) {
        const char *end = memchr(at, '\n', (size_t)(stop - at));
        must(end);
        struct hx_json_error error;
        bool ok;
        _cleanup_json_ json_t *object = NULL;
        must(hx_json_parse(at, (size_t)(end - at), &object, &error) == 0 && hx_json_get_bool(object, "ok", &ok) == 1);
        must(ok == !json_object_get(object, "error"));
        at = end + 1;
    }
    must(n == expected);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    size_t chunk = 1 + fuzz_byte(&data, &size);
    _cleanup_buf_ struct hx_buf pieces = { 0 }, whole = { 0 };
    if (size >= 4096)
        return 0; /* too long a line ends the conversation, earlier or later */
    converse(data, size, chunk, &pieces);
    check_answers(&pieces, requests(data, size));
    converse(data, size, 4096, &whole);
    must(pieces.len == whole.len && (!whole.len || memcmp(pieces.data, whole.data, whole.len) == 0));
    return 0;
}
