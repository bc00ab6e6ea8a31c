/* The addresses of one name, looked up beside the loop: the C library's resolver blocks for as long as it likes and can't be called off.
 * So its thread shares the lookup with the loop's side: whoever lets go of it last frees it. */
#include "lib/pg/pg_internal.h"

#include "common/thread.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

struct pg_lookup {
    struct hx_watch *watch; /* the loop's side alone; gone when the answer is there */
    void (*answered)(void *user);
    void *user;

    atomic_int owners;
    int fd; /* an eventfd: the thread has written what follows */
    char *name;
    struct addrinfo *found;
    int error;
};

static void let_go(struct pg_lookup *l) {
    if (atomic_fetch_sub(&l->owners, 1) > 1)
        return;
    if (l->found)
        freeaddrinfo(l->found);
    close(l->fd);
    free(l->name);
    free(l);
}

static void *look_up(void *user) {
    struct pg_lookup *l = user;
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM }; /* as libpq asks */
    l->error = getaddrinfo(l->name, NULL, &hints, &l->found);
    eventfd_write(l->fd, 1);
    let_go(l);
    return NULL;
}

static void on_answer(int fd, uint32_t events, void *user) {
    struct pg_lookup *l = user;
    eventfd_t count;
    (void)events;
    if (eventfd_read(fd, &count) < 0)
        return;
    l->watch = hx_watch_free(l->watch);
    l->answered(l->user); /* which may free it */
}

int pg_lookup_new(struct hx_loop *loop, const char *name, void (*answered)(void *user), void *user,
                  struct pg_lookup **ret) {
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0)
        return -errno;
    struct pg_lookup *l = hx_alloc(sizeof *l);
    *l = (struct pg_lookup){ .answered = answered, .user = user, .fd = fd, .name = hx_strdup(name) };
    atomic_init(&l->owners, 2);
    pthread_t thread;
    int r = hx_watch_new(loop, fd, EPOLLIN, on_answer, l, &l->watch);
    if (r == 0)
        r = hx_thread_new(look_up, l, &thread);
    if (r < 0) {
        atomic_store(&l->owners, 1);
        pg_lookup_free(l);
        return r;
    }
    pthread_detach(thread);
    *ret = l;
    return 0;
}

struct pg_lookup *pg_lookup_free(struct pg_lookup *l) {
    if (!l)
        return NULL;
    l->watch = hx_watch_free(l->watch);
    let_go(l);
    return NULL;
}

bool pg_lookup_done(const struct pg_lookup *l) {
    return !l->watch;
}

const struct addrinfo *pg_lookup_found(const struct pg_lookup *l) {
    return pg_lookup_done(l) && l->error == 0 ? l->found : NULL;
}

const char *pg_lookup_why(const struct pg_lookup *l) {
    return pg_lookup_done(l) && l->error ? gai_strerror(l->error) : NULL;
}
