#include "supervisor/migrate.h"

#include "common/exit_codes.h"
#include "common/log.h"
#include "common/process.h"
#include "supervisor/launch.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

static bool is_allowed(const char *environment) {
    static const char *const environments[] = { "local", "dev", "test" };
    for (size_t i = 0; i < HX_ARRAY_LEN(environments); i++)
        if (hx_streq(environments[i], environment))
            return true;
    return false;
}

/* 0 and *ret_pid, or -errno. */
static int start(const struct hx_config *config, const char *bin_dir, pid_t *ret_pid) {
    _cleanup_free_ char *dir = bin_dir ? hx_strdup(bin_dir) : launch_own_dir();
    if (!dir)
        return -ENOENT;
    _cleanup_free_ char *path = hx_printf("%s/heimdex-migrate", dir);
    _cleanup_buf_ struct hx_buf packed = { 0 };
    hx_config_pack(config, &packed);
    _cleanup_close_ int fd = launch_config_fd(packed.data);
    explicit_bzero(packed.data, packed.len);
    if (fd < 0)
        return fd;
    const int keep[] = { fd };
    const char *const argv[] = { path, "--config-fd", "3", "upgrade", "head", NULL };
    return hx_spawn(
        &(struct hx_spawn){
            .argv = argv,
            .fd_in = -1,
            .fd_out = -1,
            .fd_err = -1,
            .keep = keep,
            .keep_count = HX_ARRAY_LEN(keep),
            .death_signal = SIGTERM,
        },
        ret_pid);
}

int migrate_first(const struct hx_config *config, const char *bin_dir) {
    const char *environment = hx_config_string(config, HX_SERVICE_ENVIRONMENT);
    if (!is_allowed(environment)) {
        hx_complain(
            "--migrate: service.environment is %s: there the schema is changed by hand: heimdex-migrate upgrade head",
            environment);
        return HX_EXIT_CONFIG;
    }
    pid_t pid;
    int r = start(config, bin_dir, &pid), status = 0;
    if (r < 0) {
        hx_complain("--migrate: heimdex-migrate: %s", strerror(-r));
        return HX_EXIT_CONFIG;
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return WIFEXITED(status) ? WEXITSTATUS(status) : HX_EXIT_SOFTWARE;
}
