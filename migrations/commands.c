#include "migrations/commands.h"

#include "common/exit_codes.h"
#include "common/log.h"
#include "migrations/apply.h"
#include "migrations/print.h"

#include <errno.h>
#include <string.h>

HX_DEFINE_CLEANUP(struct hx_chain, hx_chain_free)
HX_DEFINE_CLEANUP(struct hx_database, hx_database_close)

struct command {
    const char *name;
    const char *argument; /* what must follow it, "" for nothing */
    int (*run)(const struct hx_migrate *options, const struct hx_chain *chain, const char *argument);
};

/* What goes to stdout counts as done only when it got there. */
static int write_out(const struct hx_buf *out) {
    if ((out->len && fwrite(out->data, 1, out->len, stdout) != out->len) || fflush(stdout) != 0) {
        hx_complain("standard output: %s", strerror(errno));
        return HX_EXIT_UNAVAILABLE;
    }
    return HX_EXIT_OK;
}

/* --- upgrade, downgrade ------------------------------------------------------------------------------------- */

static void warn_about_names(const struct hx_chain *chain) {
    for (size_t i = 0; i < hx_chain_count(chain); i++) {
        const struct hx_revision *r = hx_chain_at(chain, i);
        if (!hx_revision_name_agrees(r))
            hx_complain("warning: %s: the file's name disagrees with the revision %s that it declares", r->path, r->id);
    }
}

static int move(const struct hx_migrate *options, const struct hx_chain *chain, bool down, const char *word) {
    struct hx_target target;
    _cleanup_buf_ struct hx_buf why = { 0 };
    if (hx_target_parse(chain, down, word, &target, &why) < 0) {
        hx_complain("%s: %s", down ? "downgrade" : "upgrade", why.data);
        return HX_EXIT_USAGE;
    }
    warn_about_names(chain);
    HX_CLEANUP(hx_database_close_p) struct hx_database *database = NULL;
    int r = hx_database_open(options->config, &database);
    return r ? r : hx_apply(database, chain, &target);
}

static int upgrade(const struct hx_migrate *options, const struct hx_chain *chain, const char *word) {
    return move(options, chain, false, word);
}

static int downgrade(const struct hx_migrate *options, const struct hx_chain *chain, const char *word) {
    return move(options, chain, true, word);
}

/* --- current, history, heads, show -------------------------------------------------------------------------- */

static int find_position(const struct hx_migrate *options, const struct hx_chain *chain, size_t *ret_position) {
    HX_CLEANUP(hx_database_close_p) struct hx_database *database = NULL;
    int r = hx_database_open(options->config, &database);
    return r ? r : hx_apply_position(database, chain, ret_position);
}

static int current(const struct hx_migrate *options, const struct hx_chain *chain, const char *argument) {
    (void)argument;
    size_t position;
    int r = find_position(options, chain, &position);
    if (r != 0)
        return r;
    _cleanup_buf_ struct hx_buf out = { 0 };
    if (options->json)
        hx_print_current_json(&out, chain, position);
    else if (position > 0 && options->verbose)
        hx_print_verbose(&out, chain, position - 1);
    else if (position > 0)
        hx_print_short(&out, chain, position - 1);
    return write_out(&out);
}

/* Describing the chain must work without a database; only then it isn't known what is applied. */
static int write_json(const struct hx_migrate *options, const struct hx_chain *chain, size_t top, size_t bottom) {
    size_t position = HX_POSITION_UNKNOWN;
    find_position(options, chain, &position);
    _cleanup_buf_ struct hx_buf out = { 0 };
    hx_print_json(&out, chain, top, bottom, position);
    return write_out(&out);
}

static int history(const struct hx_migrate *options, const struct hx_chain *chain, const char *argument) {
    (void)argument;
    if (options->json)
        return write_json(options, chain, hx_chain_count(chain) - 1, 0);
    _cleanup_buf_ struct hx_buf out = { 0 };
    hx_print_history(&out, chain, options->verbose);
    return write_out(&out);
}

static int describe(const struct hx_migrate *options, const struct hx_chain *chain, size_t index, bool verbose) {
    if (options->json)
        return write_json(options, chain, index, index);
    _cleanup_buf_ struct hx_buf out = { 0 };
    if (verbose)
        hx_print_verbose(&out, chain, index);
    else
        hx_print_short(&out, chain, index);
    return write_out(&out);
}

static int heads(const struct hx_migrate *options, const struct hx_chain *chain, const char *argument) {
    (void)argument;
    return describe(options, chain, hx_chain_count(chain) - 1, options->verbose);
}

static int show(const struct hx_migrate *options, const struct hx_chain *chain, const char *word) {
    size_t index = hx_chain_count(chain) - 1;
    int r = hx_streq(word, "head") ? 0 : hx_chain_find(chain, word, &index);
    if (r < 0) {
        hx_complain("show: %s: %s", word, r == -ENOTUNIQ ? "several revisions begin so" : "no such revision");
        return HX_EXIT_USAGE;
    }
    return describe(options, chain, index, true);
}

/* --- choosing ----------------------------------------------------------------------------------------------- */

static const struct command commands[] = {
    { "upgrade", "REV, head or +N", upgrade },
    { "downgrade", "REV, base or -N", downgrade },
    { "current", "", current },
    { "history", "", history },
    { "heads", "", heads },
    { "show", "REV", show },
};

static const struct command *find_command(const char *name) {
    for (size_t i = 0; i < HX_ARRAY_LEN(commands); i++)
        if (hx_streq(commands[i].name, name))
            return &commands[i];
    return NULL;
}

static const struct command *choose(char **words, int count) {
    const struct command *command = count ? find_command(words[0]) : NULL;
    int wanted = command && *command->argument ? 2 : 1;
    if (count == 0)
        hx_complain("a command is missing, see --help");
    else if (!command)
        hx_complain("%s: no such command, see --help", words[0]);
    else if (count < wanted)
        hx_complain("%s: needs %s", words[0], command->argument);
    else if (count > wanted)
        hx_complain("%s: %s: one word too many", words[0], words[wanted]);
    return command && count == wanted ? command : NULL;
}

int hx_migrate_run(const struct hx_migrate *options, char **words, int count) {
    const struct command *command = choose(words, count);
    if (!command)
        return HX_EXIT_USAGE;
    HX_CLEANUP(hx_chain_free_p) struct hx_chain *chain = NULL;
    HX_CLEANUP(hx_problems_reset) struct hx_problems problems = { 0 };
    if (hx_chain_load(options->chain, &chain, &problems) < 0) {
        for (size_t i = 0; i < problems.count; i++)
            hx_complain("%s: %s: %s", problems.items[i].what, problems.items[i].where, problems.items[i].why);
        return HX_EXIT_DATA;
    }
    return command->run(options, chain, *command->argument ? words[1] : NULL);
}
