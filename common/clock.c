#include "common/clock.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define US_PER_S INT64_C(1000000)
#define S_PER_DAY INT64_C(86400)
#define YEAR_0001 INT64_C(-62135596800) /* seconds of 0001-01-01T00:00:00Z */
#define YEAR_9999_END INT64_C(253402300800)

static struct timespec clock_read(clockid_t id) {
    struct timespec now = { 0 };
    clock_gettime(id, &now);
    return now;
}

static int64_t in_ms(struct timespec t) {
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t hx_mono_ms(void) {
    return in_ms(clock_read(CLOCK_MONOTONIC));
}

int64_t hx_mono_ns(void) {
    struct timespec now = clock_read(CLOCK_MONOTONIC);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t hx_boot_ms(void) {
    return in_ms(clock_read(CLOCK_BOOTTIME));
}

int64_t hx_wall_us(void) {
    struct timespec now = clock_read(CLOCK_REALTIME);
    return (int64_t)now.tv_sec * US_PER_S + now.tv_nsec / 1000;
}

/* Days and dates of the proleptic Gregorian calendar, after https://howardhinnant.github.io/date_algorithms.html:
 * years start in March there, so that the leap day is a year's last. */
static int64_t days_from_date(int64_t year, int64_t month, int64_t day) {
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static void date_from_days(int64_t days, int64_t *ret_year, int64_t *ret_month, int64_t *ret_day) {
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month_from_march = (5 * day_of_year + 2) / 153;
    *ret_day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    *ret_month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
    *ret_year = year_of_era + era * 400 + (*ret_month <= 2);
}

static void put_digits(char *out, int digits, int64_t value) {
    for (int i = digits - 1; i >= 0; i--) {
        out[i] = (char)('0' + value % 10);
        value /= 10;
    }
}

void hx_rfc3339_format(int64_t unix_us, char out[HX_RFC3339_SIZE]) {
    int64_t year, month, day;
    if (unix_us < YEAR_0001 * US_PER_S)
        unix_us = YEAR_0001 * US_PER_S;
    if (unix_us >= YEAR_9999_END * US_PER_S)
        unix_us = YEAR_9999_END * US_PER_S - 1;
    unix_us -= YEAR_0001 * US_PER_S; /* never negative from here on, so that / and % round down */
    int64_t us = unix_us % US_PER_S, seconds = unix_us / US_PER_S % S_PER_DAY;
    date_from_days(unix_us / US_PER_S / S_PER_DAY + YEAR_0001 / S_PER_DAY, &year, &month, &day);
    memcpy(out, "0000-00-00T00:00:00.000000Z", HX_RFC3339_SIZE);
    put_digits(out, 4, year);
    put_digits(out + 5, 2, month);
    put_digits(out + 8, 2, day);
    put_digits(out + 11, 2, seconds / 3600);
    put_digits(out + 14, 2, seconds / 60 % 60);
    put_digits(out + 17, 2, seconds % 60);
    put_digits(out + 20, 6, us);
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* Exactly so many digits, then `after` (0: no matter what follows). */
static bool take_digits(const char **p, int digits, char after, int64_t *ret) {
    int64_t value = 0;
    for (int i = 0; i < digits; i++, (*p)++) {
        if (!is_digit(**p))
            return false;
        value = value * 10 + (**p - '0');
    }
    if (after && *(*p)++ != after)
        return false;
    *ret = value;
    return true;
}

static bool take_date(const char **p, int64_t *ret_days) {
    static const unsigned char lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    int64_t year, month, day;
    if (!take_digits(p, 4, '-', &year) || !take_digits(p, 2, '-', &month) || !take_digits(p, 2, 0, &day))
        return false;
    if (month < 1 || month > 12)
        return false;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (day < 1 || day > lengths[month - 1] + (leap && month == 2))
        return false;
    *ret_days = days_from_date(year, month, day);
    return true;
}

/* ".5" to ".123456789"; what a microsecond can't hold is cut off. Nothing at all is fine too. */
static bool take_fraction(const char **p, int64_t *ret_us) {
    int64_t us = 0, weight = 100000;
    int digits = 0;
    if (**p == '.') {
        for ((*p)++; is_digit(**p); (*p)++, digits++, weight /= 10)
            us += (**p - '0') * weight;
        if (digits < 1 || digits > 9)
            return false;
    }
    *ret_us = us;
    return true;
}

/* "Z" or "+hh:mm", which must end the text. */
static bool take_offset(const char *p, int64_t *ret_seconds) {
    int64_t hours = 0, minutes = 0;
    char sign = *p++;
    if (sign == '+' || sign == '-') {
        if (!take_digits(&p, 2, ':', &hours) || !take_digits(&p, 2, 0, &minutes) || hours > 23 || minutes > 59)
            return false;
    } else if (sign != 'Z' && sign != 'z') {
        return false;
    }
    if (*p != '\0')
        return false;
    *ret_seconds = (sign == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
    return true;
}

int hx_rfc3339_parse(const char *text, int64_t *ret_unix_us) {
    const char *p = text;
    int64_t days, hour, minute, second, us, offset;
    if (!p || !take_date(&p, &days) || (*p != 'T' && *p != 't' && *p != ' '))
        return -EINVAL;
    p++;
    if (!take_digits(&p, 2, ':', &hour) || !take_digits(&p, 2, ':', &minute) || !take_digits(&p, 2, 0, &second))
        return -EINVAL;
    if (hour > 23 || minute > 59 || second > 60 || !take_fraction(&p, &us) || !take_offset(p, &offset))
        return -EINVAL;
    int64_t t = days * S_PER_DAY + hour * 3600 + minute * 60 + second - offset;
    if (t < YEAR_0001 || t >= YEAR_9999_END)
        return -EINVAL;
    /* A leap second ends a UTC day; Unix time has no number for it but the next day's first. */
    if (second == 60 && (t - YEAR_0001) % S_PER_DAY != 0)
        return -EINVAL;
    *ret_unix_us = t * US_PER_S + us;
    return 0;
}
