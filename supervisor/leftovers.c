#include "supervisor/leftovers.h"

#include "common/text.h"
#include "common/units.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

enum { ENVIRONMENT_MAX = 256 * 1024 };

static bool has_mark(int64_t pid, const char *mark, char *room) {
    _cleanup_free_ char *path = hx_printf("/proc/%lld/environ", (long long)pid);
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t n = 0;
    for (ssize_t got; fd >= 0 && n < ENVIRONMENT_MAX && (got = read(fd, room + n, ENVIRONMENT_MAX - n)) > 0;)
        n += (size_t)got;
    room[n] = '\0';
    for (const char *v = room; v < room + n; v += strlen(v) + 1)
        if (hx_streq(v, mark))
            return true;
    return false;
}

size_t leftovers_kill(const char *control_socket) {
    DIR *proc = opendir("/proc");
    _cleanup_free_ char *mark = hx_printf("HEIMDEX_FLEET=%s", control_socket);
    _cleanup_free_ char *room = hx_alloc(ENVIRONMENT_MAX + 1);
    size_t killed = 0;
    for (struct dirent *entry; proc && (entry = readdir(proc));) {
        int64_t pid;
        if (hx_int_parse(entry->d_name, 2, INT_MAX, &pid) == 0 && pid != getpid() && has_mark(pid, mark, room))
            killed += kill((pid_t)pid, SIGKILL) == 0;
    }
    if (proc)
        closedir(proc);
    return killed;
}
