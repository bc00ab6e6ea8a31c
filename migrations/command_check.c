/* heimdex-migrate check: does the database have the schema wanted? */
#include "common/exit_codes.h"
#include "common/log.h"
#include "migrations/command.h"
#include "migrations/drift.h"
#include "migrations/record.h"
#include "migrations/wanted.h"

/* Where the database stands, as a difference like the others; nothing when it stands at the head. */
static void describe_position(const struct hx_site *site, const struct hx_record *record, struct hx_buf *out) {
    const char *head = hx_chain_head(site->chain)->id;
    if (record->version_count == 1 && hx_streq(record->versions[0], head))
        return;
    hx_buf_puts(out, "is ");
    for (size_t i = 0; i < record->version_count; i++)
        hx_buf_printf(out, "%s%s", i ? ", " : "", record->versions[i]);
    hx_buf_printf(out, "%s, wanted %s", record->version_count ? "" : "base", head);
}

static void write_json(const struct hx_site *site, const struct hx_buf *position, const struct hx_drift *drift,
                       struct hx_buf *out) {
    bool first = !position->len;
    hx_buf_putc(out, '[');
    if (position->len) {
        hx_buf_puts(out, "{\"object\":");
        hx_buf_json_string(out, site->version_table, SIZE_MAX);
        hx_buf_puts(out, ",\"kind\":\"revision\",\"difference\":");
        hx_buf_json_string(out, position->data, position->len);
        hx_buf_putc(out, '}');
    }
    hx_drift_json(drift, &first, out);
    hx_buf_puts(out, "]\n");
}

static int compare(const struct hx_migrate *options, struct hx_site *site, struct hx_database *live,
                   struct hx_buf *out) {
    HX_CLEANUP(hx_record_reset) struct hx_record record = { 0 };
    HX_CLEANUP(hx_schema_reset) struct hx_schema wanted = { 0 }, found = { 0 };
    int r = hx_record_read(live, &record);
    if (r == 0)
        r = hx_wanted_read(live, &wanted);
    if (r == 0)
        r = hx_live_read(live, &found);
    if (r != 0)
        return r;
    _cleanup_buf_ struct hx_buf position = { 0 };
    if (!options->against)
        describe_position(site, &record, &position);
    HX_CLEANUP(hx_drift_reset) struct hx_drift drift;
    hx_drift_find(&wanted, &found, &drift);
    size_t before = out->len;
    if (position.len && !options->json)
        hx_buf_printf(out, "revision %s: %s\n", site->version_table, position.data);
    if (options->json)
        write_json(site, &position, &drift, out);
    else
        hx_drift_lines(&drift, out);
    bool differs = drift.count || position.len;
    if (!differs && !options->json && out->len == before)
        hx_complain("No new upgrade operations detected."); /* Alembic's words */
    return differs ? HX_EXIT_NO : HX_EXIT_OK;
}

int hx_command_check(const struct hx_migrate *options, struct hx_site *site, const char *word, struct hx_buf *out) {
    (void)word;
    HX_CLEANUP(hx_database_close_p) struct hx_database *live = NULL;
    int r = hx_database_open(options, site, &live);
    return r ? r : compare(options, site, live, out);
}
