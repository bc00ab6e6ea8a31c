#include "supervisor/migrate.h"

#include "common/exit_codes.h"
#include "common/log.h"
#include "supervisor/sibling.h"

#include <signal.h>
#include <string.h>

static bool is_allowed(const char *environment) {
    static const char *const environments[] = { "local", "dev", "test" };
    for (size_t i = 0; i < HX_ARRAY_LEN(environments); i++)
        if (hx_streq(environments[i], environment))
            return true;
    return false;
}

int migrate_first(const struct hx_config *config, const char *bin_dir) {
    const char *environment = hx_config_string(config, HX_SERVICE_ENVIRONMENT);
    if (!is_allowed(environment)) {
        hx_complain(
            "--migrate: service.environment is %s: there the schema is changed by hand: heimdex-migrate upgrade head",
            environment);
        return HX_EXIT_CONFIG;
    }
    static const char *const words[] = { "upgrade", "head", NULL };
    int r = sibling_run(config, bin_dir, "heimdex-migrate", words, SIGTERM);
    if (r >= 0)
        return r;
    hx_complain("--migrate: heimdex-migrate: %s", strerror(-r));
    return HX_EXIT_CONFIG;
}
