/* Things that stand where a PostgreSQL should: a listener that never answers, one that answers with given bytes, and a
 * relay to the real one that can be told to freeze or to cut. Each runs in a thread of its own. */
#pragma once

#include "common/text.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

struct fake {
    int listener;
    char port[8];
    const void *answer; /* to the first packet; NULL: none */
    size_t answer_len;
    bool once; /* and mute from then on */
    atomic_bool stop;
    atomic_bool relay;
    atomic_bool frozen_to_client, frozen_to_server; /* bytes stay where they are */
    atomic_bool mute;                               /* no answer any more */
    atomic_bool cut;                                /* closes all connections once */
    atomic_long to_server;                          /* bytes forwarded */
    pthread_t thread;
};

enum { FAKE_PAIRS = 16 };

/* A port that refuses, and that is nobody else's as long as this descriptor is open. */
static inline int fake_refuse(char port[8]) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t n = sizeof a;
    assert_int_equal(bind(fd, (struct sockaddr *)&a, n), 0);
    getsockname(fd, (struct sockaddr *)&a, &n);
    snprintf(port, 8, "%d", ntohs(a.sin_port));
    return fd;
}

static inline int fake_listen(char port[8]) {
    int fd = fake_refuse(port);
    assert_int_equal(listen(fd, 16), 0);
    return fd;
}

static inline int fake_connect_real(void) {
    const char *port = getenv("PGPORT");
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    a.sin_port = htons((uint16_t)strtol(port ? port : "5432", NULL, 10));
    return connect(fd, (struct sockaddr *)&a, sizeof a) == 0 ? fd : (close(fd), -1);
}

/* Moves what is there from one socket to the other; false at its end. */
static inline bool fake_move(int from, int to, atomic_long *bytes) {
    char buf[65536];
    ssize_t n = recv(from, buf, sizeof buf, 0);
    if (n <= 0)
        return false;
    for (ssize_t sent = 0; sent < n;) {
        ssize_t w = send(to, buf + sent, (size_t)(n - sent), MSG_NOSIGNAL);
        if (w <= 0)
            return false;
        sent += w;
    }
    if (bytes)
        atomic_fetch_add(bytes, n);
    return true;
}

static inline void fake_serve_pair(struct fake *f, struct pollfd *client, struct pollfd *server) {
    bool alive = true;
    if (client->revents && f->relay && !f->frozen_to_server)
        alive = fake_move(client->fd, server->fd, &f->to_server);
    else if (client->revents && f->answer && !f->mute) {
        char packet[1024];
        alive = recv(client->fd, packet, sizeof packet, 0) > 0 &&
                send(client->fd, f->answer, f->answer_len, MSG_NOSIGNAL) > 0;
        f->mute = f->once;
    }
    if (alive && server->fd >= 0 && server->revents && !f->frozen_to_client)
        alive = fake_move(server->fd, client->fd, NULL);
    if (alive && !f->cut)
        return;
    close(client->fd);
    if (server->fd >= 0)
        close(server->fd);
    client->fd = server->fd = -1;
}

static inline void *fake_run(void *user) {
    struct fake *f = user;
    struct pollfd fds[1 + 2 * FAKE_PAIRS] = { { .fd = f->listener, .events = POLLIN } };
    int n = 1;
    while (!f->stop) {
        for (int i = 1; i < n; i += 2) {
            fds[i].events = f->relay ? (f->frozen_to_server ? 0 : POLLIN) : f->answer && !f->mute ? POLLIN : 0;
            fds[i + 1].events = f->frozen_to_client ? 0 : POLLIN;
        }
        poll(fds, (nfds_t)n, 5);
        for (int i = 1; i < n; i += 2)
            if (fds[i].fd >= 0)
                fake_serve_pair(f, &fds[i], &fds[i + 1]);
        f->cut = false;
        if (fds[0].revents && n + 1 < 1 + 2 * FAKE_PAIRS) {
            fds[n++] = (struct pollfd){ .fd = accept(f->listener, NULL, NULL) };
            fds[n++] = (struct pollfd){ .fd = f->relay ? fake_connect_real() : -1 };
        }
    }
    for (int i = 0; i < n; i++)
        if (fds[i].fd >= 0)
            close(fds[i].fd);
    return NULL;
}

static inline void fake_start(struct fake *f) {
    f->listener = fake_listen(f->port);
    assert_int_equal(pthread_create(&f->thread, NULL, fake_run, f), 0);
}

static inline void fake_stop(struct fake *f) {
    f->stop = true;
    pthread_join(f->thread, NULL);
}
