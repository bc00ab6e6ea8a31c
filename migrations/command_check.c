/* heimdex-migrate check: does the database have the schema wanted? */
#include "migrations/command.h"

#include "common/exit_codes.h"
#include "common/log.h"

int hx_command_check(const struct hx_migrate *options, struct hx_site *site, const char *word, struct hx_buf *out) {
    (void)options;
    (void)site;
    (void)word;
    (void)out;
    hx_complain("check: not available yet");
    return HX_EXIT_SOFTWARE;
}
