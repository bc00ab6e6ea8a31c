#include "common/hidden.h"

#include "common/clock.h"
#include "common/landlock.h"
#include "common/text.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A directory that has changed again within a tick of its file system's clock looks as it did after the first time: for that long none is
 * trusted. */
enum { DEPTH_MAX = 16, TICK_US = 2 * 1000 * 1000 };

struct directory {
    dev_t device;
    ino_t inode;
    struct timespec changed; /* its entries, above all; nobody can set it back */
};

struct hx_hidden {
    char *path;
    int mounts; /* polled for changes of what is mounted; -1: can't be */
    int rules;  /* -1: none are kept */
    struct directory way[DEPTH_MAX];
    size_t way_count;
};

static bool look_at(const char *path, struct directory *ret) {
    struct stat st;
    if (stat(path, &st) < 0)
        return false;
    *ret = (struct directory){ .device = st.st_dev, .inode = st.st_ino, .changed = st.st_ctim };
    return true;
}

/* All from the root down to itself: what the rules name are entries of these. 0: that many can't be told. */
static size_t look_along(const char *path, struct directory way[static DEPTH_MAX]) {
    _cleanup_free_ char *real = realpath(path, NULL);
    size_t n = real && look_at("/", &way[0]);
    for (char *end = real; n && end && end[1];) {
        end = strchr(end + 1, '/');
        if (end)
            *end = '\0';
        n = n < DEPTH_MAX && look_at(real, &way[n]) ? n + 1 : 0;
        if (end)
            *end = '/';
    }
    return n;
}

static bool same(const struct directory *a, const struct directory *b) {
    return a->device == b->device && a->inode == b->inode && a->changed.tv_sec == b->changed.tv_sec &&
           a->changed.tv_nsec == b->changed.tv_nsec;
}

static bool same_way(const struct hx_hidden *h, const struct directory *way, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (i >= h->way_count || !same(&h->way[i], &way[i]))
            return false;
    return n == h->way_count;
}

static bool at_rest(const struct directory *way, size_t n) {
    int64_t latest_us = hx_wall_us() - TICK_US;
    for (size_t i = 0; i < n; i++)
        if ((int64_t)way[i].changed.tv_sec * 1000000 + way[i].changed.tv_nsec / 1000 > latest_us)
            return false;
    return n > 0;
}

/* Since it was asked last: proc(5), /proc/pid/mounts. */
static bool mounts_changed(const struct hx_hidden *h) {
    struct pollfd mounts = { .fd = h->mounts, .events = POLLPRI };
    return h->mounts < 0 || poll(&mounts, 1, 0) != 0;
}

/* What changes while they are made is seen the next time. */
static int make(struct hx_hidden *h, const struct directory *way, size_t n) {
    int rules = hx_landlock_hide(h->path);
    hx_close_p(&h->rules);
    h->rules = rules < 0 ? -1 : rules;
    h->way_count = at_rest(way, n) ? n : 0;
    memcpy(h->way, way, n * sizeof *way);
    return rules;
}

int hx_hidden_rules(struct hx_hidden *h) {
    struct directory way[DEPTH_MAX];
    if (!h || !h->path)
        return -ENOENT;
    bool mounted = mounts_changed(h);
    size_t n = look_along(h->path, way);
    bool kept = h->rules >= 0 && h->way_count && !mounted && same_way(h, way, n);
    return kept ? h->rules : make(h, way, n);
}

struct hx_hidden *hx_hidden_new(const char *directory) {
    struct hx_hidden *h = hx_alloc(sizeof *h);
    *h = (struct hx_hidden){ .rules = -1, .mounts = -1 };
    if (directory && *directory) {
        h->path = hx_strdup(directory);
        h->mounts = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
    }
    return h;
}

struct hx_hidden *hx_hidden_free(struct hx_hidden *h) {
    if (!h)
        return NULL;
    hx_close_p(&h->rules);
    hx_close_p(&h->mounts);
    free(h->path);
    free(h);
    return NULL;
}
