/* heimdex-migrate current, history, heads and show: what there is, and where the database stands. */
#include "migrations/command.h"

#include "common/exit_codes.h"
#include "common/log.h"
#include "migrations/apply.h"
#include "migrations/print.h"

#include <errno.h>
#include <string.h>

/* --- where the database stands ------------------------------------------------------------------------------ */

static void marks_reset(struct hx_marks *marks) {
    free(marks->applied);
    free(marks->current);
    *marks = (struct hx_marks){ 0 };
}

/* Where a version isn't one of the chain's, nothing is known. */
static void mark_versions(const struct hx_record *record, const struct hx_chain *chain, struct hx_marks *ret) {
    ret->applied = hx_allocn(hx_chain_count(chain) + 1, sizeof *ret->applied);
    ret->current = hx_allocn(hx_chain_count(chain) + 1, sizeof *ret->current);
    for (size_t i = 0; i < record->version_count; i++) {
        size_t index;
        if (hx_chain_find_exactly(chain, record->versions[i], &index) < 0) {
            marks_reset(ret);
            return;
        }
        hx_chain_mark(chain, index, ret->applied);
        ret->current[index] = true;
    }
}

/* 0, or an exit code after a complaint. */
static int find_marks(const struct hx_migrate *options, const struct hx_site *site, struct hx_marks *ret) {
    HX_CLEANUP(hx_database_close_p) struct hx_database *database = NULL;
    HX_CLEANUP(hx_record_reset) struct hx_record record = { 0 };
    int r = hx_database_open(options, site, &database);
    if (r == 0)
        r = hx_record_read(database, &record);
    if (r == 0)
        mark_versions(&record, site->chain, ret);
    return r;
}

/* --- current ------------------------------------------------------------------------------------------------ */

int hx_command_current(const struct hx_migrate *options, struct hx_site *site, const char *word, struct hx_buf *out) {
    (void)word;
    HX_CLEANUP(hx_database_close_p) struct hx_database *database = NULL;
    size_t position = 0;
    int r = hx_database_open(options, site, &database);
    if (r == 0)
        r = hx_apply_position(database, site->chain, &position);
    if (r != 0)
        return r;
    if (options->json)
        hx_print_current_json(out, site->chain, position);
    else if (position > 0 && options->verbose)
        hx_print_verbose(out, site->chain, position - 1, NULL);
    else if (position > 0)
        hx_print_short(out, site->chain, position - 1);
    return 0;
}

/* --- the chain ---------------------------------------------------------------------------------------------- */

/* Describing the chain must work without a database; only then it isn't known what is applied. */
static void tell(const struct hx_migrate *options, const struct hx_site *site, const size_t *indexes, size_t n,
                 bool whole, bool lines, struct hx_buf *out) {
    HX_CLEANUP(marks_reset) struct hx_marks marks = { 0 };
    if (options->json || options->indicate_current)
        find_marks(options, site, &marks);
    if (options->json)
        hx_print_json(out, site->chain, indexes, n, &marks);
    for (size_t i = 0; i < n && !options->json; i++)
        if (whole)
            hx_print_verbose(out, site->chain, indexes[i], options->indicate_current ? &marks : NULL);
        else if (lines)
            hx_print_line(out, site->chain, indexes[i], options->indicate_current ? &marks : NULL);
        else
            hx_print_short(out, site->chain, indexes[i]);
}

static int find_end(const struct hx_site *site, const char *word, size_t otherwise, size_t *ret) {
    *ret = otherwise;
    if (!*word)
        return 0;
    if (hx_streq(word, "base") || hx_streq(word, "head") || hx_streq(word, "heads")) {
        *ret = *word == 'b' ? 0 : hx_chain_count(site->chain) - 1;
        return 0;
    }
    int r = hx_chain_find(site->chain, word, ret);
    if (r == 0)
        return 0;
    hx_complain("history: %s: %s", word, r == -ENOTUNIQ ? "several revisions begin so" : "no such revision");
    return HX_EXIT_USAGE;
}

/* What the one end follows, without what lies before the other. */
static int choose(const struct hx_site *site, const char *range, bool *ret_chosen) {
    size_t first = 0, last = hx_chain_count(site->chain) - 1, count = hx_chain_count(site->chain);
    const char *colon = range ? strchr(range, ':') : NULL;
    if (range && !colon) {
        hx_complain("history: %s: must be FROM:TO, FROM: or :TO", range);
        return HX_EXIT_USAGE;
    }
    _cleanup_free_ char *from = hx_strndup(range ? range : "", range ? (size_t)(colon - range) : 0);
    int r = find_end(site, from, 0, &first);
    if (r == 0)
        r = find_end(site, range ? colon + 1 : "", last, &last);
    if (r != 0)
        return r;
    if (first > last) {
        hx_complain("history: %s: it leads the other way", range);
        return HX_EXIT_USAGE;
    }
    _cleanup_free_ bool *above = hx_allocn(count + 1, sizeof *above);
    if (range && colon[1])
        hx_chain_mark(site->chain, last, above);
    for (size_t i = 0; i < count; i++)
        ret_chosen[i] = i >= first && (above[i] || !(range && colon[1]));
    return 0;
}

int hx_command_history(const struct hx_migrate *options, struct hx_site *site, const char *word, struct hx_buf *out) {
    (void)word;
    size_t count = hx_chain_count(site->chain), n = 0;
    _cleanup_free_ bool *chosen = hx_allocn(count + 1, sizeof *chosen);
    _cleanup_free_ size_t *indexes = hx_allocn(count + 1, sizeof *indexes);
    int r = choose(site, options->range, chosen);
    if (r != 0)
        return r;
    for (size_t i = count; i-- > 0;)
        if (chosen[i])
            indexes[n++] = i;
    tell(options, site, indexes, n, options->verbose, true, out);
    return 0;
}

int hx_command_heads(const struct hx_migrate *options, struct hx_site *site, const char *word, struct hx_buf *out) {
    (void)word;
    size_t n = 0;
    _cleanup_free_ size_t *indexes = hx_allocn(hx_chain_count(site->chain) + 1, sizeof *indexes);
    for (size_t i = 0; i < hx_chain_count(site->chain); i++)
        if (hx_chain_is_head(site->chain, i))
            indexes[n++] = i;
    tell(options, site, indexes, n, options->verbose, false, out);
    return 0;
}

int hx_command_show(const struct hx_migrate *options, struct hx_site *site, const char *word, struct hx_buf *out) {
    size_t index = hx_chain_count(site->chain) - 1;
    int r = hx_streq(word, "head") || hx_streq(word, "heads") ? 0 : hx_chain_find(site->chain, word, &index);
    if (r < 0) {
        hx_complain("show: %s: %s", word, r == -ENOTUNIQ ? "several revisions begin so" : "no such revision");
        return HX_EXIT_USAGE;
    }
    tell(options, site, &index, 1, true, false, out);
    return 0;
}
