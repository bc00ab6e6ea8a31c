#include "common/landlock.h"

#include "common/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Moving files between directories can't be left alone: the first version refuses it whatever the rules say, later ones unless it is
 * allowed. */
enum { ABI_WITH_REFER = 2 };
#define READS ((__u64)LANDLOCK_ACCESS_FS_READ_FILE)
#define LISTS ((__u64)(LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_REFER))

static int create(void) {
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi < ABI_WITH_REFER)
        return abi < 0 ? -errno : -EOPNOTSUPP;
    const struct landlock_ruleset_attr attr = { .handled_access_fs = READS | LISTS };
    long fd = syscall(SYS_landlock_create_ruleset, &attr, sizeof attr, 0);
    return fd < 0 ? -errno : (int)fd;
}

static int allow(int rules, int fd, __u64 access) {
    const struct landlock_path_beneath_attr attr = { .allowed_access = access, .parent_fd = fd };
    return syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &attr, 0) < 0 ? -errno : 0;
}

/* Links count for nothing themselves: what they lead to does. */
static int allow_entry(int rules, int directory, const char *name) {
    struct stat st;
    _cleanup_close_ int fd = openat(directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0 || S_ISLNK(st.st_mode))
        return 0; /* gone meanwhile */
    return allow(rules, fd, READS);
}

/* Everything in the directory but `hidden`. */
static int allow_others(int rules, int directory, const char *hidden) {
    int r = 0, fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = fd < 0 ? NULL : fdopendir(fd);
    if (!list)
        return -errno;
    for (const struct dirent *entry; r == 0 && (entry = readdir(list));)
        if (!hx_streq(entry->d_name, ".") && !hx_streq(entry->d_name, "..") && !hx_streq(entry->d_name, hidden))
            r = allow_entry(rules, directory, entry->d_name);
    closedir(list);
    return r;
}

/* Down from the root, each step leaving out the next. */
static int allow_all_but(int rules, const char *directory) {
    _cleanup_free_ char *path = realpath(directory, NULL);
    char *rest = path, *name;
    if (!path)
        return -errno;
    _cleanup_close_ int at = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = at < 0 ? -errno : allow(rules, at, LISTS);
    while (r == 0 && (name = strsep(&rest, "/"))) {
        if (!*name)
            continue;
        r = allow_others(rules, at, name);
        int next = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (next < 0 && r == 0)
            r = -errno;
        close(at);
        at = next;
    }
    return r;
}

/* 0, or -ENOENT where it is empty. */
static int look_into(const char *directory) {
    int r = -ENOENT;
    DIR *list = opendir(directory);
    if (!list)
        return -errno;
    for (const struct dirent *entry; r < 0 && (entry = readdir(list));)
        if (!hx_streq(entry->d_name, ".") && !hx_streq(entry->d_name, ".."))
            r = 0;
    closedir(list);
    return r;
}

int hx_landlock_hide(const char *directory) {
    int seen = look_into(directory);
    if (seen < 0)
        return seen;
    int rules = create();
    if (rules < 0)
        return rules;
    int r = allow_all_but(rules, directory);
    if (r < 0)
        close(rules);
    return r < 0 ? r : rules;
}

int hx_landlock_enter(int rules) {
    return syscall(SYS_landlock_restrict_self, rules, 0) < 0 ? -errno : 0;
}
