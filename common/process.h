/* Starting and naming other processes. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct hx_spawn {
    const char *const *argv;   /* argv[0] is the path to execute (no PATH search) */
    const char *const *envp;   /* the whole environment; NULL: ours */
    int fd_in, fd_out, fd_err; /* become 0, 1, 2; -1: /dev/null for 0 and 1, ours for 2 */
    const int *keep; /* further descriptors to hand over, at numbers 3, 4, … in this order; -1 leaves a hole */
    size_t keep_count;
    bool new_group;   /* its own process group */
    int death_signal; /* PR_SET_PDEATHSIG, 0: none; the child gives up if we died before it was set */
    bool no_new_privs;
    bool no_core;         /* RLIMIT_CORE 0 */
    int64_t data_max;     /* RLIMIT_DATA: bytes of memory that it can write to and that are its own alone; 0: as ours */
    int entrance;         /* of the control group that it is to be in (hx_cgroup_entrance); 0 or -1: ours */
    uint64_t mark;        /* that its processes bear (common/mark.h), where it can be set; 0: none of its own */
    int rules;            /* that it is held to (hx_landlock_hide), with no_new_privs; 0 or -1: none */
    const char *cwd;      /* NULL: ours */
    int32_t *publish_pid; /* where the child stores its pid before it executes anything: shared evidence; or NULL */
    bool apart; /* don't wait for its exec: before it, joining a control group takes the kernel 10 ms and more */
    /* With apart: gets a pipe that ends when the program is executed, or its child without it; the caller's to close. -1: not apart. NULL:
     * nobody asks. */
    int *ret_executed;
};

/* Starts a process: vfork, then signals and mask reset, everything from number 3 on that isn't in keep closed, exec.
 * 0 and *ret_pid, or the negative errno of vfork, setpgid, chdir, dup or execve (ENOENT, EACCES, E2BIG …); the failed
 * child was waited for then, and *publish_pid is 0 again.
 * Apart, it is a fork: what goes wrong in the child is known when that has ended, by then *publish_pid, which has to be in memory that the
 * two share, is the negative errno. */
int hx_spawn(const struct hx_spawn *spec, pid_t *ret_pid);

/* Nobody but root may read this process's memory, environment or descriptors from now on, or trace it; the kernel dumps no core of it.
 * What it executes is as open as ever. */
void hx_hide_process(void);

/* Sends signo to the whole group; true if there was anyone to send it to. False for pgid <= 1: never everybody, nor us. */
bool hx_kill_group(pid_t pgid, int signo);
/* True while any process is in the group; one that ended counts until it was waited for. */
bool hx_group_alive(pid_t pgid);

/* A zombie doesn't: who should wait for it may be busy. One that /proc hides from us may run. */
bool hx_runs(pid_t pid);
/* SIGKILL to every process of this host that is() names and that we may kill, ourselves excepted: again and again until none of them runs,
 * or the time is up. Returns how many ran at first. Blocks as long. */
size_t hx_kill_where(bool (*is)(pid_t pid, void *user), void *user, int64_t patience_ms);

/* The number of the PID namespace that pid runs in, 0 for ourselves: no other one on this machine has it as long as that has processes.
 * 0: pid is gone, or we may not know. */
uint64_t hx_pid_namespace(pid_t pid);

/* Pids of our direct children (/proc/self/task/.../children), at most max of them. Returns how many, or -errno. */
int hx_children(pid_t *ret_pids, size_t max);

/* Threads of root and of all processes that descend from it; counting ends beyond max. 0: root is gone, or the kernel doesn't tell
 * (CONFIG_PROC_CHILDREN). */
size_t hx_tasks(pid_t root, size_t max);
/* The child of ours that pid is or descends from; 0: none; -ESRCH: it, or one above it, is gone or hidden. Our children themselves may be
 * hidden (hx_hide_process). */
pid_t hx_child_above(pid_t pid);
/* ancestor, if pid is it or descends from it; otherwise as hx_child_above. */
pid_t hx_descends(pid_t pid, pid_t ancestor);

/* The name of a signal for people and error codes: "SIGSEGV"; "SIG34" for those without a name. Static or thread-local. */
const char *hx_signal_name(int signo);

/* "d41d8c…": /etc/machine-id, or the boot id where there is none; 32 hex digits. 0 or -errno. */
int hx_machine_id(char out[33]);
/* /proc/sys/kernel/random/boot_id without dashes. */
int hx_boot_id(char out[33]);
