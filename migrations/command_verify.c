/* heimdex-migrate verify: is the chain whole? */
#include "migrations/command.h"

#include "common/exit_codes.h"
#include "common/log.h"
#include "migrations/database.h"

int hx_command_verify(const struct hx_migrate *options, struct hx_site *site, const char *word, struct hx_buf *out) {
    (void)word;
    HX_CLEANUP(hx_problems_reset) struct hx_problems problems = { 0 };
    int r = hx_site_load(site, &problems) < 0 ? HX_EXIT_DATA : 0;
    if (r == 0) {
        hx_chain_check_names(site->chain, &problems);
        r = problems.count ? HX_EXIT_DATA : 0;
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
