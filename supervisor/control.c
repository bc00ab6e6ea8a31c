#include "supervisor/control.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/text.h"
#include "supervisor/control_path.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* Nobody on the other side of this socket may harm the fleet, by silence, slowness or greed. */
enum {
    CLIENTS_MAX = 32,
    LINE_MAX_BYTES = 4096,
    ANSWERS_MAX = 1 << 20, /* bytes waiting for a client before we stop listening to it */
    SILENCE_MS = 10 * 1000,
    CHECK_MS = 1000,
};

struct client {
    struct client *next;
    struct control *control;
    struct hx_watch *watch;
    int fd;
    int64_t active_ms;
    bool closing; /* once its answers are out */
    struct hx_buf in, out;
};

struct control {
    struct hx_loop *loop;
    struct hx_watch *watch;
    struct hx_timer *timer;
    control_cb cb;
    void *user;
    char *path;
    int lock_fd, listen_fd;
    bool kept; /* by systemd, for the next one */
    struct client *clients;
    size_t client_count;
};

/* ---- one client ---- */

static void client_close(struct client *client) {
    struct control *control = client->control;
    struct client **at = &control->clients;
    while (*at != client)
        at = &(*at)->next;
    *at = client->next;
    control->client_count--;
    hx_watch_free(client->watch);
    close(client->fd);
    hx_buf_reset(&client->in);
    hx_buf_reset(&client->out);
    free(client);
}

static void answer(struct client *client, json_t *object) {
    _cleanup_free_ char *text = hx_json_dump(object);
    json_decref(object);
    hx_buf_puts(&client->out, text);
    hx_buf_putc(&client->out, '\n');
}

static json_t *refusal(const char *why) {
    return json_pack("{s:b,s:s}", "ok", false, "error", why);
}

static void take_line(struct client *client, const char *line, size_t n) {
    struct hx_json_error error;
    _cleanup_json_ json_t *request = NULL;
    if (n == 0 || (n == 1 && line[0] == '\r'))
        return;
    if (hx_json_parse(line, n, &request, &error) < 0)
        answer(client, refusal(error.message));
    else if (!json_is_object(request))
        answer(client, refusal("a request is a JSON object"));
    else
        answer(client, client->control->cb(request, client->control->user));
}

static void take_lines(struct client *client) {
    const char *end;
    while (client->in.len > 0 && client->out.len < ANSWERS_MAX &&
           (end = memchr(client->in.data, '\n', client->in.len))) {
        size_t n = (size_t)(end - client->in.data);
        take_line(client, client->in.data, n);
        hx_buf_consume(&client->in, n + 1);
    }
    if (client->in.len > LINE_MAX_BYTES && client->out.len < ANSWERS_MAX) {
        answer(client, refusal("the line is too long"));
        client->closing = true;
    }
}

/* False: it is gone, and so is the client. */
static bool client_read(struct client *client) {
    char *at = hx_buf_reserve(&client->in, LINE_MAX_BYTES);
    ssize_t n = recv(client->fd, at, LINE_MAX_BYTES, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (n < 0) {
        client_close(client);
        return false;
    }
    client->closing |= n == 0; /* it may have shut down its side only, and wait for answers */
    client->in.len += (size_t)n;
    client->active_ms = hx_mono_ms();
    return true;
}

static bool client_write(struct client *client) {
    while (client->out.len > 0) {
        ssize_t n = send(client->fd, client->out.data, client->out.len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN)
            return true;
        if (n < 0 && errno != EINTR) {
            client_close(client);
            return false;
        }
        if (n > 0) {
            hx_buf_consume(&client->out, (size_t)n);
            client->active_ms = hx_mono_ms();
        }
    }
    return true;
}

static void on_client(int fd, uint32_t events, void *user) {
    struct client *client = user;
    (void)fd;
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) && !client->closing && client->out.len < ANSWERS_MAX &&
        !client_read(client))
        return;
    take_lines(client);
    if (!client_write(client))
        return;
    if ((client->closing && client->out.len == 0) || (events & (EPOLLHUP | EPOLLERR))) {
        client_close(client);
        return;
    }
    uint32_t wanted = client->closing || client->out.len >= ANSWERS_MAX ? 0 : EPOLLIN;
    hx_watch_set(client->watch, wanted | (client->out.len > 0 ? EPOLLOUT : 0));
}

/* ---- all clients ---- */

static struct client *most_silent(struct control *control) {
    struct client *found = control->clients;
    for (struct client *client = found; client; client = client->next)
        if (client->active_ms < found->active_ms)
            found = client;
    return found;
}

static void on_timer(void *user) {
    struct control *control = user;
    struct client *client;
    while ((client = most_silent(control)) && hx_mono_ms() - client->active_ms >= SILENCE_MS)
        client_close(client);
    if (control->client_count > 0)
        hx_timer_set(control->timer, CHECK_MS);
}

static void on_accept(int listen_fd, uint32_t events, void *user) {
    struct control *control = user;
    (void)events;
    int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    if (control->client_count >= CLIENTS_MAX)
        client_close(most_silent(control)); /* whoever comes now wants something now */
    struct client *client = hx_alloc(sizeof(*client));
    *client = (struct client){ .next = control->clients, .control = control, .fd = fd, .active_ms = hx_mono_ms() };
    control->clients = client;
    control->client_count++;
    if (hx_watch_new(control->loop, fd, EPOLLIN, on_client, client, &client->watch) < 0)
        client_close(client);
    else if (!hx_timer_armed(control->timer))
        hx_timer_set(control->timer, CHECK_MS);
}

/* ---- life ---- */

int control_new(struct hx_loop *loop, const char *path, control_cb cb, void *user, struct control **ret,
                struct control_error *reterr) {
    struct control *c = hx_alloc(sizeof(*c));
    *c = (struct control){ .loop = loop, .cb = cb, .user = user, .lock_fd = -1, .listen_fd = -1 };
    control_make_directory(path);
    int r = control_lock(path, &c->lock_fd, reterr);
    if (r == 0)
        r = control_listen(path, &c->listen_fd, &c->kept, reterr);
    if (r == 0)
        c->path = hx_strdup(path); /* from here on it is ours to remove */
    if (r == 0) {
        r = hx_watch_new(loop, c->listen_fd, EPOLLIN, on_accept, c, &c->watch);
        c->timer = hx_timer_new(loop, on_timer, c);
    }
    if (r < 0) {
        control_free(c);
        return r;
    }
    *ret = c;
    return 0;
}

struct control *control_free(struct control *c) {
    if (!c)
        return NULL;
    while (c->clients)
        client_close(c->clients);
    hx_watch_free(c->watch);
    hx_timer_free(c->timer);
    if (c->path && !c->kept)
        unlink(c->path);
    if (c->listen_fd >= 0)
        close(c->listen_fd);
    if (c->lock_fd >= 0)
        close(c->lock_fd); /* last: the next one may take the path now */
    free(c->path);
    free(c);
    return NULL;
}
