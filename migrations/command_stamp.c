/* heimdex-migrate stamp: the version table says that the database stands somewhere, and nothing is run. */
#include "migrations/command.h"

#include "common/exit_codes.h"
#include "common/log.h"
#include "migrations/checksum.h"
#include "migrations/lock.h"
#include "migrations/print.h"
#include "migrations/record.h"
#include "migrations/script.h"
#include "migrations/target.h"

/* What is written is the files as they are now: whoever stamps says that the database has their effect. */
static int write_stamp(struct hx_database *database, const struct hx_site *site, size_t position) {
    struct hx_pg_tx *tx = hx_pg_tx_new("stamp");
    hx_lock_add_check(tx, database);
    hx_pg_tx_add(tx, hx_database_statement(database, "delete from %s", database->version_table));
    hx_pg_tx_add(
        tx, hx_database_statement(database, "delete from %s where version_table = $1::text", database->record_table));
    hx_pg_text(tx, site->version_table);
    if (position > 0)
        hx_record_add_move(tx, database, NULL, hx_chain_at(site->chain, position - 1)->id);
    for (size_t i = 0; i < position; i++) {
        const struct hx_revision *r = hx_chain_at(site->chain, i);
        struct hx_record_row row = { .revision = r->id, .statements = r->upgrade.count };
        hx_checksum(&r->upgrade, r->upgrade.count, row.checksum);
        hx_record_add_row(tx, database, &row);
    }
    return hx_database_ask(database, tx, NULL, NULL);
}

static int refuse_unknown(const struct hx_record *record, const struct hx_chain *chain) {
    size_t index;
    for (size_t i = 0; i < record->version_count; i++)
        if (hx_chain_find_exactly(chain, record->versions[i], &index) < 0) {
            hx_complain("stamp: the database is at %s, which no file of the chain declares; --purge forgets that",
                        record->versions[i]);
            return HX_EXIT_NO;
        }
    if (record->version_count <= 1)
        return 0;
    hx_complain("stamp: the version table has %zu rows; --purge forgets them", record->version_count);
    return HX_EXIT_NO;
}

static int stamp(struct hx_database *database, const struct hx_migrate *options, const struct hx_site *site,
                 size_t position) {
    HX_CLEANUP(hx_record_reset) struct hx_record record = { 0 };
    int r = hx_record_read(database, &record);
    if (r == 0 && !options->purge)
        r = refuse_unknown(&record, site->chain);
    if (r == 0)
        r = hx_record_create(database, &record);
    if (r == 0)
        r = write_stamp(database, site, position);
    if (r == 0)
        hx_print_running("stamp_revision", record.version_count ? record.versions[0] : NULL,
                         position ? hx_chain_at(site->chain, position - 1)->id : NULL, NULL);
    return r;
}

int hx_command_stamp_target(const struct hx_site *site, const char *word, struct hx_target *ret) {
    _cleanup_buf_ struct hx_buf why = { 0 };
    if (hx_target_parse(site->chain, false, word, ret, &why) == 0 && !ret->relative)
        return 0;
    hx_complain("%s%sstamp: %s", site->service ? site->service : "", site->service ? ": " : "",
                why.len ? why.data : "it takes a revision, not steps");
    return HX_EXIT_USAGE;
}

int hx_command_stamp(const struct hx_migrate *options, struct hx_site *site, const char *word, struct hx_buf *out) {
    struct hx_target target;
    int r = hx_command_stamp_target(site, word, &target);
    if (r != 0)
        return r;
    if (options->sql) {
        hx_script_stamp(out, site, target.position);
        return 0;
    }
    HX_CLEANUP(hx_database_close_p) struct hx_database *database = NULL;
    r = hx_database_open(options, site, &database);
    if (r == 0)
        r = hx_lock_take(database);
    return r ? r : stamp(database, options, site, target.position);
}
