#include "supervisor/launch.h"

#include "common/process.h"
#include "common/text.h"
#include "lib/channel/channel.h"
#include "lib/json/json.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct launch {
    char *bin_dir, *instance, *incarnation;
    char *packed; /* with secrets */
    char **environment;
};

/* ---- what children are given ---- */

char *launch_own_dir(void) {
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
    if (n <= 0)
        return NULL;
    path[n] = '\0';
    char *slash = strrchr(path, '/');
    return slash ? hx_strndup(path, (size_t)(slash - path)) : NULL;
}

/* The manager's socket is ours alone: a child must not be able to speak for the service. */
static bool is_withheld(const char *variable) {
    static const char *const names[] = { "NOTIFY_SOCKET=", "WATCHDOG_USEC=",  "WATCHDOG_PID=",      "LISTEN_PID=",
                                         "LISTEN_FDS=",    "LISTEN_FDNAMES=", "HEIMDEX_LOG_FORMAT=" };
    for (size_t i = 0; i < HX_ARRAY_LEN(names); i++)
        if (hx_startswith(variable, names[i]))
            return true;
    return false;
}

static char **make_environment(const char *format) {
    size_t n = 0, kept = 0;
    while (environ[n])
        n++;
    char **list = hx_allocn(n + 2, sizeof(*list));
    for (size_t i = 0; i < n; i++)
        if (!is_withheld(environ[i]))
            list[kept++] = hx_strdup(environ[i]);
    list[kept] = hx_printf("HEIMDEX_LOG_FORMAT=%s", format);
    return list;
}

/* The packed configuration with log.format as resolved here. */
static char *pack(const struct hx_config *config, const char *format) {
    _cleanup_buf_ struct hx_buf text = { 0 };
    _cleanup_json_ json_t *root = NULL;
    struct hx_json_error error;
    hx_config_pack(config, &text);
    if (hx_json_parse(text.data, text.len, &root, &error) == 0) {
        json_t *row = json_object_get(json_object_get(root, "values"), "log.format");
        if (row)
            json_object_set_new(row, "text", json_string(format));
    }
    char *packed = root ? hx_json_dump(root) : hx_strdup(text.data);
    explicit_bzero(text.data, text.len);
    return packed;
}

int launch_new(const struct hx_config *config, const char *bin_dir, const char *instance, const char *incarnation,
               const char *format, struct launch **ret) {
    char *dir = bin_dir ? hx_strdup(bin_dir) : launch_own_dir();
    if (!dir)
        return -ENOENT;
    struct launch *l = hx_alloc(sizeof(*l));
    *l = (struct launch){
        .bin_dir = dir,
        .instance = hx_strdup(instance),
        .incarnation = hx_strdup(incarnation),
        .packed = pack(config, format),
        .environment = make_environment(format),
    };
    *ret = l;
    return 0;
}

struct launch *launch_free(struct launch *l) {
    if (!l)
        return NULL;
    explicit_bzero(l->packed, strlen(l->packed));
    free(l->packed);
    for (char **variable = l->environment; *variable; variable++)
        free(*variable);
    free(l->environment);
    free(l->bin_dir);
    free(l->instance);
    free(l->incarnation);
    free(l);
    return NULL;
}

/* ---- starting ---- */

/* A memfd for each child: a shared one would share its offset. Sealed, so that no child can change what another one reads. */
int launch_config_fd(const char *packed) {
    size_t len = strlen(packed);
    int fd = memfd_create("heimdex-config", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -errno;
    ssize_t n = pwrite(fd, packed, len, 0);
    if (n != (ssize_t)len || fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
        int r = n < 0 || n == (ssize_t)len ? -errno : -ENOSPC;
        close(fd);
        return r;
    }
    return fd;
}

int launch_child(const struct launch *l, const char *program, int slot, const struct launch_ends *ends,
                 pid_t *ret_pid) {
    _cleanup_free_ char *path = hx_printf("%s/%s", l->bin_dir, program);
    char slot_text[16];
    snprintf(slot_text, sizeof(slot_text), "%d", slot);
    _cleanup_close_ int config = launch_config_fd(l->packed);
    if (config < 0)
        return config;
    const int keep[] = { ends->evidence, ends->channel, config, ends->cgroup };
    _Static_assert(HX_FD_EVIDENCE == 3 && HX_FD_CHANNEL == 4 && HX_FD_CONFIG == 5 && HX_FD_CGROUP == 6,
                   "the order of keep");
    const char *const argv[] = { path,
                                 "--slot",
                                 slot_text,
                                 "--incarnation",
                                 l->incarnation,
                                 "--instance",
                                 l->instance,
                                 "--evidence-fd",
                                 "3",
                                 "--channel-fd",
                                 "4",
                                 "--config-fd",
                                 "5",
                                 ends->cgroup >= 0 ? "--cgroup-fd" : NULL,
                                 "6",
                                 NULL };
    return hx_spawn(
        &(struct hx_spawn){
            .argv = argv,
            .envp = (const char *const *)l->environment,
            .fd_in = -1,
            .fd_out = ends->output,
            .fd_err = ends->output,
            .keep = keep,
            .keep_count = HX_ARRAY_LEN(keep),
            .new_group = true,
            .death_signal = SIGKILL,
            .entrance = ends->entrance,
        },
        ret_pid);
}

/* /proc/self/exe is this very program even where another version lies in its place by now. */
int launch_guard(const struct launch *l, int channel_fd, int cgroup_fd, pid_t *ret_pid) {
    const int keep[] = { -1, channel_fd, -1, cgroup_fd };
    const char *const argv[] = { "/proc/self/exe", "--guard", NULL };
    return hx_spawn(
        &(struct hx_spawn){
            .argv = argv,
            .envp = (const char *const *)l->environment,
            .fd_in = -1,
            .fd_out = -1,
            .fd_err = -1,
            .keep = keep,
            .keep_count = HX_ARRAY_LEN(keep),
            .new_group = true,
        },
        ret_pid);
}
