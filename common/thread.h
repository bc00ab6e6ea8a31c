/* Threads beside the loop, for calls of libraries that block and can't be made another way. They take no signals: those are the loop's. */
#pragma once

#include <pthread.h>

/* Runs run(user) in a thread with every signal blocked. The caller joins or detaches *ret_thread. 0, or -EAGAIN when there is no room
 * for another thread. */
int hx_thread_new(void *(*run)(void *user), void *user, pthread_t *ret_thread);
