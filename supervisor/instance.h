/* The fleet's name on its host: one supervisor has it at a time. Whoever has it may take the workers of earlier runs for dead, and their
 * jobs with them, so two with one name would take each other's. */
#pragma once

/* 0, and the name is ours until *ret_fd is closed or this process ends; -EADDRINUSE: another supervisor has it; or -errno. */
int instance_take(const char *instance, int *ret_fd);
