/* heimdex-migrate: takes a database's schema along the chain of revisions. */
#include "common/backoff.h"
#include "common/exit_codes.h"
#include "common/log.h"
#include "common/units.h"
#include "lib/config/program.h"
#include "migrations/command.h"

#include <poll.h>
#include <string.h>

enum { LOCK_TIMEOUT_MS = 10000, WAIT_FIRST_MS = 500, WAIT_LONGEST_MS = 10000 };

static const struct hx_option options[] = {
    [HX_OPT_CHAIN] = { .name = "chain",
                       .argument = "DIR",
                       .help = "the revisions of this directory, not those built in" },
    [HX_OPT_ALEMBIC] = { .name = "alembic",
                         .argument = "DIR",
                         .help = "an Alembic versions folder instead, read without running it (verify, history, heads, "
                                 "show)" },
    [HX_OPT_SERVICES] = { .name = "services",
                          .argument = "FILE",
                          .help = "every service of this file in order, each with its chain and schema" },
    [HX_OPT_ONLY] = { .name = "only", .argument = "NAME", .help = "with --services: this one" },
    [HX_OPT_SQL] = { .name = "sql",
                     .help = "print the SQL instead of running it; no connection is made (upgrade, downgrade, stamp)" },
    [HX_OPT_PURGE] = { .name = "purge", .help = "forget first what the version table says (stamp)" },
    [HX_OPT_MESSAGE] = { .name = "message", .letter = 'm', .argument = "MSG", .help = "what it does (revision)" },
    [HX_OPT_REV_ID] = { .name = "rev-id", .argument = "ID", .help = "its id, else a random one (revision)" },
    [HX_OPT_RANGE] = { .name = "rev-range", .letter = 'r', .argument = "A:B", .help = "only from A to B (history)" },
    [HX_OPT_INDICATE_CURRENT] = { .name = "indicate-current",
                                  .letter = 'i',
                                  .help = "mark where the database stands (history)" },
    [HX_OPT_APPLIED] = { .name = "applied", .help = "also compare the chain with what the database had (verify)" },
    [HX_OPT_LOCK_TIMEOUT] = { .name = "lock-timeout",
                              .argument = "D",
                              .help = "how long to wait for a lock, three times (default 10s)" },
    [HX_OPT_STATEMENT_TIMEOUT] = { .name = "statement-timeout",
                                   .argument = "D",
                                   .help = "how long one statement may take (default: without end)" },
    [HX_OPT_WAIT] = { .name = "wait",
                      .help = "while no server answers, or somebody has what it needs to lock, try again (upgrade)" },
    [HX_OPT_MAP_STATUS] = { .name = "map-status",
                            .argument = "OLD=NEW",
                            .help = "take over rows of the status OLD as NEW; may stand several times (upgrade)" },
    [HX_OPT_AUTOGENERATE] = { .name = "autogenerate", .help = "with the statements that remove the drift (revision)" },
    [HX_OPT_DESTRUCTIVE] = { .name = "destructive", .help = "with --autogenerate: also what drops or narrows things" },
    [HX_OPT_AGAINST] = { .name = "against",
                         .argument = "DSN|FILE",
                         .help =
                             "the schema wanted is this database's, or what this file of SQL makes, not the chain's "
                             "(check, revision --autogenerate)" },
    [HX_OPT_JSON] = { .name = "json", .letter = 'j', .help = "one JSON document" },
    [HX_OPT_VERBOSE] = { .name = "verbose", .letter = 'v', .help = "more of everything" },
};
_Static_assert(HX_ARRAY_LEN(options) == HX_OPTIONS, "each option has a row");

static const struct hx_program program = {
    .name = "heimdex-migrate",
    .synopsis = "upgrade REV|head|+N | downgrade REV|base|-N | current | history | heads | show REV | stamp REV | "
                "revision -m MSG | check | verify",
    .description =
        "Takes a database's schema along a chain of revisions, each in a transaction of its own, and tells where it "
        "stands. A unique prefix of a revision's id will do; upgrade and downgrade take ranges A:B with --sql.",
    .options = options,
    .option_count = HX_ARRAY_LEN(options),
};

static int take_duration(const char *name, const char *value, int64_t least, int64_t *ret) {
    if (hx_duration_parse(value, ret) == 0 && *ret >= least && *ret <= INT32_MAX)
        return 0;
    hx_complain("--%s: %s: must be a duration such as \"10s\", %s to 24d", name, value, least ? "1ms" : "0");
    return HX_EXIT_USAGE;
}

static int take_mapping(struct hx_migrate *migrate, const char *value) {
    const char *equals = strchr(value, '=');
    if (!equals || !equals[1] || strchr(equals + 1, '=') || strchr(value, ',')) {
        hx_complain("--map-status: %s: must be OLD=NEW", value);
        return HX_EXIT_USAGE;
    }
    hx_buf_printf(&migrate->status_map, "%s%s", migrate->status_map.len ? "," : "", value);
    return 0;
}

static int take_option(size_t index, const char *value, void *user) {
    struct hx_migrate *migrate = user;
    migrate->given |= 1u << index;
    switch ((enum hx_migrate_option)index) {
    case HX_OPT_CHAIN: migrate->chain = value; break;
    case HX_OPT_ALEMBIC: migrate->alembic = value; break;
    case HX_OPT_SERVICES: migrate->services = value; break;
    case HX_OPT_ONLY: migrate->only = value; break;
    case HX_OPT_SQL: migrate->sql = true; break;
    case HX_OPT_PURGE: migrate->purge = true; break;
    case HX_OPT_MESSAGE: migrate->message = value; break;
    case HX_OPT_REV_ID: migrate->rev_id = value; break;
    case HX_OPT_RANGE: migrate->range = value; break;
    case HX_OPT_INDICATE_CURRENT: migrate->indicate_current = true; break;
    case HX_OPT_APPLIED: migrate->applied = true; break;
    case HX_OPT_LOCK_TIMEOUT: return take_duration("lock-timeout", value, 1, &migrate->lock_timeout_ms);
    case HX_OPT_STATEMENT_TIMEOUT: return take_duration("statement-timeout", value, 0, &migrate->statement_timeout_ms);
    case HX_OPT_WAIT: migrate->wait = true; break;
    case HX_OPT_MAP_STATUS: return take_mapping(migrate, value);
    case HX_OPT_AUTOGENERATE: migrate->autogenerate = true; break;
    case HX_OPT_DESTRUCTIVE: migrate->destructive = true; break;
    case HX_OPT_AGAINST: migrate->against = value; break;
    case HX_OPT_JSON: migrate->json = true; break;
    case HX_OPT_VERBOSE: migrate->verbose = true; break;
    case HX_OPTIONS: break;
    }
    return 0;
}

/* The same command again: what was done by then isn't done twice. */
static int run(const struct hx_migrate *migrate, char **words, int count) {
    for (unsigned n = 1;; n++) {
        int r = hx_command_run(migrate, words, count);
        if (!migrate->wait || (r != HX_EXIT_UNAVAILABLE && r != HX_EXIT_TRY_AGAIN))
            return r;
        if (n == 1)
            hx_complain("--wait: trying again until it works");
        poll(NULL, 0, (int)hx_backoff_ceiling(n, WAIT_FIRST_MS, WAIT_LONGEST_MS));
    }
}

int main(int argc, char **argv) {
    struct hx_migrate migrate = { .lock_timeout_ms = LOCK_TIMEOUT_MS };
    struct hx_arguments arguments;
    int r = hx_program_start(&program, argc, argv, take_option, &migrate, &arguments);
    if (r < 0) {
        migrate.config = arguments.config;
        r = run(&migrate, arguments.words, arguments.word_count);
        hx_config_free(arguments.config);
    }
    hx_buf_reset(&migrate.status_map);
    return r;
}
