#include "migrations/site.h"

int hx_site_load(struct hx_site *site, struct hx_problems *problems) {
    return site->alembic_directory ? hx_chain_load_alembic(site->alembic_directory, &site->chain, problems)
                                   : hx_chain_load(site->chain_directory, &site->chain, problems);
}
