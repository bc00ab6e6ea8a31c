/* The control socket's place in the file system. */
#pragma once

#include "supervisor/control.h"

/* Makes the last directory of path where it is missing. Whatever goes wrong shows when the lock is made. */
void control_make_directory(const char *path);
/* Holds PATH.lock until *ret_fd is closed. As control_new. */
int control_lock(const char *path, int *ret_fd, struct control_error *reterr);
/* Listens at path, in place of what a dead supervisor left there. Only with the lock. As control_new. */
int control_listen(const char *path, int *ret_fd, struct control_error *reterr);
