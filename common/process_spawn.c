/* Starting a process. The child of a vfork runs in our memory, on our stack, while this thread stands still: it may
 * only make system calls, and write what `struct plan` holds for it. That of a fork may do no more, because of threads that we have and
 * it has not. */
#include "common/cleanup.h"
#include "common/landlock.h"
#include "common/process.h"
#include "common/text.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum { STDIO = 3, EXIT_NOT_STARTED = 127, FDS_TO_CLOSE_BY_HAND = 65536 };

struct plan {
    const struct hx_spawn *spec;
    pid_t parent;
    int *fds; /* fds[n] becomes number n, -1: none */
    int fd_count;
    int executed; /* to be closed by the exec, -1: none */
    int error;    /* set by the child: why it did not come to its exec */
};

static int reset_signals(void) {
    struct sigaction action;
    for (int signo = 1; signo < _NSIG; signo++) {
        /* glibc keeps two numbers to itself and refuses them; they have no handler here. */
        if (sigaction(signo, NULL, &action) < 0 || action.sa_handler == SIG_DFL)
            continue;
        action = (struct sigaction){ .sa_handler = SIG_DFL };
        if (sigaction(signo, &action, NULL) < 0 && signo != SIGKILL && signo != SIGSTOP)
            return -errno;
    }
    return 0;
}

/* close_range(2) is missing in old kernels, and old sandboxes refuse it. */
static void close_from(int first) {
    struct rlimit limit;
    if (close_range((unsigned)first, ~0U, 0) == 0)
        return;
    int end = FDS_TO_CLOSE_BY_HAND;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < (rlim_t)end)
        end = (int)limit.rlim_cur;
    for (int fd = first; fd < end; fd++)
        close(fd);
}

/* Two steps, because a source may lie on the number that another one is to get: first everything up, out of the way,
 * then down to its place, where dup2 also takes CLOEXEC off. */
static int place_fds(struct plan *plan) {
    if (plan->executed >= 0 && (plan->executed = fcntl(plan->executed, F_DUPFD_CLOEXEC, plan->fd_count + 1)) < 0)
        return -errno;
    for (int n = 0; n < plan->fd_count; n++) {
        int fd = plan->fds[n];
        if (fd < 0 && n >= STDIO)
            continue;
        if (fd < 0 && n == STDERR_FILENO && fcntl(STDERR_FILENO, F_GETFD) >= 0)
            fd = STDERR_FILENO;
        int null_fd = fd < 0 ? open("/dev/null", O_RDWR | O_CLOEXEC) : -1;
        plan->fds[n] = fcntl(fd < 0 ? null_fd : fd, F_DUPFD_CLOEXEC, plan->fd_count);
        if (plan->fds[n] < 0)
            return -errno;
        if (null_fd >= 0)
            close(null_fd);
    }
    for (int n = 0; n < plan->fd_count; n++) {
        if (plan->fds[n] < 0)
            close(n);
        else if (dup2(plan->fds[n], n) < 0)
            return -errno;
    }
    if (plan->executed >= 0 && dup3(plan->executed, plan->fd_count, O_CLOEXEC) < 0)
        return -errno;
    close_from(plan->fd_count + (plan->executed >= 0));
    return 0;
}

static int set_limits(const struct plan *plan) {
    const struct hx_spawn *spec = plan->spec;
    if (spec->no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -errno;
    if (spec->rules > 0) {
        int r = hx_landlock_enter(spec->rules);
        if (r < 0)
            return r;
    }
    if (spec->no_core && setrlimit(RLIMIT_CORE, &(struct rlimit){ 0 }) < 0)
        return -errno;
    if (spec->data_max > 0) {
        rlim_t max = (rlim_t)spec->data_max;
        if (setrlimit(RLIMIT_DATA, &(struct rlimit){ max, max }) < 0)
            return -errno;
    }
    if (spec->mark) { /* refused where an outer one is lower: then by that it can't be told, and its environment must do */
        rlim_t mark = (rlim_t)spec->mark;
        setrlimit(RLIMIT_LOCKS, &(struct rlimit){ mark, mark });
    }
    if (spec->death_signal && prctl(PR_SET_PDEATHSIG, spec->death_signal, 0, 0, 0) < 0)
        return -errno;
    if (spec->death_signal && getppid() != plan->parent)
        _exit(EXIT_NOT_STARTED); /* died before the prctl: no signal will come any more, and nobody reads an error */
    return 0;
}

static void publish(const struct hx_spawn *spec, int32_t value) {
    if (spec->publish_pid)
        __atomic_store_n(spec->publish_pid, value, __ATOMIC_RELEASE);
}

/* The pid is published when the group exists that a reader would kill, and before anything of the program runs. */
static int prepare(struct plan *plan) {
    const struct hx_spawn *spec = plan->spec;
    if (spec->new_group && setpgid(0, 0) < 0)
        return -errno;
    if (spec->entrance > 0 && write(spec->entrance, "0", 1) < 0)
        return -errno;
    int r = set_limits(plan);
    if (r < 0)
        return r;
    publish(spec, getpid());
    r = reset_signals();
    if (r < 0)
        return r;
    if (spec->cwd && chdir(spec->cwd) < 0)
        return -errno;
    return place_fds(plan);
}

static __attribute__((noinline)) _Noreturn void run_child(struct plan *plan) {
    const struct hx_spawn *spec = plan->spec;
    plan->error = prepare(plan);
    if (plan->error == 0) {
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        /* execve takes its arrays as not const for reasons of history only. */
        execve(spec->argv[0], (char *const *)(uintptr_t)spec->argv,
               spec->envp ? (char *const *)(uintptr_t)spec->envp : environ);
        plan->error = -errno;
    }
    if (spec->apart)
        publish(spec, plan->error);
    _exit(EXIT_NOT_STARTED);
}

/* Signals are blocked meanwhile: a handler of ours would run in the child, in the memory of both. */
static pid_t start(struct plan *plan) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t pid = plan->spec->apart ? _Fork() : vfork();
    if (pid == 0)
        run_child(plan);
    if (pid < 0)
        plan->error = -errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return pid;
}

/* What the child does as well, whoever comes first: whoever reads the evidence from now on finds the group. */
static void go_ahead(const struct hx_spawn *spec, pid_t pid) {
    int32_t none = 0;
    if (spec->new_group)
        setpgid(pid, pid);
    if (spec->publish_pid)
        __atomic_compare_exchange_n(spec->publish_pid, &none, (int32_t)pid, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED);
}

int hx_spawn(const struct hx_spawn *spec, pid_t *ret_pid) {
    if (!spec->argv || !spec->argv[0] || spec->keep_count > INT16_MAX)
        return -EINVAL;
    int executed[2] = { -1, -1 };
    if (spec->apart && spec->ret_executed && pipe2(executed, O_CLOEXEC) < 0)
        return -errno;
    struct plan plan = { .spec = spec, .parent = getpid(), .fd_count = STDIO + (int)spec->keep_count };
    plan.executed = executed[1];
    _cleanup_free_ int *fds = plan.fds = hx_allocn((size_t)plan.fd_count, sizeof(*fds));
    fds[0] = spec->fd_in;
    fds[1] = spec->fd_out;
    fds[2] = spec->fd_err;
    for (size_t i = 0; i < spec->keep_count; i++)
        fds[STDIO + i] = spec->keep[i];

    pid_t pid = start(&plan);
    hx_close_p(&executed[1]);
    if (plan.error == 0) {
        if (spec->apart)
            go_ahead(spec, pid);
        if (spec->ret_executed)
            *spec->ret_executed = executed[0];
        *ret_pid = pid;
        return 0;
    }
    hx_close_p(&executed[0]);
    if (pid > 0)
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            ;
    if (pid > 0)
        publish(spec, 0);
    return plan.error;
}
