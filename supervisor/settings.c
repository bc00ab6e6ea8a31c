#include "supervisor/settings.h"

#include "common/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { GOODBYE_MS = 500, STILL_MIN_MS = 2000 };

char *settings_instance(const struct hx_config *config) {
    const char *instance = hx_config_string(config, HX_SERVICE_INSTANCE);
    const char *socket = hx_config_string(config, HX_SUPERVISOR_CONTROL_SOCKET);
    bool untouched = hx_streq(instance, "main") && !hx_streq(socket, "/run/heimdex/control");
    return hx_strdup(untouched ? socket : instance);
}

/* $JOURNAL_STREAM is "device:inode" of the stderr that systemd gave: systemd.exec(5). */
static bool stderr_is_journal(void) {
    const char *stream = getenv("JOURNAL_STREAM");
    uintmax_t device, inode;
    struct stat st;
    return stream && sscanf(stream, "%ju:%ju", &device, &inode) == 2 && fstat(STDERR_FILENO, &st) == 0 &&
           st.st_dev == device && st.st_ino == inode;
}

enum hx_log_format settings_log_format(const struct hx_config *config) {
    enum hx_log_format wanted = (enum hx_log_format)hx_config_int(config, HX_LOG_FORMAT_KEY);
    if (wanted != HX_LOG_AUTO)
        return wanted;
    if (stderr_is_journal())
        return HX_LOG_JOURNAL;
    return isatty(STDERR_FILENO) ? HX_LOG_TEXT : HX_LOG_JSON;
}

const char *settings_log_format_name(enum hx_log_format format) {
    static const char *const names[] = {
        [HX_LOG_AUTO] = "auto", [HX_LOG_JOURNAL] = "journal", [HX_LOG_JSON] = "json", [HX_LOG_TEXT] = "text"
    };
    return names[format];
}

void settings_start_log(const struct hx_config *config) {
    hx_log_init(&(struct hx_log_options){
        .service = "heimdex-supervisor",
        .environment = hx_config_string(config, HX_SERVICE_ENVIRONMENT),
        .format = settings_log_format(config),
        .level = (enum hx_log_level)(HX_LOG_ERR + hx_config_int(config, HX_LOG_LEVEL_KEY)),
    });
}

int64_t settings_drain_ms(const struct hx_config *config) {
    return hx_config_int(config, HX_SUPERVISOR_DRAIN_TIMEOUT) + hx_config_int(config, HX_JOBS_KILL_GRACE) + GOODBYE_MS;
}

int64_t settings_still_ms(const struct hx_config *config) {
    return HX_MAX(hx_config_int(config, HX_WORKER_LEASE) / 2, (int64_t)STILL_MIN_MS);
}
