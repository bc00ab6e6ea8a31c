#include "migrations/autogenerate.h"

#include "common/exit_codes.h"
#include "common/log.h"
#include "migrations/drift.h"
#include "migrations/record.h"
#include "migrations/wanted.h"

/* The new revision comes after the head, so the database must stand there. */
static int check_head(struct hx_database *live, const struct hx_chain *chain) {
    HX_CLEANUP(hx_record_reset) struct hx_record record = { 0 };
    int r = hx_record_read(live, &record);
    if (r != 0)
        return r;
    const char *head = chain ? hx_chain_head(chain)->id : NULL;
    bool stands = head ? record.version_count == 1 && hx_streq(record.versions[0], head) : record.version_count == 0;
    if (stands)
        return 0;
    hx_complain("revision: --autogenerate: Target database is not up to date: heimdex-migrate upgrade head");
    return HX_EXIT_NO;
}

static void write_difference(const struct hx_schema *wanted, const struct hx_schema *live, bool destructive,
                             struct hx_buf *out) {
    HX_CLEANUP(hx_drift_reset) struct hx_drift drift;
    hx_drift_find(wanted, live, &drift);
    hx_drift_sql(&drift, destructive, out);
}

int hx_autogenerate(const struct hx_migrate *options, struct hx_site *site, struct hx_buf *upgrade,
                    struct hx_buf *downgrade) {
    HX_CLEANUP(hx_database_close_p) struct hx_database *live = NULL;
    HX_CLEANUP(hx_schema_reset) struct hx_schema wanted = { 0 }, found = { 0 };
    int r = hx_database_open(options, site, &live);
    if (r == 0)
        r = check_head(live, site->chain);
    if (r == 0)
        r = hx_wanted_read(live, &wanted);
    if (r == 0)
        r = hx_live_read(live, &found);
    if (r != 0)
        return r;
    write_difference(&wanted, &found, options->destructive, upgrade);
    write_difference(&found, &wanted, options->destructive, downgrade);
    return 0;
}
