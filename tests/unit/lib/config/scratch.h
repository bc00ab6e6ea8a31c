/* What the tests of lib/config share: a folder and an environment of their own for each test. */
#pragma once

#include "lib/config/state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char scratch[64]; /* the folder */

static inline int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw) {
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

static inline int set_up(void **state) {
    (void)state;
    static char root[96];
    hx_strcopy(scratch, sizeof scratch, "/tmp/heimdex-config-XXXXXX");
    if (!mkdtemp(scratch))
        return -1;
    snprintf(root, sizeof root, "%s/secrets", scratch);
    hx_secret_set_root(root);
    return clearenv();
}

static inline int tear_down(void **state) {
    (void)state;
    hx_secret_set_root(NULL);
    return nftw(scratch, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* The path of a file of the scratch folder, in one of a few buffers. */
static inline const char *in_scratch(const char *name) {
    static char paths[8][256];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", scratch, name);
    return path;
}

static inline void put_bytes(const char *name, const char *content, size_t n) {
    const char *path = in_scratch(name);
    for (char *slash = strchr(path + strlen(scratch) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0700);
        *slash = '/';
    }
    _cleanup_fclose_ FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(content, 1, n, file), n);
}

static inline void put(const char *name, const char *content) {
    put_bytes(name, content, strlen(content));
}

/* The configuration of the file "main.conf" with this content, which must be good. */
static inline struct hx_config *load(const char *content) {
    struct hx_config_error e = { "" };
    struct hx_config *c = NULL;
    put("main.conf", content);
    if (hx_config_load(in_scratch("main.conf"), &c, &e) < 0)
        fail_msg("%s", e.message);
    return c;
}

/* What is wrong with it, the scratch folder's path left out ("/main.conf:1: …"). */
static inline const char *complaint_of(const char *file, int result) {
    static struct hx_config_error e;
    struct hx_config *c = NULL;
    assert_int_equal(hx_config_load(file, &c, &e), result);
    assert_null(c);
    for (char *at; (at = strstr(e.message, scratch));)
        memmove(at, at + strlen(scratch), strlen(at + strlen(scratch)) + 1);
    return e.message;
}

static inline void check_complaint(const char *content, const char *message) {
    put("main.conf", content);
    assert_string_equal(complaint_of(in_scratch("main.conf"), -EINVAL), message);
}

HX_DEFINE_CLEANUP(struct hx_config, hx_config_free)
#define _cleanup_config_ HX_CLEANUP(hx_config_free_p)

#define scratch_test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
