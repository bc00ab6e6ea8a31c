#include "common/process.h"

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/units.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>

enum { PAUSE_MS = 5 };

void hx_hide_process(void) {
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

/* ---- groups and signals ---- */

bool hx_kill_group(pid_t pgid, int signo) {
    if (pgid <= 1)
        return false;
    return kill(-pgid, signo) == 0 || errno == EPERM;
}

bool hx_group_alive(pid_t pgid) {
    return hx_kill_group(pgid, 0);
}

bool hx_runs(pid_t pid) {
    char path[48], line[512];
    if (kill(pid, 0) < 0 && errno == ESRCH)
        return false;
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    _cleanup_fclose_ FILE *stat = fopen(path, "re");
    if (!stat || !fgets(line, sizeof(line), stat))
        return true;
    const char *behind_name = strrchr(line, ')');
    return behind_name && behind_name[1] == ' ' && behind_name[2] != 'Z' && behind_name[2] != 'X';
}

/* One that looks like a zombie is killed as well: only its first thread may have ended. */
static size_t kill_once(bool (*is)(pid_t pid, void *user), void *user) {
    DIR *proc = opendir("/proc");
    size_t n = 0;
    for (struct dirent *entry; proc && (entry = readdir(proc));) {
        int64_t pid;
        if (hx_int_parse(entry->d_name, 2, INT_MAX, &pid) < 0 || pid == getpid() || !is((pid_t)pid, user))
            continue;
        bool ran = hx_runs((pid_t)pid);
        n += kill((pid_t)pid, SIGKILL) == 0 && ran;
    }
    if (proc)
        closedir(proc);
    return n;
}

size_t hx_kill_where(bool (*is)(pid_t pid, void *user), void *user, int64_t patience_ms) {
    int64_t deadline = hx_mono_ms() + patience_ms;
    size_t n = kill_once(is, user);
    for (size_t left = n; left && hx_mono_ms() < deadline; left = kill_once(is, user))
        nanosleep(&(struct timespec){ .tv_nsec = PAUSE_MS * 1000000L }, NULL);
    return n;
}

const char *hx_signal_name(int signo) {
    /* A few buffers by turns, so that one line can name two signals. */
    static _Thread_local char names[4][16];
    static _Thread_local unsigned turn;
    char *name = names[turn++ % 4];
    const char *known = sigabbrev_np(signo);
    if (known)
        snprintf(name, sizeof(names[0]), "SIG%s", known);
    else
        snprintf(name, sizeof(names[0]), "SIG%d", signo);
    return name;
}

uint64_t hx_pid_namespace(pid_t pid) {
    char path[48];
    struct stat st;
    if (pid == 0)
        snprintf(path, sizeof(path), "/proc/self/ns/pid");
    else
        snprintf(path, sizeof(path), "/proc/%d/ns/pid", (int)pid);
    return stat(path, &st) == 0 ? st.st_ino : 0;
}

/* ---- names of the machine ---- */

/* Reads 32 hex digits, dashes between them skipped. */
static int read_id(const char *path, char out[33]) {
    char text[64], id[33];
    size_t n = 0;
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return -errno;
    ssize_t len = read(fd, text, sizeof(text));
    if (len < 0)
        return -errno;
    for (ssize_t i = 0; i < len && text[i] != '\n'; i++) {
        if (text[i] == '-')
            continue;
        if (n == 32 || !isxdigit((unsigned char)text[i]))
            return -EINVAL;
        id[n++] = (char)tolower((unsigned char)text[i]);
    }
    if (n != 32)
        return -EINVAL;
    id[n] = '\0';
    memcpy(out, id, sizeof(id));
    return 0;
}

/* The file may be empty, or say "uninitialized", as well as be missing: machine-id(5). */
int hx_machine_id(char out[33]) {
    return read_id("/etc/machine-id", out) == 0 ? 0 : hx_boot_id(out);
}

int hx_boot_id(char out[33]) {
    return read_id("/proc/sys/kernel/random/boot_id", out);
}
