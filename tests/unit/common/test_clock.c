#include "common/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void formats(void **s) {
    (void)s;
    char out[HX_RFC3339_SIZE];
    hx_rfc3339_format(0, out);
    assert_string_equal(out, "1970-01-01T00:00:00.000000Z");
    hx_rfc3339_format(-1, out);
    assert_string_equal(out, "1969-12-31T23:59:59.999999Z");
    hx_rfc3339_format(INT64_C(1795246188123456), out);
    assert_string_equal(out, "2026-11-21T07:29:48.123456Z");
    hx_rfc3339_format(INT64_MIN, out);
    assert_string_equal(out, "0001-01-01T00:00:00.000000Z");
    hx_rfc3339_format(INT64_MAX, out);
    assert_string_equal(out, "9999-12-31T23:59:59.999999Z");
}

/* libc's calendar is the witness, over 20,000 days around every kind of leap year. */
static void agrees_with_libc(void **s) {
    (void)s;
    for (int64_t day = -800000; day < 800000; day += 79) {
        time_t t = day * 86400 + 45296;
        struct tm tm;
        char expected[64], out[HX_RFC3339_SIZE];
        int64_t back;
        if (day < -719162)
            continue;
        gmtime_r(&t, &tm);
        snprintf(expected, sizeof(expected), "%04d-%02d-%02dT%02d:%02d:%02d.000007Z", tm.tm_year + 1900, tm.tm_mon + 1,
                 tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
        hx_rfc3339_format(t * 1000000 + 7, out);
        assert_string_equal(out, expected);
        assert_int_equal(hx_rfc3339_parse(out, &back), 0);
        assert_int_equal(back, t * 1000000 + 7);
    }
}

static void parses(const char *text, const char *same_as) {
    int64_t t = 42;
    char out[HX_RFC3339_SIZE];
    assert_int_equal(hx_rfc3339_parse(text, &t), 0);
    hx_rfc3339_format(t, out);
    assert_string_equal(out, same_as);
}

static void parses_what_the_rfc_allows(void **s) {
    (void)s;
    parses("2026-11-21T07:29:48Z", "2026-11-21T07:29:48.000000Z");
    parses("2026-11-21 07:29:48z", "2026-11-21T07:29:48.000000Z");
    parses("2026-11-21t07:29:48.5Z", "2026-11-21T07:29:48.500000Z");
    parses("2026-11-21T07:29:48.123456789Z", "2026-11-21T07:29:48.123456Z");
    parses("1969-12-31T23:59:59.9999999Z", "1969-12-31T23:59:59.999999Z");
    parses("2026-11-21T07:29:48+05:45", "2026-11-21T01:44:48.000000Z");
    parses("2026-12-31T23:00:00-02:30", "2027-01-01T01:30:00.000000Z");
    parses("2026-11-21T07:29:48-00:00", "2026-11-21T07:29:48.000000Z");
    parses("2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000000Z");
    parses("2000-02-29T00:00:00Z", "2000-02-29T00:00:00.000000Z");
    parses("2024-03-01T00:30:00+01:00", "2024-02-29T23:30:00.000000Z");
    parses("1990-12-31T23:59:60Z", "1991-01-01T00:00:00.000000Z");
    parses("1990-12-31T15:59:60.5-08:00", "1991-01-01T00:00:00.500000Z");
}

static void refuses_the_rest(void **s) {
    (void)s;
    static const char *const bad[] = {
        "",
        "2026",
        "2026-11-21",
        "2026-11-21T07:29:48",
        "2026-11-21T07:29:48+0100",
        "2026-11-21T07:29:48+01",
        "2026-11-21T07:29:48+24:00",
        "2026-11-21T07:29:48+01:60",
        "2026-11-21T07:29:48Z ",
        " 2026-11-21T07:29:48Z",
        "2026-11-21T07:29:48ZZ",
        "2026-11-21T07:29:48.Z",
        "2026-11-21T07:29:48.1234567890Z",
        "2026-11-21T07:29:48,5Z",
        "2026-11-21X07:29:48Z",
        "2026-1-21T07:29:48Z",
        "+026-11-21T07:29:48Z",
        "2026-11-21T24:00:00Z",
        "2026-11-21T07:60:48Z",
        "2026-11-21T07:29:61Z",
        "2026-11-21T07:29:60Z", /* a leap second in the middle of a day */
        "2026-00-21T07:29:48Z",
        "2026-13-21T07:29:48Z",
        "2026-11-00T07:29:48Z",
        "2026-11-31T07:29:48Z",
        "2025-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "2024-02-30T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+00:01", /* lies in the year 0 */
        "9999-12-31T23:59:59-00:01",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int64_t t = 42;
        if (hx_rfc3339_parse(bad[i], &t) != -EINVAL)
            fail_msg("taken: %s", bad[i]);
        assert_int_equal(t, 42);
    }
    assert_int_equal(hx_rfc3339_parse(NULL, &(int64_t){ 0 }), -EINVAL);
}

static void clocks_run(void **s) {
    (void)s;
    int64_t ns = hx_mono_ns(), ms = hx_mono_ms(), boot = hx_boot_ms();
    assert_true(ms >= ns / 1000000);
    assert_true(boot >= ms); /* boot time counts what monotonic leaves out */
    assert_true(hx_mono_ns() >= ns);
    int64_t before = time(NULL), wall_s = hx_wall_us() / 1000000, after = time(NULL);
    assert_in_range(wall_s, before, after + 1); /* time(2) is a tick behind */
}

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80 /* linux/sched.h; not in every libc's */
#endif
enum { ASLEEP_S = 100000, CANT = 77 };

/* Children of ours live where the machine has slept so long. */
static bool sleep_machine(void) {
    char offset[32];
    int n = snprintf(offset, sizeof offset, "boottime %d 0\n", ASLEEP_S);
    if (unshare(CLONE_NEWTIME) < 0)
        return false;
    int fd = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
    bool slept = fd >= 0 && write(fd, offset, (size_t)n) == n;
    if (fd >= 0)
        close(fd);
    return slept;
}

static int exit_code_of(pid_t pid) {
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void read_clocks_after_a_suspension(int64_t clocks[2]) {
    if (!sleep_machine())
        _exit(CANT);
    pid_t child = fork();
    if (child == 0) {
        clocks[0] = hx_boot_ms();
        clocks[1] = hx_mono_ms();
        _exit(0);
    }
    _exit(child > 0 ? exit_code_of(child) : CANT);
}

/* Leases are counted on boot time, deadlines aren't. Needs a kernel with time namespaces, and root. */
static void boot_time_goes_on_in_a_suspension(void **s) {
    (void)s;
    int64_t *clocks = mmap(NULL, 2 * sizeof *clocks, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(clocks, MAP_FAILED);
    int64_t boot = hx_boot_ms(), mono = hx_mono_ms();
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        read_clocks_after_a_suspension(clocks);
    int code = exit_code_of(child);
    if (code == CANT)
        skip();
    assert_int_equal(code, 0);
    assert_in_range(clocks[0], boot + ASLEEP_S * 1000, hx_boot_ms() + ASLEEP_S * 1000);
    assert_in_range(clocks[1], mono, hx_mono_ms());
    munmap(clocks, 2 * sizeof *clocks);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats),
        cmocka_unit_test(agrees_with_libc),
        cmocka_unit_test(parses_what_the_rfc_allows),
        cmocka_unit_test(refuses_the_rest),
        cmocka_unit_test(clocks_run),
        cmocka_unit_test(boot_time_goes_on_in_a_suspension),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
