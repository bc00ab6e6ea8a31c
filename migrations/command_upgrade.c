/* heimdex-migrate upgrade and downgrade. */
#include "migrations/command.h"

#include "common/exit_codes.h"
#include "common/log.h"
#include "migrations/apply.h"
#include "migrations/script.h"

#include <string.h>

static void warn_about_names(const struct hx_site *site) {
    HX_CLEANUP(hx_problems_reset) struct hx_problems problems = { 0 };
    hx_chain_check_names(site->chain, &problems);
    hx_problems_complain(&problems, "warning");
}

static int fail(const struct hx_site *site, bool down, const struct hx_buf *why) {
    hx_complain("%s%s%s: %s", site->service ? site->service : "", site->service ? ": " : "",
                down ? "downgrade" : "upgrade", why->data);
    return HX_EXIT_USAGE;
}

static int print(const struct hx_migrate *options, struct hx_site *site, bool down, const char *word,
                 struct hx_buf *out) {
    _cleanup_buf_ struct hx_buf why = { 0 };
    size_t from, to;
    if (hx_range_parse(site->chain, down, word, &from, &to, &why) < 0)
        return fail(site, down, &why);
    for (size_t position = from; down && position > to; position--) {
        const struct hx_revision *r = hx_chain_at(site->chain, position - 1);
        if (!r->has_downgrade) {
            hx_complain("%s: %s: it has no line `-- downgrade`, so there is no way back", r->id, r->path);
            return HX_EXIT_NO;
        }
    }
    hx_script_append(out, site, options->status_map.data, from, to);
    return 0;
}

int hx_command_target(const struct hx_site *site, bool down, const char *word, struct hx_target *ret) {
    _cleanup_buf_ struct hx_buf why = { 0 };
    if (strchr(word, ':'))
        hx_buf_printf(&why, "%s: a range goes with --sql only: the database knows where it stands", word);
    if (!why.len && hx_target_parse(site->chain, down, word, ret, &why) == 0)
        return 0;
    return fail(site, down, &why);
}

static int move(const struct hx_migrate *options, struct hx_site *site, bool down, const char *word) {
    struct hx_target target;
    int r = hx_command_target(site, down, word, &target);
    if (r != 0)
        return r;
    HX_CLEANUP(hx_database_close_p) struct hx_database *database = NULL;
    r = hx_database_open(options, site, &database);
    return r ? r : hx_apply(database, site->chain, &target);
}

int hx_command_upgrade(const struct hx_migrate *options, struct hx_site *site, const char *word, struct hx_buf *out) {
    warn_about_names(site);
    return options->sql ? print(options, site, false, word, out) : move(options, site, false, word);
}

int hx_command_downgrade(const struct hx_migrate *options, struct hx_site *site, const char *word, struct hx_buf *out) {
    warn_about_names(site);
    return options->sql ? print(options, site, true, word, out) : move(options, site, true, word);
}
