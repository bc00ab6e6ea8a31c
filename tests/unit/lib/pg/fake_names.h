/* A resolver of the test's own instead of the C library's, for our code and for libpq. Each test program has one. */
#pragma once

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static pthread_t fake_loop_thread; /* where a name must never be looked up */
static atomic_int fake_asked, fake_answered, fake_in_loop, fake_signals_open;
static atomic_bool fake_mute; /* names that begin with "slow" have no answer */
static pthread_mutex_t fake_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t fake_speaks = PTHREAD_COND_INITIALIZER;

static inline void fake_names_mute(bool mute) {
    pthread_mutex_lock(&fake_lock);
    fake_mute = mute;
    pthread_cond_broadcast(&fake_speaks);
    pthread_mutex_unlock(&fake_lock);
}

static inline void fake_names_start(bool mute) {
    fake_loop_thread = pthread_self();
    fake_asked = fake_answered = fake_in_loop = fake_signals_open = 0;
    fake_names_mute(mute);
}

/* Nobody asks any more: what was given up has ended too. */
static inline void fake_names_end(void) {
    fake_names_mute(false);
    while (fake_answered < fake_asked)
        sched_yield();
}

static inline struct addrinfo *fake_address(const char *text, struct addrinfo *next) {
    struct addrinfo *a = calloc(1, sizeof *a + sizeof(struct sockaddr_in6));
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)(a + 1);
    struct sockaddr_in *four = (struct sockaddr_in *)(a + 1);
    bool is_six = strchr(text, ':');
    a->ai_family = is_six ? AF_INET6 : AF_INET;
    a->ai_socktype = SOCK_STREAM;
    a->ai_addr = (struct sockaddr *)(a + 1);
    a->ai_addr->sa_family = (sa_family_t)a->ai_family;
    a->ai_addrlen = is_six ? sizeof *six : sizeof *four;
    inet_pton(a->ai_family, text, is_six ? (void *)&six->sin6_addr : (void *)&four->sin_addr);
    a->ai_next = next;
    return a;
}

static inline void fake_set_port(struct addrinfo *a, const char *service) {
    in_port_t port = htons((uint16_t)strtol(service ? service : "0", NULL, 10));
    if (a->ai_family == AF_INET6)
        ((struct sockaddr_in6 *)(void *)a->ai_addr)->sin6_port = port;
    else
        ((struct sockaddr_in *)(void *)a->ai_addr)->sin_port = port;
}

static inline int fake_look_up(const char *name, struct addrinfo **found) {
    sigset_t blocked;
    fake_asked++;
    if (pthread_equal(pthread_self(), fake_loop_thread))
        fake_in_loop++;
    pthread_sigmask(SIG_BLOCK, NULL, &blocked);
    if (!sigismember(&blocked, SIGTERM) || !sigismember(&blocked, SIGCHLD) || !sigismember(&blocked, SIGUSR1))
        fake_signals_open++;
    pthread_mutex_lock(&fake_lock);
    while (fake_mute && strncmp(name, "slow", 4) == 0)
        pthread_cond_wait(&fake_speaks, &fake_lock);
    pthread_mutex_unlock(&fake_lock);
    if (strncmp(name, "no", 2) != 0)
        *found = fake_address("127.0.0.1", NULL);
    if (strncmp(name, "two", 3) == 0)
        *found = fake_address("::1", *found);
    fake_answered++;
    return strncmp(name, "no", 2) == 0 ? EAI_NONAME : 0;
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
    struct in6_addr six;
    struct in_addr four;
    int r = 0;
    *found = NULL;
    if (inet_pton(AF_INET, name, &four) == 1 || inet_pton(AF_INET6, name, &six) == 1)
        *found = fake_address(name, NULL);
    else
        r = hints && hints->ai_flags & AI_NUMERICHOST ? EAI_NONAME : fake_look_up(name, found);
    for (struct addrinfo *a = *found; a; a = a->ai_next)
        fake_set_port(a, service);
    return r;
}

void freeaddrinfo(struct addrinfo *a) {
    while (a) {
        struct addrinfo *next = a->ai_next;
        free(a);
        a = next;
    }
}
