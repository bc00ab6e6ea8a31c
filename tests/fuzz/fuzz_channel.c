/* Packets from a child: each that is an object is delivered once and as it was sent, with its descriptor; no other is, and no descriptor
 * stays open. */
#include "lib/channel/channel.h"

#include "tests/fuzz/oracle.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

static struct hx_loop *loop;
static size_t heard, ended, with_fd;
static json_t *last;

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc, (void)argv;
    return must(hx_loop_new(&loop) == 0), 0;
}

static void on_message(struct hx_channel *channel, const json_t *message, int fd, void *user) {
    (void)channel, (void)user;
    if (fd >= 0) {
        with_fd++;
        close(fd);
    }
    ended += !message;
    if (message) {
        must(json_is_object(message));
        heard++;
        json_decref(last);
        last = json_deep_copy(message);
    }
}

static void send_raw(int to, const uint8_t *data, size_t n, int fd) {
    char control[CMSG_SPACE(sizeof(int))] __attribute__((aligned(sizeof(size_t)))) = { 0 };
    struct iovec part = { .iov_base = (void *)(uintptr_t)data, .iov_len = n };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
    if (fd >= 0) {
        message.msg_control = control;
        message.msg_controllen = sizeof control;
        struct cmsghdr *head = CMSG_FIRSTHDR(&message);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(head), &fd, sizeof fd);
    }
    must(sendmsg(to, &message, MSG_NOSIGNAL) == (ssize_t)n);
}

static int open_descriptors(void) {
    int n = 0;
    for (int fd = 0; fd < 64; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

/* What came in as a packet goes out as a message of ours and comes back. */
static void check_sent(int ends[2], const json_t *object) {
    struct hx_channel *a = NULL, *b = NULL;
    must(hx_channel_new(loop, ends[0], on_message, NULL, &a) == 0);
    must(hx_channel_new(loop, ends[1], on_message, NULL, &b) == 0);
    heard = 0;
    must(hx_channel_send(a, json_deep_copy(object), -1) == 0);
    hx_channel_read(b);
    must(heard == 1 && json_equal(last, object));
    hx_channel_free(a);
    hx_channel_free(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    int ends[2], open_before = open_descriptors();
    struct hx_channel *channel;
    bool carries = fuzz_byte(&data, &size) & 1;
    _cleanup_json_ json_t *object = NULL;
    struct hx_json_error error;
    if (size > 32768)
        return 0;
    heard = ended = with_fd = 0;
    must(hx_channel_pair(ends) == 0);
    must(hx_channel_new(loop, ends[0], on_message, NULL, &channel) == 0);
    send_raw(ends[1], data, size, carries ? 2 : -1);
    bool valid = hx_json_parse((const char *)data, size, &object, &error) == 0 && json_is_object(object);
    hx_channel_read(channel);
    must(heard == valid && with_fd == (valid && carries) && ended == (size == 0));
    must(!valid || json_equal(last, object));
    close(ends[1]);
    if (size)
        hx_channel_read(channel);
    must(ended == 1);
    hx_channel_free(channel);
    must(hx_channel_pair(ends) == 0);
    if (valid)
        check_sent(ends, object);
    else
        close(ends[0]), close(ends[1]);
    last = (json_decref(last), NULL);
    must(open_descriptors() == open_before);
    return 0;
}
