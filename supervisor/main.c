/* heimdex-supervisor: starts the fleet's processes, keeps them alive, and ends them. */
#include "common/exit_codes.h"
#include "common/process.h"
#include "common/text.h"
#include "lib/config/program.h"
#include "supervisor/guard.h"
#include "supervisor/migrate.h"
#include "supervisor/settings.h"
#include "supervisor/sibling.h"
#include "supervisor/supervisor.h"

#include <signal.h>
#include <string.h>

enum { OPTION_BIN_DIR, OPTION_MIGRATE };

static const struct hx_option options[] = {
    [OPTION_BIN_DIR] = { .name = "bin-dir",
                         .argument = "DIR",
                         .help = "where heimdex-worker and the others lie, if not beside this program (for tests)" },
    [OPTION_MIGRATE] = { .name = "migrate",
                         .help = "first run `heimdex-migrate upgrade head` (where service.environment is local, dev or "
                                 "test)" },
};

struct choices {
    const char *bin_dir;
    bool migrate;
};

/* We link no librdkafka, and so can't judge kafka.properties: our workers can. */
static int check(const struct hx_config *config, void *user) {
    static const char *const words[] = { "--check-config", NULL };
    const struct choices *choices = user;
    size_t n;
    hx_config_list(config, HX_KAFKA_PROPERTIES, &n);
    if (n == 0)
        return 0;
    int r = sibling_run(config, choices->bin_dir, "heimdex-worker", words, SIGKILL);
    if (r < 0) {
        hx_complain("kafka.properties: heimdex-worker, which checks them: %s", strerror(-r));
        return HX_EXIT_UNAVAILABLE;
    }
    return r;
}

static const struct hx_program program = {
    .name = "heimdex-supervisor",
    .synopsis = "[--config FILE] [--migrate]",
    .description = "Starts workers and schedulers, keeps them alive, and tells systemd how they are. SIGTERM lets "
                   "running jobs finish "
                   "within supervisor.drain_timeout; a second one kills what runs, a third the workers, too. SIGHUP "
                   "has the configuration read again.",
    .options = options,
    .option_count = HX_ARRAY_LEN(options),
    .check = check,
    .checks_at_start = true,
};

static int on_option(size_t index, const char *value, void *user) {
    struct choices *choices = user;
    if (index == OPTION_MIGRATE)
        choices->migrate = true;
    else
        choices->bin_dir = value;
    return 0;
}

static int refuse_words(const struct hx_arguments *arguments) {
    if (arguments->word_count == 0)
        return 0;
    hx_complain("%s: unexpected argument", arguments->words[0]);
    return HX_EXIT_USAGE;
}

int main(int argc, char **argv) {
    struct choices choices = { 0 };
    struct hx_arguments arguments;
    struct supervisor *supervisor = NULL;
    if (argc == 2 && hx_streq(argv[1], "--guard"))
        return guard_main(argc, argv);
    hx_hide_process();
    int r = hx_program_start(&program, argc, argv, on_option, &choices, &arguments);
    if (r >= 0)
        return r;
    r = refuse_words(&arguments);
    if (r == 0 && choices.migrate)
        r = migrate_first(arguments.config, choices.bin_dir);
    if (r == 0) {
        settings_start_log(arguments.config);
        r = supervisor_new(HX_TAKE(arguments.config), choices.bin_dir, &supervisor);
    }
    if (r == 0)
        r = supervisor_run(supervisor);
    supervisor_free(supervisor);
    hx_config_free(arguments.config);
    return r;
}
