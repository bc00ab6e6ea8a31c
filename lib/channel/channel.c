#include "lib/channel/channel.h"

#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* Far below what a socket takes in one piece, far above what any of our messages needs. */
enum { PACKET_MAX = 64 * 1024, PACKETS_AT_ONCE = 32 };

/* One that the other end was too slow for. */
struct packet {
    struct packet *next;
    char *text;
    int fd;
};

struct hx_channel {
    struct hx_loop *loop;
    struct hx_watch *watch;
    hx_channel_cb cb;
    void *user;
    int fd;
    struct packet *first, **last;
    bool gone;   /* the end was told */
    bool *freed; /* of whoever is inside the callback and must know when it freed us */
};

int hx_channel_pair(int ret_fds[2]) {
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ret_fds) < 0 ? -errno : 0;
}

/* ---- sending ---- */

static int send_packet(int socket_fd, const char *text, int fd) {
    struct iovec part = { .iov_base = (void *)(uintptr_t)text, .iov_len = strlen(text) };
    char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(sizeof(size_t)))) = { 0 };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
    if (fd >= 0) {
        message.msg_control = control;
        message.msg_controllen = sizeof(control);
        struct cmsghdr *head = CMSG_FIRSTHDR(&message);
        *head =
            (struct cmsghdr){ .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int)) };
        memcpy(CMSG_DATA(head), &fd, sizeof(fd));
    }
    while (sendmsg(socket_fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        if (errno != EINTR)
            return errno == ECONNRESET || errno == ENOTCONN ? -EPIPE : -errno;
    return 0;
}

static void packet_drop_first(struct hx_channel *channel) {
    struct packet *packet = channel->first;
    channel->first = packet->next;
    if (!channel->first)
        channel->last = &channel->first;
    if (packet->fd >= 0)
        close(packet->fd);
    free(packet->text);
    free(packet);
}

static void flush(struct hx_channel *channel) {
    while (channel->first) {
        int r = send_packet(channel->fd, channel->first->text, channel->first->fd);
        if (r == -EAGAIN || r == -ENOBUFS)
            return;
        packet_drop_first(channel); /* sent, or nobody is there any more to send it to */
    }
    hx_watch_set(channel->watch, EPOLLIN);
}

static int enqueue(struct hx_channel *channel, char *text, int fd) {
    int own = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 3) : -1;
    if (fd >= 0 && own < 0) {
        int r = -errno;
        free(text);
        return r;
    }
    struct packet *packet = hx_alloc(sizeof(*packet));
    *packet = (struct packet){ .text = text, .fd = own };
    *channel->last = packet;
    channel->last = &packet->next;
    return hx_watch_set(channel->watch, EPOLLIN | EPOLLOUT);
}

int hx_channel_send(struct hx_channel *channel, json_t *message, int fd) {
    char *text = hx_json_dump(message);
    json_decref(message);
    int r = channel->gone ? -EPIPE : strlen(text) > PACKET_MAX ? -EMSGSIZE : -EAGAIN;
    if (r == -EAGAIN && !channel->first)
        r = send_packet(channel->fd, text, fd);
    if (r == -EAGAIN || r == -ENOBUFS)
        return enqueue(channel, text, fd);
    free(text);
    return r;
}

/* ---- receiving ---- */

/* The padding of a control message leaves room for a second descriptor, which nobody asked for. */
static int take_fd(struct msghdr *message) {
    int taken = -1;
    for (struct cmsghdr *head = CMSG_FIRSTHDR(message); head; head = CMSG_NXTHDR(message, head)) {
        if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t at = 0; CMSG_LEN(at + sizeof(int)) <= head->cmsg_len; at += sizeof(int)) {
            int fd;
            memcpy(&fd, CMSG_DATA(head) + at, sizeof(fd));
            if (taken < 0)
                taken = fd;
            else
                close(fd);
        }
    }
    return taken;
}

/* True: go on reading. */
static bool deliver(struct hx_channel *channel, json_t *message, int fd) {
    bool freed = false, *outer = channel->freed;
    channel->freed = &freed;
    channel->cb(channel, message, fd, channel->user);
    if (!freed)
        channel->freed = outer;
    else if (outer)
        *outer = true;
    return !freed;
}

static void end(struct hx_channel *channel) {
    channel->gone = true;
    channel->watch = hx_watch_free(channel->watch);
    deliver(channel, NULL, -1);
}

/* True: there may be more to read. */
static bool receive(struct hx_channel *channel) {
    static char text[PACKET_MAX]; /* one thread, and parsed before anything else is read */
    char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(sizeof(size_t))));
    struct iovec part = { .iov_base = text, .iov_len = sizeof(text) };
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
    };
    ssize_t n = recvmsg(channel->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0 && (errno == EINTR || errno == ECONNRESET))
        return true; /* "reset" comes once, before what the other end had still sent */
    if (n < 0 && errno == EAGAIN)
        return false;
    int fd = n < 0 ? -1 : take_fd(&message); /* an empty packet reads like the end, and may carry one all the same */
    if (n <= 0) {
        if (fd >= 0)
            close(fd);
        end(channel);
        return false;
    }
    _cleanup_json_ json_t *object = NULL;
    struct hx_json_error error;
    if ((message.msg_flags & MSG_TRUNC) == 0 && hx_json_parse(text, (size_t)n, &object, &error) == 0 &&
        json_is_object(object))
        return deliver(channel, object, fd);
    hx_debug(NULL, "channel: a packet of %zd bytes is no message, ignoring", n);
    if (fd >= 0)
        close(fd);
    return true;
}

void hx_channel_read(struct hx_channel *channel) {
    for (int i = 0; i < PACKETS_AT_ONCE && !channel->gone; i++)
        if (!receive(channel))
            return;
}

static void on_event(int fd, uint32_t events, void *user) {
    struct hx_channel *channel = user;
    (void)fd;
    if (events & EPOLLOUT)
        flush(channel);
    if (events & ~(uint32_t)EPOLLOUT)
        hx_channel_read(channel);
}

void hx_channel_tell(struct hx_channel *channel, const char *op, const char *why, const char *detail) {
    if (channel)
        hx_channel_send(channel, json_pack("{s:s,s:s*,s:s*}", "op", op, "why", why, "detail", detail), -1);
}

/* ---- life ---- */

int hx_channel_new(struct hx_loop *loop, int fd, hx_channel_cb cb, void *user, struct hx_channel **ret) {
    struct hx_channel *channel = hx_alloc(sizeof(*channel));
    *channel = (struct hx_channel){ .loop = loop, .cb = cb, .user = user, .fd = fd };
    channel->last = &channel->first;
    int r = hx_watch_new(loop, fd, EPOLLIN, on_event, channel, &channel->watch);
    if (r < 0) {
        close(fd);
        free(channel);
        return r;
    }
    *ret = channel;
    return 0;
}

struct hx_channel *hx_channel_free(struct hx_channel *channel) {
    if (!channel)
        return NULL;
    if (channel->freed)
        *channel->freed = true;
    while (channel->first)
        packet_drop_first(channel);
    hx_watch_free(channel->watch);
    close(channel->fd);
    free(channel);
    return NULL;
}
