/* Strings: UTF-8, escapes, no \u0000, no half of a surrogate pair. */
#include "common/text.h"
#include "lib/json/plain.h"
#include "lib/json/scan.h"

#include <errno.h>
#include <string.h>

/* The four digits behind "\u", which starts at s->at; moves behind them. The code unit, or -EINVAL. */
static int scan_unit(struct hx_json_scan *s) {
    size_t start = s->at;
    int unit = 0;
    if (s->n - start < 6)
        return hx_json_scan_fail(s, start, "\\u without four hex digits");
    for (size_t i = start + 2; i < start + 6; i++) {
        int digit = hx_hex_digit(s->text[i]);
        if (digit < 0)
            return hx_json_scan_fail(s, start, "\\u without four hex digits");
        unit = unit * 16 + digit;
    }
    s->at += 6;
    return unit;
}

static void append_utf8(struct hx_buf *out, uint32_t c) {
    if (c < 0x80) {
        hx_buf_putc(out, (char)c);
    } else if (c < 0x800) {
        hx_buf_putc(out, (char)(0xc0 | c >> 6));
        hx_buf_putc(out, (char)(0x80 | (c & 0x3f)));
    } else if (c < 0x10000) {
        hx_buf_putc(out, (char)(0xe0 | c >> 12));
        hx_buf_putc(out, (char)(0x80 | (c >> 6 & 0x3f)));
        hx_buf_putc(out, (char)(0x80 | (c & 0x3f)));
    } else {
        hx_buf_putc(out, (char)(0xf0 | c >> 18));
        hx_buf_putc(out, (char)(0x80 | (c >> 12 & 0x3f)));
        hx_buf_putc(out, (char)(0x80 | (c >> 6 & 0x3f)));
        hx_buf_putc(out, (char)(0x80 | (c & 0x3f)));
    }
}

static int scan_unicode(struct hx_json_scan *s) {
    size_t start = s->at;
    int unit = scan_unit(s);
    if (unit < 0)
        return unit;
    if (unit == 0)
        return hx_json_scan_fail(s, start, "\\u0000 is not allowed");
    if (unit >= 0xdc00 && unit <= 0xdfff)
        return hx_json_scan_fail(s, start, "\\u%04x is half a character", (unsigned)unit);
    uint32_t c = (uint32_t)unit;
    if (unit >= 0xd800 && unit <= 0xdbff) {
        if (s->n - s->at < 2 || s->text[s->at] != '\\' || s->text[s->at + 1] != 'u')
            return hx_json_scan_fail(s, start, "\\u%04x is half a character", (unsigned)unit);
        int low = scan_unit(s);
        if (low < 0)
            return low;
        if (low < 0xdc00 || low > 0xdfff)
            return hx_json_scan_fail(s, start, "\\u%04x is half a character", (unsigned)unit);
        c = 0x10000 + (((uint32_t)unit - 0xd800) << 10) + ((uint32_t)low - 0xdc00);
    }
    append_utf8(&s->string, c);
    return 0;
}

static int scan_escape(struct hx_json_scan *s) {
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    if (s->n - s->at < 2)
        return hx_json_scan_fail(s, s->at, "string without its end");
    char c = s->text[s->at + 1];
    if (c == 'u')
        return scan_unicode(s);
    const char *found = c ? strchr(names, c) : NULL;
    if (!found)
        return hx_json_scan_fail(s, s->at, "escape that JSON doesn't have");
    hx_buf_putc(&s->string, values[found - names]);
    s->at += 2;
    return 0;
}

/* Moves over bytes that stand for themselves; true if one of them wasn't ASCII. */
static bool skip_plain(struct hx_json_scan *s) {
    const unsigned char *text = (const unsigned char *)s->text;
    size_t at = s->at, n = s->n;
    unsigned char seen = 0;
    for (;;) {
        at += hx_json_plain(s->text + at, n - at);
        if (at == n || text[at] < 0x80)
            break;
        seen |= text[at++];
    }
    s->at = at;
    return seen >= 0x80;
}

int hx_json_scan_string(struct hx_json_scan *s, struct hx_json_string *ret) {
    size_t quote = s->at++, start = s->at;
    bool escaped = false;
    for (;;) {
        size_t run = s->at;
        if (skip_plain(s) && !hx_utf8_valid(s->text + run, s->at - run))
            return hx_json_scan_fail(s, run, "string that is not UTF-8");
        if (s->at >= s->n)
            return hx_json_scan_fail(s, quote, "string without its end");
        if (escaped)
            hx_buf_append(&s->string, s->text + run, s->at - run);
        char c = s->text[s->at];
        if (c == '"')
            break;
        if (c != '\\')
            return hx_json_scan_fail(s, s->at, "control character 0x%02x in a string", (unsigned char)c);
        if (!escaped) {
            escaped = true;
            hx_buf_clear(&s->string);
            hx_buf_append(&s->string, s->text + start, s->at - start);
        }
        int r = scan_escape(s);
        if (r < 0)
            return r;
    }
    *ret = (struct hx_json_string){
        .data = escaped ? s->string.data : s->text + start,
        .length = escaped ? s->string.len : s->at - start,
        .position = quote,
        .escaped = escaped,
    };
    s->at++;
    return 0;
}
