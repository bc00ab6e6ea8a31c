/* LD_PRELOAD: the n-th call of a kind fails once, as if that resource had run out.
 * HX_SHIM=PROGRAM:KIND:FOLDER, KIND files, processes, memory or disk. Each process of that name takes the number in FOLDER/n and leaves what
 * FOLDER/step says more; when its call fails it writes FOLDER/fired.N, with the call's name. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);

enum kind { NONE, FILES, PROCESSES, MEMORY, DISK };

static enum kind armed;
static long nth;
static pid_t (*real_vfork)(void);
static atomic_long calls;
static char folder[200];

static long number(const char *name) {
    char path[256], text[32] = "";
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        if (syscall(SYS_read, fd, text, sizeof(text) - 1) < 0)
            text[0] = '\0';
        syscall(SYS_close, fd);
    }
    return strtol(text, NULL, 10);
}

static void note(const char *name, const char *text) {
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd >= 0) {
        if (syscall(SYS_write, fd, text, strlen(text)) < 0)
            _exit(99);
        syscall(SYS_close, fd);
    }
}

static bool fails(enum kind kind, const char *what, int error) {
    if (armed != kind || atomic_fetch_add(&calls, 1) + 1 != nth)
        return false;
    char name[32];
    snprintf(name, sizeof(name), "fired.%ld", nth);
    note(name, what);
    errno = error;
    return true;
}

__attribute__((constructor)) static void arm(void) {
    static const char *const names[] = { "", "files", "processes", "memory", "disk" };
    char program[32], kind[16], text[32];
    const char *setting = getenv("HX_SHIM");
    real_vfork = (pid_t(*)(void))dlsym(RTLD_NEXT, "vfork");
    if (!setting || sscanf(setting, "%31[^:]:%15[^:]:%199s", program, kind, folder) != 3 ||
        strcmp(program, program_invocation_short_name) != 0)
        return;
    nth = number("n");
    snprintf(text, sizeof(text), "%ld", nth + number("step"));
    note("n", text);
    for (enum kind k = FILES; k <= DISK; k++)
        if (strcmp(kind, names[k]) == 0)
            armed = k;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* ---- descriptors ---- */

#define MODE(flags, last)                                   \
    mode_t mode = 0;                                        \
    if ((flags) & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY))) { \
        va_list list;                                       \
        va_start(list, last);                               \
        mode = va_arg(list, mode_t);                        \
        va_end(list);                                       \
    }

int open(const char *path, int flags, ...) {
    MODE(flags, flags)
    return fails(FILES, "open", EMFILE) ? -1 : REAL(open)(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    MODE(flags, flags)
    return fails(FILES, "open64", EMFILE) ? -1 : REAL(open64)(path, flags, mode);
}

int openat(int at, const char *path, int flags, ...) {
    MODE(flags, flags)
    return fails(FILES, "openat", EMFILE) ? -1 : REAL(openat)(at, path, flags, mode);
}

FILE *fopen(const char *path, const char *mode) {
    return fails(FILES, "fopen", EMFILE) ? NULL : REAL(fopen)(path, mode);
}

#define DESCRIPTOR(name, declared, passed)                           \
    int name declared {                                              \
        return fails(FILES, #name, EMFILE) ? -1 : REAL(name) passed; \
    }

int accept4(int fd, struct sockaddr *restrict address, socklen_t *restrict size, int flags);
int epoll_create1(int flags);
int eventfd(unsigned int count, int flags);
int timerfd_create(int clock, int flags);
int signalfd(int fd, const sigset_t *mask, int flags);
int memfd_create(const char *name, unsigned int flags);
int pidfd_open(pid_t pid, unsigned int flags);

DESCRIPTOR(socket, (int domain, int type, int protocol), (domain, type, protocol))
DESCRIPTOR(socketpair, (int domain, int type, int protocol, int fds[2]), (domain, type, protocol, fds))
DESCRIPTOR(accept4, (int fd, struct sockaddr *restrict address, socklen_t *restrict size, int flags),
           (fd, address, size, flags))
DESCRIPTOR(pipe, (int fds[2]), (fds))
DESCRIPTOR(pipe2, (int fds[2], int flags), (fds, flags))
DESCRIPTOR(dup, (int fd), (fd))
DESCRIPTOR(epoll_create1, (int flags), (flags))
DESCRIPTOR(eventfd, (unsigned int count, int flags), (count, flags))
DESCRIPTOR(timerfd_create, (int clock, int flags), (clock, flags))
DESCRIPTOR(signalfd, (int fd, const sigset_t *mask, int flags), (fd, mask, flags))
DESCRIPTOR(memfd_create, (const char *name, unsigned int flags), (name, flags))
DESCRIPTOR(pidfd_open, (pid_t pid, unsigned int flags), (pid, flags))

/* ---- processes and threads ---- */

typedef struct thread_attributes thread_attributes;
int pthread_create(unsigned long *thread, const thread_attributes *attributes, void *(*run)(void *), void *argument);

pid_t fork(void) {
    return fails(PROCESSES, "fork", EAGAIN) ? -1 : REAL(fork)();
}

/* A tail call, hence -O2: the child of a vfork must not return through a frame of ours, which the parent still needs. */
pid_t vfork(void) {
    return fails(PROCESSES, "vfork", EAGAIN) ? -1 : real_vfork();
}

int pthread_create(unsigned long *thread, const thread_attributes *attributes, void *(*run)(void *), void *argument) {
    return fails(PROCESSES, "pthread_create", EAGAIN) ? EAGAIN
                                                      : REAL(pthread_create)(thread, attributes, run, argument);
}

/* ---- memory ---- */

void *malloc(size_t size) {
    return fails(MEMORY, "malloc", ENOMEM) ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size) {
    return fails(MEMORY, "calloc", ENOMEM) ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t size) {
    return fails(MEMORY, "realloc", ENOMEM) ? NULL : __libc_realloc(p, size);
}

/* ---- disk: writes to files and to the log ---- */

static bool is_file(int fd) {
    struct stat st;
    return armed == DISK && fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

ssize_t write(int fd, const void *data, size_t size) {
    return is_file(fd) && fails(DISK, "write", ENOSPC) ? -1 : syscall(SYS_write, fd, data, size);
}

int ftruncate(int fd, off_t size) {
    return fails(DISK, "ftruncate", ENOSPC) ? -1 : REAL(ftruncate)(fd, size);
}
