/* Finding a key of the table by its names. */
#include "lib/config/table.h"

#include "common/units.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

int hx_table_find(const char *name) {
    for (int key = 0; key < HX_KEYS; key++)
        if (hx_streq(hx_table[key].name, name))
            return key;
    return -1;
}

static const char *last_word(const char *name) {
    const char *dot = strrchr(name, '.');
    return dot ? dot + 1 : name;
}

enum hx_key hx_table_nearest(const char *name) {
    enum hx_key best = 0;
    unsigned best_distance = UINT32_MAX;
    for (int key = 0; key < HX_KEYS; key++) {
        unsigned distance = hx_edit_distance(name, hx_table[key].name);
        unsigned words = hx_edit_distance(last_word(name), last_word(hx_table[key].name));
        if (words <= 1)
            distance = HX_MIN(distance, words * 2 + 1); /* right key, wrong section */
        if (distance < best_distance) {
            best_distance = distance;
            best = (enum hx_key)key;
        }
    }
    return best;
}

bool hx_table_has_section(const char *section) {
    size_t n = strlen(section);
    for (int key = 0; key < HX_KEYS; key++)
        if (strncmp(hx_table[key].name, section, n) == 0 && hx_table[key].name[n] == '.' &&
            !hx_table[key].environment_only)
            return true;
    return false;
}

void hx_table_variable(enum hx_key key, struct hx_buf *out) {
    hx_buf_puts(out, "HEIMDEX_");
    for (const char *p = hx_table[key].name; *p; p++)
        hx_buf_putc(out, *p == '.' ? '_' : (char)toupper((unsigned char)*p));
}

static void append_choices(const char *choices, struct hx_buf *out) {
    const char *last = strrchr(choices, ' ');
    for (const char *p = choices; *p; p++) {
        if (*p != ' ')
            hx_buf_putc(out, *p);
        else
            hx_buf_puts(out, p == last ? " or " : ", ");
    }
}

void hx_table_expects(const struct hx_row *row, struct hx_buf *out) {
    char low[HX_DURATION_SIZE], high[HX_DURATION_SIZE];
    switch (row->type) {
    case HX_TYPE_INT:
    case HX_TYPE_PORT:
        if (row->min < 0)
            hx_buf_printf(out, "%" PRId64 " to %" PRId64, row->min, row->max);
        else
            hx_buf_printf(out, "%" PRId64 "-%" PRId64, row->min, row->max);
        break;
    case HX_TYPE_DURATION:
        hx_duration_format(row->min, low);
        hx_duration_format(row->max, high);
        hx_buf_printf(out, "a duration such as \"30s\", %s to %s", low, high);
        break;
    case HX_TYPE_SIZE:
        hx_size_format(row->min, low);
        hx_size_format(row->max, high);
        hx_buf_printf(out, "a size such as \"64K\", %s to %s", low, high);
        break;
    case HX_TYPE_BOOL: hx_buf_puts(out, "on or off"); break;
    case HX_TYPE_ENUM: append_choices(row->choices, out); break;
    case HX_TYPE_LIST: hx_buf_puts(out, "a list of strings"); break;
    case HX_TYPE_STRING:
        if (row->max > 0)
            hx_buf_printf(out, "a string of %" PRId64 "-%" PRId64 " bytes", row->min, row->max);
        else
            hx_buf_puts(out, "a string");
        break;
    }
}
