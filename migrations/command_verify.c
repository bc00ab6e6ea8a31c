/* heimdex-migrate verify: is the chain whole? */
#include "migrations/command.h"

#include "common/exit_codes.h"
#include "common/log.h"
#include "migrations/record.h"

/* What the database had of the chain. 0, or an exit code after a complaint. */
static int judge_applied(const struct hx_migrate *options, const struct hx_site *site, struct hx_problems *problems) {
    HX_CLEANUP(hx_database_close_p) struct hx_database *database = NULL;
    HX_CLEANUP(hx_record_reset) struct hx_record record = { 0 };
    int r = hx_database_open(options, site, &database);
    if (r == 0)
        r = hx_record_read(database, &record);
    if (r == 0) {
        hx_record_check(&record, site->chain, problems);
        hx_record_check_ended(&record, site->chain, problems);
    }
    return r;
}

int hx_command_verify(const struct hx_migrate *options, struct hx_site *site, const char *word, struct hx_buf *out) {
    (void)word;
    HX_CLEANUP(hx_problems_reset) struct hx_problems problems = { 0 };
    if (hx_site_load(site, &problems) == 0)
        hx_chain_check_names(site->chain, &problems);
    int r = problems.count ? HX_EXIT_DATA : 0;
    if (options->applied && site->chain) {
        size_t before = problems.count;
        int judged = judge_applied(options, site, &problems);
        if (judged != 0)
            return judged;
        r = r == 0 && problems.count > before ? HX_EXIT_NO : r;
    }
    if (options->json) {
        hx_problems_json(&problems, out);
        hx_buf_putc(out, '\n');
    } else if (problems.count) {
        hx_problems_complain(&problems, site->service);
    } else {
        size_t n = hx_chain_count(site->chain);
        hx_buf_printf(out, "%zu revision%s, head %s: nothing is wrong\n", n, n == 1 ? "" : "s",
                      hx_chain_head(site->chain)->id);
    }
    return r;
}
