#include "migrations/script.h"

#include "migrations/checksum.h"
#include "migrations/quote.h"
#include "migrations/record.h"
#include "migrations/step.h"

#include <string.h>

/* A script while it is written. Names are quoted only where they must be: it is read by people too. */
struct script {
    struct hx_buf *out;
    const struct hx_site *site;
    char *version_table;
};

static char *quoted_if_needed(const char *name) {
    bool plain =
        strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(name) && !(*name >= '0' && *name <= '9');
    return plain && *name ? hx_strdup(name) : hx_quote_name(name);
}

static void put_text(struct script *s, const char *text) {
    hx_quote_text(s->out, text);
}

/* --- the version table -------------------------------------------------------------------------------------- */

static void put_check(struct script *s, const char *from) {
    const char *table = s->version_table;
    hx_buf_puts(s->out, "do $$\nbegin\n");
    if (from) {
        hx_buf_printf(s->out, "    if (select array_agg(version_num::text) from %s) is distinct from array[", table);
        put_text(s, from);
        hx_buf_printf(s->out, "] then\n        raise exception '%s is not at %s';\n", s->site->version_table, from);
    } else {
        hx_buf_printf(s->out, "    if exists (select from %s) then\n        raise exception '%s is not empty';\n",
                      table, s->site->version_table);
    }
    hx_buf_puts(s->out, "    end if;\nend\n$$;\n\n");
}

static void put_move(struct script *s, const char *from, const char *to) {
    if (!from) {
        hx_buf_printf(s->out, "INSERT INTO %s (version_num) VALUES (", s->version_table);
        put_text(s, to);
        hx_buf_puts(s->out, ");\n");
    } else if (to) {
        hx_buf_printf(s->out, "UPDATE %s SET version_num=", s->version_table);
        put_text(s, to);
    } else {
        hx_buf_printf(s->out, "DELETE FROM %s", s->version_table);
    }
    if (from) {
        hx_buf_printf(s->out, " WHERE %s.version_num = ", s->version_table);
        put_text(s, from);
        hx_buf_puts(s->out, ";\n");
    }
}

static void put_row(struct script *s, const struct hx_revision *revision) {
    char sum[HX_SHA256_HEX_SIZE];
    hx_checksum(&revision->upgrade, revision->upgrade.count, sum);
    hx_buf_puts(s->out, "INSERT INTO " HX_RECORD_TABLE
                        " (version_table, revision, checksum, state, statements, finished_at)\n    VALUES (");
    put_text(s, s->site->version_table);
    hx_buf_puts(s->out, ", ");
    put_text(s, revision->id);
    hx_buf_printf(s->out, ", '%s', 'applied', %zu, now())\n", sum, revision->upgrade.count);
    hx_buf_puts(s->out,
                "    ON CONFLICT (version_table, revision) DO UPDATE SET checksum = excluded.checksum,\n"
                "    state = excluded.state, statements = excluded.statements, finished_at = excluded.finished_at;\n");
}

static void put_forget(struct script *s, const char *revision) {
    hx_buf_puts(s->out, "DELETE FROM " HX_RECORD_TABLE " WHERE version_table = ");
    put_text(s, s->site->version_table);
    if (revision) {
        hx_buf_puts(s->out, " AND revision = ");
        put_text(s, revision);
    }
    hx_buf_puts(s->out, ";\n");
}

static void put_tables(struct script *s) {
    if (s->site->schema) {
        _cleanup_free_ char *schema = quoted_if_needed(s->site->schema);
        hx_buf_printf(s->out, "create schema if not exists %s;\nset search_path = %s, public;\n\n", schema, schema);
    }
    hx_buf_puts(s->out, "BEGIN;\n\n");
    hx_record_create_sql(s->out, s->version_table, s->site->version_table, HX_RECORD_TABLE);
    hx_buf_puts(s->out, "\nCOMMIT;\n\n");
}

/* --- revisions ---------------------------------------------------------------------------------------------- */

static void put_statements(struct script *s, const struct hx_statements *statements) {
    for (size_t i = 0; i < statements->count; i++)
        hx_buf_printf(s->out, "%s;\n\n", statements->items[i].sql);
}

static void put_step(struct script *s, const struct hx_step *step) {
    bool whole =
        !step->revision->no_transaction; /* else its statements stand outside of the transactions around them */
    hx_buf_printf(s->out, "-- Running %s %s -> %s, %s\n\nBEGIN;\n\n", hx_step_verb(step), step->from ? step->from : "",
                  step->to ? step->to : "", step->revision->message);
    put_check(s, step->from);
    if (!whole)
        hx_buf_puts(s->out, "COMMIT;\n\n");
    put_statements(s, step->statements);
    if (!whole)
        hx_buf_puts(s->out, "BEGIN;\n\n");
    put_move(s, step->from, step->to);
    if (step->down)
        put_forget(s, step->revision->id);
    else
        put_row(s, step->revision);
    hx_buf_puts(s->out, "\nCOMMIT;\n\n");
}

static struct script begin(struct hx_buf *out, const struct hx_site *site) {
    return (struct script){ .out = out, .site = site, .version_table = quoted_if_needed(site->version_table) };
}

void hx_script_append(struct hx_buf *out, const struct hx_site *site, const char *status_map, size_t from, size_t to) {
    struct script s = begin(out, site);
    bool down = to < from;
    if (status_map) {
        hx_buf_puts(out, "set heimdex.status_map = ");
        put_text(&s, status_map);
        hx_buf_puts(out, ";\n\n");
    }
    put_tables(&s);
    for (size_t position = from; position != to; position += down ? (size_t)-1 : 1) {
        struct hx_step step = hx_step_at(site->chain, position, down);
        put_step(&s, &step);
    }
    free(s.version_table);
}

void hx_script_stamp(struct hx_buf *out, const struct hx_site *site, size_t position) {
    struct script s = begin(out, site);
    put_tables(&s);
    hx_buf_printf(out, "BEGIN;\n\nDELETE FROM %s;\n", s.version_table);
    put_forget(&s, NULL);
    if (position > 0)
        put_move(&s, NULL, hx_chain_at(site->chain, position - 1)->id);
    for (size_t i = 0; i < position; i++)
        put_row(&s, hx_chain_at(site->chain, i));
    hx_buf_puts(out, "\nCOMMIT;\n");
    free(s.version_table);
}
