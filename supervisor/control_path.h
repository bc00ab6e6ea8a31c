/* The control socket's place in the file system. */
#pragma once

#include "supervisor/control.h"

/* Makes the last directory of path where it is missing. Whatever goes wrong shows when the lock is made. */
void control_make_directory(const char *path);
/* Holds PATH.lock until *ret_fd is closed. As control_new. */
int control_lock(const char *path, int *ret_fd, struct control_error *reterr);
/* Listens at path: on the socket that systemd has kept for us since the supervisor before this one, else in place of what a dead one
 * left there. *ret_kept: systemd has it, and clients may find it while nobody runs. Only with the lock. As control_new. */
int control_listen(const char *path, int *ret_fd, bool *ret_kept, struct control_error *reterr);
