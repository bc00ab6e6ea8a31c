#include "supervisor/setup.h"

#include "common/text.h"
#include "supervisor/settings.h"

/* What a worker takes at most to write down that it killed what ran, and a moment more. */
enum { HURRY_MS = 2500 };

int setup_new(struct hx_config *config, const struct setup_common *common, struct setup **ret) {
    static uint64_t numbers;
    const char *format = settings_log_format_name(settings_log_format(config));
    struct launch *launch;
    int r = launch_new(config, common->bin_dir, common->instance, common->incarnation, format, &launch);
    if (r < 0) {
        hx_config_free(config);
        return r;
    }
    struct setup *setup = hx_alloc(sizeof(*setup));
    struct hx_buf files = { 0 };
    hx_config_files(config, &files);
    *setup = (struct setup){ .config = config, .files = hx_buf_take(&files), .launch = launch, .host = common->host };
    setup->host.setup = ++numbers;
    setup->host.launch = launch;
    setup->host.backoff_max_ms = hx_config_int(config, HX_SUPERVISOR_RESTART_BACKOFF_MAX);
    setup->host.drain_ms = settings_drain_ms(config);
    setup->host.drain_timeout_ms = hx_config_int(config, HX_SUPERVISOR_DRAIN_TIMEOUT);
    setup->host.hurry_ms = HURRY_MS;
    setup->host.still_ms = settings_still_ms(config);
    *ret = setup;
    return 0;
}

struct setup *setup_free(struct setup *setup) {
    if (!setup)
        return NULL;
    launch_free(setup->launch);
    hx_config_free(setup->config);
    free(setup->files);
    free(setup);
    return NULL;
}

/* Children don't read these. */
static bool is_ours(enum hx_key key) {
    return key == HX_SUPERVISOR_WORKERS || key == HX_SUPERVISOR_SCHEDULERS || key == HX_SUPERVISOR_RESTART_BACKOFF_MAX;
}

bool setup_differs_for_children(const struct setup *a, const struct setup *b) {
    _cleanup_buf_ struct hx_buf names = { 0 };
    hx_config_changes(a->config, a->files, b->config, b->files, is_ours, &names);
    return names.len > 0;
}
