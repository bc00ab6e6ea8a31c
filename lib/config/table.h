/* The table (table.c) that everything about configuration comes from, and looking things up in it (table_lookup.c). */
#pragma once

#include "lib/config/config.h"

enum hx_type {
    HX_TYPE_STRING,
    HX_TYPE_ENUM, /* one of `choices`; its number is the index there */
    HX_TYPE_INT,
    HX_TYPE_BOOL,     /* on/off, true/false, yes/no; 1 and 0 */
    HX_TYPE_DURATION, /* milliseconds */
    HX_TYPE_SIZE,     /* bytes */
    HX_TYPE_LIST,     /* of strings */
    HX_TYPE_PORT,     /* or several with commas, as libpq takes them; the number is the first */
};

struct hx_row {
    const char *name; /* "section.key" */
    enum hx_type type;
    const char *fallback;      /* the default as text; NULL: unset, or `computed` */
    char *(*computed)(void);   /* makes the default; the caller frees */
    const char *fallback_note; /* what documentation says of a default that is no constant */
    int64_t min, max;          /* of the number, or of a string's length; 0, 0: any */
    const char *choices;       /* of an enum, with single spaces between */
    const char *label;         /* what messages call it; NULL: the name */
    const char *old_name;      /* of an environment variable that keeps working */
    bool old_name_wins;        /* over HEIMDEX_SECTION_KEY too: PG* variables */
    const char *secret_name;   /* file /secrets/NAME/NAME */
    bool secret;               /* never shown */
    bool fixed;                /* an address or a path: a reload keeps the old value */
    bool environment_only;     /* no key of the file */
    /* A further rule for a value, or for each element of a list: NULL when it holds, else what the value must be. */
    const char *(*check)(const char *text);
    const char *libpq; /* the connection keyword this is */
    const char *help;
};

extern const struct hx_row hx_table[HX_KEYS];

/* The key of "section.key", or -1. */
int hx_table_find(const char *name);
/* The key whose name is nearest; the same word in another section is nearer than another word. */
enum hx_key hx_table_nearest(const char *name);
/* True for the sections that a file may hold. */
bool hx_table_has_section(const char *section);
/* HEIMDEX_SECTION_KEY. */
void hx_table_variable(enum hx_key key, struct hx_buf *out);
/* What a value of this row must be, in words: "1-65535", "on or off", "a duration 1s-1h, such as \"30s\"". */
void hx_table_expects(const struct hx_row *row, struct hx_buf *out);
