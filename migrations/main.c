/* heimdex-migrate: takes a database's schema along the chain of revisions. */
#include "lib/config/program.h"
#include "migrations/commands.h"

enum { OPTION_CHAIN, OPTION_JSON, OPTION_VERBOSE };

static const struct hx_option options[] = {
    [OPTION_CHAIN] = { .name = "chain",
                       .argument = "DIR",
                       .help = "the revisions of this directory, not those built in" },
    [OPTION_JSON] = { .name = "json", .letter = 'j', .help = "one JSON document (current, history, heads, show)" },
    [OPTION_VERBOSE] = { .name = "verbose", .letter = 'v', .help = "with parent, path and message" },
};

static const struct hx_program program = {
    .name = "heimdex-migrate",
    .synopsis = "upgrade REV|head|+N | downgrade REV|base|-N | current | history | heads | show REV",
    .description =
        "Upgrades and downgrades the schema of Heimdex's database, one transaction a revision, and tells where it "
        "stands. A unique prefix of a revision's id will do.",
    .options = options,
    .option_count = HX_ARRAY_LEN(options),
};

static int take_option(size_t index, const char *value, void *user) {
    struct hx_migrate *migrate = user;
    switch (index) {
    case OPTION_CHAIN: migrate->chain = value; break;
    case OPTION_JSON: migrate->json = true; break;
    case OPTION_VERBOSE: migrate->verbose = true; break;
    }
    return 0;
}

int main(int argc, char **argv) {
    struct hx_migrate migrate = { 0 };
    struct hx_arguments arguments;
    int r = hx_program_start(&program, argc, argv, take_option, &migrate, &arguments);
    if (r >= 0)
        return r;
    migrate.config = arguments.config;
    r = hx_migrate_run(&migrate, arguments.words, arguments.word_count);
    hx_config_free(arguments.config);
    return r;
}
