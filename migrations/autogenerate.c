#include "migrations/autogenerate.h"

#include "common/exit_codes.h"
#include "common/log.h"

int hx_autogenerate(const struct hx_migrate *options, struct hx_site *site, struct hx_buf *upgrade,
                    struct hx_buf *downgrade) {
    (void)options;
    (void)site;
    (void)upgrade;
    (void)downgrade;
    hx_complain("revision: --autogenerate: not available yet");
    return HX_EXIT_SOFTWARE;
}
