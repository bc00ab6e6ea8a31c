#include "migrations/command.h"

#include "common/exit_codes.h"
#include "common/log.h"
#include "migrations/service.h"

#include <errno.h>
#include <string.h>

#define BIT(option) (1u << HX_OPT_##option)
#define TELLS (BIT(CHAIN) | BIT(ALEMBIC) | BIT(JSON) | BIT(VERBOSE))
#define SERVES (BIT(SERVICES) | BIT(ONLY))
#define RUNS (BIT(LOCK_TIMEOUT) | BIT(STATEMENT_TIMEOUT) | BIT(VERBOSE))

static const struct hx_command {
    const char *name;
    const char *argument; /* what must follow it; "" for nothing, in brackets what may */
    unsigned options;
    bool loads_chain; /* it is given the chain, which has no problems */
    hx_command_fn run;
} commands[] = {
    { "upgrade", "REV, head or +N", BIT(CHAIN) | SERVES | RUNS | BIT(SQL) | BIT(MAP_STATUS) | BIT(WAIT), true,
      hx_command_upgrade },
    { "downgrade", "REV, base or -N", BIT(CHAIN) | SERVES | RUNS | BIT(SQL), true, hx_command_downgrade },
    { "current", "", BIT(CHAIN) | SERVES | BIT(JSON) | BIT(VERBOSE), true, hx_command_current },
    { "history", "", TELLS | SERVES | BIT(RANGE) | BIT(INDICATE_CURRENT), true, hx_command_history },
    { "heads", "", TELLS, true, hx_command_heads },
    { "show", "REV", TELLS, true, hx_command_show },
    { "stamp", "REV, head or base", BIT(CHAIN) | RUNS | SERVES | BIT(SQL) | BIT(PURGE), true, hx_command_stamp },
    { "revision", "",
      BIT(CHAIN) | BIT(MESSAGE) | BIT(REV_ID) | BIT(AUTOGENERATE) | BIT(AGAINST) | BIT(DESTRUCTIVE) | BIT(JSON), false,
      hx_command_revision },
    { "check", "", BIT(CHAIN) | SERVES | BIT(AGAINST) | BIT(JSON) | BIT(VERBOSE), true, hx_command_check },
    { "verify", "", TELLS | SERVES | BIT(APPLIED), false, hx_command_verify },
};

static const char *const option_names[] = {
    [HX_OPT_CHAIN] = "--chain",
    [HX_OPT_ALEMBIC] = "--alembic",
    [HX_OPT_SERVICES] = "--services",
    [HX_OPT_ONLY] = "--only",
    [HX_OPT_SQL] = "--sql",
    [HX_OPT_PURGE] = "--purge",
    [HX_OPT_MESSAGE] = "--message",
    [HX_OPT_REV_ID] = "--rev-id",
    [HX_OPT_RANGE] = "--rev-range",
    [HX_OPT_INDICATE_CURRENT] = "--indicate-current",
    [HX_OPT_APPLIED] = "--applied",
    [HX_OPT_LOCK_TIMEOUT] = "--lock-timeout",
    [HX_OPT_STATEMENT_TIMEOUT] = "--statement-timeout",
    [HX_OPT_WAIT] = "--wait",
    [HX_OPT_MAP_STATUS] = "--map-status",
    [HX_OPT_AUTOGENERATE] = "--autogenerate",
    [HX_OPT_DESTRUCTIVE] = "--destructive",
    [HX_OPT_AGAINST] = "--against",
    [HX_OPT_JSON] = "--json",
    [HX_OPT_VERBOSE] = "--verbose",
};
_Static_assert(HX_ARRAY_LEN(option_names) == HX_OPTIONS, "each option has its name");

/* --- choosing ----------------------------------------------------------------------------------------------- */

static const struct hx_command *find_command(const char *name) {
    for (size_t i = 0; i < HX_ARRAY_LEN(commands); i++)
        if (hx_streq(commands[i].name, name))
            return &commands[i];
    return NULL;
}

static int complain_unknown(const char *name) {
    const char *nearest = NULL;
    unsigned least = 3;
    for (size_t i = 0; i < HX_ARRAY_LEN(commands); i++) {
        unsigned distance = hx_edit_distance(name, commands[i].name);
        if (distance < least) {
            least = distance;
            nearest = commands[i].name;
        }
    }
    hx_complain("%s: no such command, %s%s%s", name, nearest ? "did you mean " : "see --help", nearest ? nearest : "",
                nearest ? "?" : "");
    return HX_EXIT_USAGE;
}

static int check_words(const struct hx_command *command, char **words, int count) {
    int wanted = *command->argument ? 2 : 1;
    if (count < wanted)
        hx_complain("%s: needs %s", words[0], command->argument);
    else if (count > wanted)
        hx_complain("%s: %s: one word too many", words[0], words[wanted]);
    return count == wanted ? 0 : HX_EXIT_USAGE;
}

static int check_options(const struct hx_command *command, const struct hx_migrate *options) {
    static const struct {
        unsigned either, other;
    } apart[] = {
        { HX_OPT_CHAIN, HX_OPT_ALEMBIC },   { HX_OPT_CHAIN, HX_OPT_SERVICES }, { HX_OPT_ALEMBIC, HX_OPT_SERVICES },
        { HX_OPT_ALEMBIC, HX_OPT_APPLIED }, { HX_OPT_SQL, HX_OPT_WAIT },
    };
    unsigned wrong = options->given & ~command->options;
    for (unsigned i = 0; i < HX_OPTIONS; i++)
        if (wrong & (1u << i)) {
            hx_complain("%s: %s: not an option of this command, see --help", command->name, option_names[i]);
            return HX_EXIT_USAGE;
        }
    for (size_t i = 0; i < HX_ARRAY_LEN(apart); i++)
        if (options->given & (1u << apart[i].either) && options->given & (1u << apart[i].other)) {
            hx_complain("%s: %s and %s don't go together", command->name, option_names[apart[i].either],
                        option_names[apart[i].other]);
            return HX_EXIT_USAGE;
        }
    if (options->only && !options->services) {
        hx_complain("%s: --only: goes with --services", command->name);
        return HX_EXIT_USAGE;
    }
    return 0;
}

/* --- running ------------------------------------------------------------------------------------------------ */

static int load(struct hx_site *site) {
    HX_CLEANUP(hx_problems_reset) struct hx_problems problems = { 0 };
    if (hx_site_load(site, &problems) == 0)
        return 0;
    hx_problems_complain(&problems, site->service);
    return HX_EXIT_DATA;
}

/* What goes to stdout counts as done only when it got there. */
static int write_out(const struct hx_buf *out, int r) {
    if ((out->len && fwrite(out->data, 1, out->len, stdout) != out->len) || fflush(stdout) != 0) {
        hx_complain("standard output: %s", strerror(errno));
        return r ? r : HX_EXIT_UNAVAILABLE;
    }
    return r;
}

static int run_one(const struct hx_migrate *options, const struct hx_command *command, const char *word) {
    struct hx_site site = {
        .chain_directory = options->chain,
        .alembic_directory = options->alembic,
        .version_table = HX_VERSION_TABLE,
    };
    _cleanup_buf_ struct hx_buf out = { 0 };
    int r = command->loads_chain ? load(&site) : 0;
    if (r == 0)
        r = command->run(options, &site, word, &out);
    hx_chain_free(site.chain);
    return write_out(&out, r);
}

static int run_services(const struct hx_migrate *options, const struct hx_command *command, const char *word) {
    HX_CLEANUP(hx_services_reset) struct hx_services services = { 0 };
    _cleanup_buf_ struct hx_buf out = { 0 };
    int r = hx_services_load(options->services, options->only, &services), worst = 0;
    /* Those that aren't asked for are judged too: one file stands for one deployment. */
    for (size_t i = 0; r == 0 && command->loads_chain && i < services.count; i++)
        worst = HX_MAX(worst, load(&services.sites[i]));
    if (r == 0 && worst == 0)
        r = hx_services_run(&services, options, command->name, command->run, word, &out);
    return write_out(&out, r ? r : worst);
}

int hx_command_run(const struct hx_migrate *options, char **words, int count) {
    if (count == 0) {
        hx_complain("a command is missing, see --help");
        return HX_EXIT_USAGE;
    }
    const struct hx_command *command = find_command(words[0]);
    if (!command)
        return complain_unknown(words[0]);
    int r = check_words(command, words, count);
    if (r == 0)
        r = check_options(command, options);
    if (r != 0)
        return r;
    const char *word = *command->argument ? words[1] : NULL;
    if (options->wait && *word == '+') { /* tried again it would go further */
        hx_complain("--wait: %s: not with a number of steps: name the revision", word);
        return HX_EXIT_USAGE;
    }
    return options->services ? run_services(options, command, word) : run_one(options, command, word);
}
