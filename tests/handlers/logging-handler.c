/* logging-handler LOG: an exec handler that writes down its runs for the invariant checker, one line each with one write to a file that
 * is only appended to:
 *
 *   start JOB TOKEN PID BOOTTIME           TOKEN is the fence, BOOTTIME in seconds
 *   overlap JOB TOKEN PID BOOTTIME OTHER   another run of the job is alive on this host: process OTHER
 *   end JOB TOKEN PID BOOTTIME
 *
 * Each run holds a lock on its job's byte of LOG.lock, which the kernel takes away with the process: so a run that was killed, and never
 * wrote its end, is known to be over. Payload, all optional: {"until": "PATH", "sleep_ms": 0, "fail_attempts": 0, "exit": 1,
 * "kill_worker": 0, "deaf": 0}: ignore TERM; wait until there is a file PATH; fail the first fail_attempts attempts with that exit code; kill the worker in the
 * first kill_worker attempts. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *job, *token;
static int log_fd;

static void put(const char *what, const char *rest) {
    struct timespec now;
    char line[256];
    clock_gettime(CLOCK_BOOTTIME, &now);
    int n = snprintf(line, sizeof line, "%s %s %s %d %lld.%06ld%s\n", what, job, token, (int)getpid(),
                     (long long)now.tv_sec, now.tv_nsec / 1000, rest);
    if (write(log_fd, line, (size_t)n) != n)
        _exit(74);
}

/* A place in the lock file for the job: 62 bits of its id, which are random. */
static off_t place(void) {
    unsigned long long hash = 14695981039346656037ull;
    for (const char *p = job; *p; p++)
        hash = (hash ^ (unsigned char)*p) * 1099511628211ull;
    return (off_t)(hash >> 2);
}

static void lock(const char *path) {
    char name[4096], other[32];
    snprintf(name, sizeof name, "%s.lock", path);
    int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = place(), .l_len = 1 };
    if (fd < 0)
        _exit(74);
    if (fcntl(fd, F_SETLK, &l) == 0)
        return;
    l = (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = place(), .l_len = 1 };
    fcntl(fd, F_GETLK, &l);
    snprintf(other, sizeof other, " %d", (int)(l.l_type == F_UNLCK ? 0 : l.l_pid));
    put("overlap", other);
}

/* What stands behind "KEY":, or NULL. */
static const char *value(const char *payload, const char *key) {
    char quoted[64];
    snprintf(quoted, sizeof quoted, "\"%s\"", key);
    const char *p = strstr(payload, quoted);
    p = p ? strchr(p, ':') : NULL;
    return p ? p + 1 : NULL;
}

static long number(const char *payload, const char *key, long otherwise) {
    const char *p = value(payload, key);
    return p ? strtol(p, NULL, 10) : otherwise;
}

static void rest(long ms) {
    struct timespec left = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
    while (nanosleep(&left, &left) < 0 && errno == EINTR)
        ;
}

static void wait_for_file(const char *payload) {
    char path[4096];
    const char *p = value(payload, "until");
    if (p && sscanf(p, " \"%4095[^\"]", path) == 1)
        while (access(path, F_OK) != 0)
            rest(10);
}

int main(int argc, char **argv) {
    char payload[4096];
    job = getenv("HEIMDEX_JOB_ID");
    token = getenv("HEIMDEX_FENCE");
    const char *attempt = getenv("HEIMDEX_ATTEMPT");
    if (argc != 2 || !job || !token || !attempt)
        return 64;
    log_fd = open(argv[1], O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    ssize_t n = read(STDIN_FILENO, payload, sizeof payload - 1);
    if (log_fd < 0 || n < 0)
        return 74;
    payload[n] = '\0';
    lock(argv[1]);
    if (number(payload, "deaf", 0))
        sigaction(SIGTERM, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
    put("start", "");
    wait_for_file(payload);
    rest(number(payload, "sleep_ms", 0));
    if (strtol(attempt, NULL, 10) <= number(payload, "kill_worker", 0)) {
        kill(getppid(), SIGKILL);
        pause();
    }
    int code = strtol(attempt, NULL, 10) <= number(payload, "fail_attempts", 0) ? (int)number(payload, "exit", 1) : 0;
    put("end", "");
    return code;
}
