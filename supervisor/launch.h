/* Starting our own programs: command line, environment, and what they inherit. */
#pragma once

#include "lib/config/config.h"

#include <sys/types.h>

struct launch;

/* Where our own program lies; the caller frees. NULL where that can't be known. */
char *launch_own_dir(void);
/* A sealed memfd with a packed configuration. Its number, or -errno. */
int launch_config_fd(const char *packed);

/* bin_dir NULL: where our own program lies. The configuration is packed now; `auto` of log.format becomes format, because the
 * children's stderr is a pipe to us and tells them nothing. 0 or -errno. */
int launch_new(const struct hx_config *config, const char *bin_dir, const char *instance, const char *incarnation,
               const char *format, struct launch **ret);
struct launch *launch_free(struct launch *l);

/* What a child is given; the caller's. */
struct launch_ends {
    int evidence, channel, output;
    int cgroup, entrance; /* its group, and where its process joins; -1: none */
};
/* Starts bin_dir/program for a slot. It leads its own process group (a terminal's Ctrl-C is for us alone) and dies with us. 0 and
 * *ret_pid, or the negative errno of hx_spawn. */
int launch_child(const struct launch *l, const char *program, int slot, const struct launch_ends *ends, pid_t *ret_pid);
/* Starts our own program as the guard; it outlives us. cgroup_fd: of our own group, or -1. */
int launch_guard(const struct launch *l, int channel_fd, int cgroup_fd, pid_t *ret_pid);
