#include "common/thread.h"

#include <signal.h>

int hx_thread_new(void *(*run)(void *user), void *user, pthread_t *ret_thread) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int r = pthread_create(ret_thread, NULL, run, user);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -r;
}
