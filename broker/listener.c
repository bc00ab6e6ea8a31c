#include "broker/listener.h"

#include "common/text.h"
#include "common/units.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { BACKLOG = 256 };

static int opened = -1;

int hx_listener_parse(const char *text, struct sockaddr_in *ret, const char **ret_why) {
    struct sockaddr_in address = { .sin_family = AF_INET };
    const char *colon = strrchr(text, ':');
    int64_t port;
    if (!colon || colon == text) {
        *ret_why = "must be HOST:PORT";
        return -EINVAL;
    }
    if (hx_int_parse(colon + 1, 0, 65535, &port) < 0) {
        *ret_why = "the port must be 0 to 65535";
        return -EINVAL;
    }
    _cleanup_free_ char *host = hx_strndup(text, (size_t)(colon - text));
    if (hx_streq(host, "localhost"))
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    else if (inet_pton(AF_INET, host, &address.sin_addr) != 1) {
        *ret_why = "the host must be an IPv4 address or localhost";
        return -EINVAL;
    }
    if (address.sin_addr.s_addr == htonl(INADDR_ANY)) {
        *ret_why = "clients are sent to this address, so it can't be 0.0.0.0";
        return -EINVAL;
    }
    address.sin_port = htons((uint16_t)port);
    *ret = address;
    return 0;
}

static int real_bind(int fd, const struct sockaddr *address, socklen_t size) {
    return (int)syscall(SYS_bind, fd, address, size);
}

int hx_listener_open(const struct sockaddr_in *address) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int)); /* a restart gets its port back at once */
    if (real_bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0) {
        int r = -errno;
        close(fd);
        return r;
    }
    opened = fd;
    return 0;
}

static bool is_any_loopback_port(const struct sockaddr_in *address, socklen_t size) {
    return size == sizeof(*address) && address->sin_family == AF_INET && address->sin_port == 0 &&
           address->sin_addr.s_addr == htonl(INADDR_LOOPBACK);
}

/* In the place of libc's: librdkafka finds this one first. */
int bind(int fd, __CONST_SOCKADDR_ARG address, socklen_t size) {
    if (opened < 0 || !is_any_loopback_port(address.__sockaddr_in__, size))
        return real_bind(fd, address.__sockaddr__, size);
    int r = dup3(opened, fd, O_CLOEXEC) < 0 ? -1 : 0;
    close(opened);
    opened = -1;
    return r;
}

/* The mock cluster asks for 5, and a fleet connects all at once. */
int listen(int fd, int backlog) {
    return (int)syscall(SYS_listen, fd, HX_MAX(backlog, BACKLOG));
}
