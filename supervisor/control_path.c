#include "supervisor/control_path.h"

#include "common/cleanup.h"
#include "common/text.h"
#include "lib/notify/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 64 };

static int fail(struct control_error *e, int r, const char *path, const char *why) {
    snprintf(e->message, sizeof(e->message), "%s: %s", path, why ? why : strerror(-r));
    return r;
}

void control_make_directory(const char *path) {
    _cleanup_free_ char *dir = hx_strdup(path);
    char *slash = strrchr(dir, '/');
    if (!slash || slash == dir)
        return;
    *slash = '\0';
    if (mkdir(dir, 0755) < 0 && errno != EEXIST)
        return;
}

/* The lock file stays: to remove it would let two supervisors hold two files of the same name. */
int control_lock(const char *path, int *ret_fd, struct control_error *reterr) {
    _cleanup_free_ char *name = hx_printf("%s.lock", path);
    if (strlen(path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
        return fail(reterr, -ENAMETOOLONG, path, "too long for a socket: 107 bytes at most");
    _cleanup_close_ int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return fail(reterr, -errno, name, NULL);
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        return fail(reterr, -errno, path, errno == EWOULDBLOCK ? "another supervisor is running" : NULL);
    *ret_fd = fd;
    fd = -1;
    return 0;
}

/* Root and the group heimdex, where there is one and we may; else whoever we are. */
static void hand_to_group(const char *path) {
    const struct group *group = getgrnam("heimdex");
    if (group && chown(path, (uid_t)-1, group->gr_gid) < 0)
        return;
}

static int bind_socket(int fd, const char *path) {
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    hx_strcopy(address.sun_path, sizeof(address.sun_path), path);
    mode_t before = umask(0117); /* 0660 from its first moment */
    int r = bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
    umask(before);
    return r;
}

static bool is_reachable(const char *path) {
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    hx_strcopy(address.sun_path, sizeof(address.sun_path), path);
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return fd >= 0 && (connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 || errno == EAGAIN);
}

/* With the lock nobody else listens there, so whoever answers at path is our socket; it may have been removed meanwhile. */
static bool take_kept(const char *path, int *ret_fd) {
    _cleanup_close_ int fd = hx_notify_take_socket(path);
    if (fd < 0 || !is_reachable(path))
        return false;
    *ret_fd = fd;
    fd = -1;
    return true;
}

int control_listen(const char *path, int *ret_fd, bool *ret_kept, struct control_error *reterr) {
    struct stat st;
    if (take_kept(path, ret_fd)) {
        *ret_kept = true;
        return 0;
    }
    if (lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
        return fail(reterr, -EEXIST, path, "there is something else than a socket");
    unlink(path); /* stale: whoever has the lock is the only one who listens here */
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fail(reterr, -errno, path, NULL);
    int r = bind_socket(fd, path);
    if (r == 0 && listen(fd, BACKLOG) < 0)
        r = -errno;
    if (r < 0)
        return fail(reterr, r, path, NULL);
    hand_to_group(path);
    *ret_kept = hx_notify_keep(fd, "control");
    *ret_fd = fd;
    fd = -1;
    return 0;
}
