/* What struct hx_config is made of, for the files of lib/config only. */
#pragma once

#include "lib/config/table.h"

enum hx_origin {
    HX_ORIGIN_DEFAULT,
    HX_ORIGIN_FILE,
    HX_ORIGIN_ENVIRONMENT,
    HX_ORIGIN_OLD_NAME, /* PGHOST and the like */
    HX_ORIGIN_SECRET,
    HX_ORIGINS
};

struct hx_value {
    const char *text; /* canonical; NULL: unset; of a list: NULL */
    int64_t number;
    const char **list;   /* NULL-terminated */
    const char **wheres; /* of each element */
    size_t count;
    enum hx_origin origin;
    const char *where; /* "default", "FILE:LINE", "environment NAME", "secret file …" */
};

struct hx_config {
    const char *file; /* that was read, or NULL */
    struct hx_value values[HX_KEYS];
    struct hx_handler_config *handlers;
    const char **handler_where; /* "FILE:LINE" of each */
    size_t handler_count;
    const char **warnings;
    size_t warning_count;
    const char *keywords[HX_KEYS + 1], *keyword_values[HX_KEYS + 1]; /* for libpq */
    void **owned;                                                    /* all memory of the above, freed together */
    size_t owned_count, owned_room;
};

/* Memory that lives as long as c. */
void *hx_config_own(struct hx_config *c, void *p); /* takes p over */
const char *hx_config_copy(struct hx_config *c, const char *text);
/* An array of count elements with room for one more; start with NULL and 0. Old copies stay valid. */
void *hx_config_grow(struct hx_config *c, void *array, size_t count, size_t size);

/* Fills *e with one line (control characters replaced, redacted, cut); returns r. */
int hx_config_fail(struct hx_config_error *e, int r, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void hx_config_warn(struct hx_config *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Reads text as a value of key and sets it. -EINVAL with *e: "WHERE: Invalid …: … (must be …)". */
int hx_value_set(struct hx_config *c, enum hx_key key, const char *text, enum hx_origin origin, const char *where,
                 struct hx_config_error *e);
/* The same for a list's elements; wheres: of each, or NULL when all came from the same place. */
int hx_value_set_list(struct hx_config *c, enum hx_key key, const char *const *items, const char *const *wheres,
                      size_t n, enum hx_origin origin, const char *where, struct hx_config_error *e);
/* "WHERE: KEY: Invalid LABEL: GOT (must be MUST)", the key where the label hides it, what stands before an '@' masked. Returns -EINVAL. */
int hx_value_fail(enum hx_key key, const char *got, const char *must, const char *where, struct hx_config_error *e);
/* True for the name of a Kafka property whose value is a secret. */
bool hx_value_secret_property(const char *property);
/* Has the password inside "scheme://user:password@host" redacted from now on. */
void hx_value_redact_url(const char *url);

/* The steps of loading, in order. Each 0, or -EINVAL (or the errno of a file) with *e. */
int hx_load_defaults(struct hx_config *c, struct hx_config_error *e);
int hx_load_file(struct hx_config *c, const char *path, bool handlers_only, struct hx_config_error *e);
int hx_load_handlers_d(struct hx_config *c, const char *main_file,
                       struct hx_config_error *e); /* handlers.d beside it */
int hx_load_environment(struct hx_config *c, struct hx_config_error *e);
int hx_load_secrets(struct hx_config *c, struct hx_config_error *e);
/* Rules between keys, and what follows from the values: libpq's arrays, values to redact. */
int hx_load_finish(struct hx_config *c, struct hx_config_error *e);

/* libpq's arrays, from the values and today's environment. */
void hx_postgres_collect(struct hx_config *c);

/* Where secrets lie instead of /secrets: for tests. NULL: /secrets. The string stays the caller's. */
void hx_secret_set_root(const char *root);
