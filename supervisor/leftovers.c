#include "supervisor/leftovers.h"

#include "common/mark.h"
#include "common/process.h"
#include "common/text.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { ENVIRONMENT_MAX = 256 * 1024, PATIENCE_MS = 2000 };

struct fleet_marks {
    uint64_t mark, pid_namespace;
    char *variable;
    char *room;
};

/* For one that has lost its mark. In another PID namespace the variable may be that of a fleet there, whose control socket has the same path. */
static bool has_variable(pid_t pid, const struct fleet_marks *of) {
    char path[48];
    if (hx_pid_namespace(pid) != of->pid_namespace)
        return false;
    snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t n = 0;
    for (ssize_t got; fd >= 0 && n < ENVIRONMENT_MAX && (got = read(fd, of->room + n, ENVIRONMENT_MAX - n)) > 0;)
        n += (size_t)got;
    of->room[n] = '\0';
    for (const char *v = of->room; v < of->room + n; v += strlen(v) + 1)
        if (hx_streq(v, of->variable))
            return true;
    return false;
}

static bool is_left(pid_t pid, void *user) {
    const struct fleet_marks *of = user;
    return hx_mark_eq(hx_mark_on(pid), of->mark, HX_MARK_FLEET) || has_variable(pid, of);
}

size_t leftovers_kill(const char *control_socket) {
    _cleanup_free_ char *variable = hx_printf("HEIMDEX_FLEET=%s", control_socket);
    _cleanup_free_ char *room = hx_alloc(ENVIRONMENT_MAX + 1);
    uint64_t here = hx_pid_namespace(0);
    struct fleet_marks of = {
        .mark = hx_mark_of_fleet(control_socket, here), .pid_namespace = here, .variable = variable, .room = room
    };
    return hx_kill_where(is_left, &of, PATIENCE_MS);
}
