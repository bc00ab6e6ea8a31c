/* The journal's socket. */
#include "common/log_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define JOURNAL_SOCKET "/run/systemd/journal/socket"

static const char *path = JOURNAL_SOCKET;

void hx_log_journal_set_path(const char *other) {
    path = other ? other : JOURNAL_SOCKET;
}

bool hx_log_journal_attached(int fd) {
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    char end;
    struct stat st;
    if (!stream || sscanf(stream, "%llu:%llu%c", &device, &inode, &end) != 2 || fstat(fd, &st) < 0)
        return false;
    return st.st_dev == device && st.st_ino == inode;
}

/* One socket for the process, made at the first use and never connected: the journal may restart behind it. */
static int journal_fd = -1;

static void open_socket(void) {
    journal_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

static int send_message(const struct msghdr *message) {
    if (sendmsg(journal_fd, message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
        return 0;
    return -errno;
}

/* What is too big for a datagram travels as a sealed memfd. */
static int send_memfd(struct msghdr *message, const char *entry, size_t len) {
    _cleanup_close_ int fd = memfd_create("heimdex-journal", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -errno;
    for (size_t done = 0; done < len;) {
        ssize_t n = write(fd, entry + done, len - done);
        if (n < 0)
            return -errno;
        done += (size_t)n;
    }
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
        return -errno;
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = { 0 };
    message->msg_iov = NULL;
    message->msg_iovlen = 0;
    message->msg_control = &control;
    message->msg_controllen = sizeof(control);
    struct cmsghdr *header = CMSG_FIRSTHDR(message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &fd, sizeof(fd));
    return send_message(message);
}

int hx_log_journal_send(const char *entry, size_t len) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, open_socket);
    if (journal_fd < 0)
        return -EBADF;
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    hx_strcopy(address.sun_path, sizeof(address.sun_path), path);
    char *bytes = (char *)(uintptr_t)entry; /* an iovec knows no const; nothing is written there */
    struct iovec part = { .iov_base = bytes, .iov_len = len };
    struct msghdr message = { .msg_name = &address, .msg_namelen = sizeof(address), .msg_iov = &part, .msg_iovlen = 1 };
    int r = send_message(&message);
    if (r == -EMSGSIZE || r == -ENOBUFS)
        r = send_memfd(&message, entry, len);
    return r;
}
