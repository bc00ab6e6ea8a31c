#include "supervisor/sibling.h"

#include "common/exit_codes.h"
#include "common/process.h"
#include "supervisor/launch.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>

enum { WORDS_MAX = 4 };

static int start(const struct hx_config *config, const char *path, const char *const *words, int death_signal,
                 pid_t *ret_pid) {
    _cleanup_buf_ struct hx_buf packed = { 0 };
    hx_config_pack(config, &packed);
    _cleanup_close_ int fd = launch_config_fd(packed.data);
    explicit_bzero(packed.data, packed.len);
    if (fd < 0)
        return fd;
    const char *argv[WORDS_MAX + 4] = { path, "--config-fd", "3" };
    for (size_t i = 0; i < WORDS_MAX && words[i]; i++)
        argv[3 + i] = words[i];
    return hx_spawn(
        &(struct hx_spawn){
            .argv = argv,
            .fd_in = -1,
            .fd_out = -1,
            .fd_err = -1,
            .keep = &fd,
            .keep_count = 1,
            .death_signal = death_signal,
        },
        ret_pid);
}

int sibling_run(const struct hx_config *config, const char *bin_dir, const char *program, const char *const *words,
                int death_signal) {
    _cleanup_free_ char *dir = bin_dir ? hx_strdup(bin_dir) : launch_own_dir();
    if (!dir)
        return -ENOENT;
    _cleanup_free_ char *path = hx_printf("%s/%s", dir, program);
    pid_t pid;
    int r = start(config, path, words, death_signal, &pid), status = 0;
    if (r < 0)
        return r;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return WIFEXITED(status) ? WEXITSTATUS(status) : HX_EXIT_SOFTWARE;
}
