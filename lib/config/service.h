/* A services file: the services of a platform, each with its own chain of revisions, schema and version table.
 *
 *     services = ( { name = "agent"; chain = "agent"; schema = "agent"; version_table = "alembic_version"; database = ""; }, … );
 */
#pragma once

#include "lib/config/config.h"

struct hx_service_config {
    const char *name;          /* one each in a file */
    const char *chain;         /* a directory; relative ones were put behind the file's own */
    const char *schema;        /* NULL: not set */
    const char *version_table; /* "alembic_version" unless set */
    const char *database;      /* NULL: the configured one */
    const char *where;         /* "FILE:LINE" of its entry */
};

struct hx_service_file;

/* Reads path. 0 and *ret, which the caller frees; -EINVAL for what is in it, or the negative errno of a file that can't be
 * read, with *reterr. */
int hx_service_file_load(const char *path, struct hx_service_file **ret, struct hx_config_error *reterr);
struct hx_service_file *hx_service_file_free(struct hx_service_file *file);
/* In the file's order; owned by it. */
const struct hx_service_config *hx_service_file_list(const struct hx_service_file *file, size_t *ret_n);
