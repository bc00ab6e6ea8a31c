/* The services of a services file (lib/config/service.h), and a command's way through them. */
#pragma once

#include "lib/config/service.h"
#include "migrations/command.h"

/* A value type: zero-initialise, hx_services_load, hx_services_reset. */
struct hx_services {
    struct hx_service_file *file;
    struct hx_site *sites; /* in the file's order */
    size_t count, only;    /* only: the one asked for, or count for all */
};

/* 0, or an exit code after a complaint. only: a service's name, or NULL. */
int hx_services_load(const char *path, const char *only, struct hx_services *services);
void hx_services_reset(struct hx_services *services);

/* Runs the command for one after the other and stops at the first failure of one that changes things; what was done and
 * what wasn't is then told on stderr. Those that only tell go on. In out each line is led by its service's name; with
 * --json it is one object, a member each. Returns the exit code: the first that isn't 0. */
int hx_services_run(const struct hx_services *services, const struct hx_migrate *options, const char *command,
                    hx_command_fn run, const char *word, struct hx_buf *out);
