/* A scratch directory, a configuration for the supervisor, and programs that are a line of shell. */
#pragma once

#include "lib/config/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char scratch_dir[64];

static inline int scratch_open(void **s) {
    (void)s;
    snprintf(scratch_dir, sizeof(scratch_dir), "/tmp/hxsvXXXXXX");
    return mkdtemp(scratch_dir) ? 0 : -1;
}

static inline int scratch_close(void **s) {
    (void)s;
    static const char *const names[] = { "heimdex-worker", "heimdex-scheduler", "control", "control.lock",
                                         "sub/control",    "sub/control.lock",  "sub",     "out" };
    char path[128];
    for (size_t i = 0; i < HX_ARRAY_LEN(names); i++) {
        snprintf(path, sizeof(path), "%s/%s", scratch_dir, names[i]);
        if (remove(path) < 0)
            continue;
    }
    return rmdir(scratch_dir);
}

static inline void scratch_program(const char *name, const char *line) {
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", scratch_dir, name);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    fprintf(f, "#!/bin/sh\ncd %s || exit 99\n%s\n", scratch_dir, line);
    fclose(f);
    assert_int_equal(chmod(path, 0755), 0);
}

/* With pairs of variable and value before a NULL. */
static inline struct hx_config *scratch_config(const char *const *variables) {
    struct hx_config *config = NULL;
    struct hx_config_error error;
    for (size_t i = 0; variables && variables[i]; i += 2)
        setenv(variables[i], variables[i + 1], 1);
    if (hx_config_load("/dev/null", &config, &error) < 0)
        fail_msg("%s", error.message);
    for (size_t i = 0; variables && variables[i]; i += 2)
        unsetenv(variables[i]);
    return config;
}
