/* Chains of tests: each file as "ID PARENT", with "-" for no parent, named ID.sql. */
#pragma once

#include "common/text.h"
#include "migrations/chain.h"

#include <string.h>

static inline int build_chain(const char *const *specs, size_t n, struct hx_chain **ret, struct hx_problems *problems) {
    struct hx_chain_file *files = hx_allocn(n, sizeof *files);
    for (size_t i = 0; i < n; i++) {
        int id = (int)strcspn(specs[i], " ");
        const char *parent = specs[i] + id + 1;
        files[i].path = hx_printf("%.*s.sql", id, specs[i]);
        files[i].text =
            hx_printf("-- revision: %.*s\n-- down_revision: %s\n-- message: m \"%.*s\"\n-- upgrade\nselect 1;\n"
                      "-- downgrade\n",
                      id, specs[i], *parent == '-' ? "" : parent, id, specs[i]);
        files[i].size = strlen(files[i].text);
    }
    int r = hx_chain_build(files, n, ret, problems);
    for (size_t i = 0; i < n; i++) {
        free((void *)files[i].path);
        free((void *)files[i].text);
    }
    free(files);
    return r;
}
