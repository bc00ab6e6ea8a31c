#include "supervisor/instance.h"

#include "common/cleanup.h"
#include "common/process.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* An instance may be a path, and longer than the name has room for: then a hash stands for it. */
static uint64_t hash(const char *text) {
    uint64_t h = UINT64_C(14695981039346656037);
    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * UINT64_C(1099511628211);
    return h;
}

/* A name in the abstract namespace: it goes with its process, however that ends, and needs no directory that all units may write to,
 * whatever of the file system, /tmp or /run each is shown. Everybody in the same network namespace meets there: the units of a host,
 * and containers on the host's network. A container with a network of its own is a host of its own, which its host name tells
 * (lib/ledger/sql/bereaved.sql). */
static socklen_t make_name(const char *instance, struct sockaddr_un *ret) {
    char machine[33] = "";
    char *name = ret->sun_path + 1;
    const size_t room = sizeof(ret->sun_path) - 1;
    *ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
    hx_machine_id(machine);
    int n = snprintf(name, room, "heimdex/%s/%s", machine, instance);
    if ((size_t)n >= room)
        n = snprintf(name, room, "heimdex/%s/#%016" PRIx64, machine, hash(instance));
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
}

int instance_take(const char *instance, int *ret_fd) {
    struct sockaddr_un address;
    socklen_t size = make_name(instance, &address);
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, size) < 0)
        return -errno;
    *ret_fd = fd;
    fd = -1;
    return 0;
}
