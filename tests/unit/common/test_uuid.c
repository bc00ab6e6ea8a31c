#include "common/uuid.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/text.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/wait.h>

static bool is_variant(const struct hx_uuid *u, int version) {
    return u->b[6] >> 4 == version && u->b[8] >> 6 == 2;
}

static void a_million_ascend(void **s) {
    (void)s;
    struct hx_uuid last = hx_uuid_v7();
    int64_t before = hx_wall_us() / 1000, start_ns = hx_mono_ns();
    for (int i = 0; i < 1000000; i++) {
        struct hx_uuid next = hx_uuid_v7();
        if (hx_uuid_cmp(&last, &next) >= 0 || !is_variant(&next, 7))
            fail_msg("id %d", i);
        last = next;
    }
    print_message("           %.0f ns an id\n", (double)(hx_mono_ns() - start_ns) / 1e6);
    int64_t after = hx_wall_us() / 1000, ms = hx_uuid_v7_ms(&last);
    assert_true(ms >= before && ms <= after);
}

static void ascend_though_the_clock_goes_back(void **s) {
    (void)s;
    int64_t now = hx_wall_us() / 1000 + 1000;
    struct hx_uuid last = hx_uuid_v7_at(now);
    assert_int_equal(hx_uuid_v7_ms(&last), now);
    for (int i = 0; i < 1000; i++) {
        struct hx_uuid next = hx_uuid_v7_at(now - i * 10);
        assert_true(hx_uuid_cmp(&last, &next) < 0);
        last = next;
    }
    assert_int_equal(hx_uuid_v7_ms(&last), now);
    struct hx_uuid next = hx_uuid_v7_at(now + 1);
    assert_true(hx_uuid_cmp(&last, &next) < 0);
    assert_int_equal(hx_uuid_v7_ms(&next), now + 1);
}

/* More ids than the counter holds, in one millisecond: the next one is borrowed. */
static void ascend_when_the_counter_is_used_up(void **s) {
    (void)s;
    int64_t now = hx_wall_us() / 1000 + 100000;
    struct hx_uuid first = hx_uuid_v7_at(now), last = first;
    for (int64_t i = 0; i < (INT64_C(1) << 20); i++) {
        struct hx_uuid next = hx_uuid_v7_at(now);
        if (hx_uuid_cmp(&last, &next) >= 0)
            fail_msg("id %lld", (long long)i);
        last = next;
        if (hx_uuid_v7_ms(&last) > now)
            break;
    }
    assert_int_equal(hx_uuid_v7_ms(&last), now + 1);
}

static void *make_ids(void *ids) {
    for (int i = 0; i < 10000; i++)
        ((struct hx_uuid *)ids)[i] = hx_uuid_v7();
    return NULL;
}

static int compare(const void *a, const void *b) {
    return hx_uuid_cmp(a, b);
}

static void threads_share_no_id(void **s) {
    (void)s;
    pthread_t threads[4];
    _cleanup_free_ struct hx_uuid *ids = hx_allocn(40000, sizeof(*ids));
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, make_ids, ids + i * 10000), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    qsort(ids, 40000, sizeof(*ids), compare);
    for (int i = 1; i < 40000; i++)
        assert_true(hx_uuid_cmp(&ids[i - 1], &ids[i]) < 0);
}

static void a_fork_draws_its_own(void **s) {
    (void)s;
    int fds[2];
    uint64_t theirs, ours;
    hx_random_u64();
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    if (pid == 0) {
        theirs = hx_random_u64();
        _exit(write(fds[1], &theirs, sizeof(theirs)) == sizeof(theirs) ? 0 : 1);
    }
    ours = hx_random_u64();
    assert_int_equal(read(fds[0], &theirs, sizeof(theirs)), sizeof(theirs));
    assert_true(ours != theirs);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    close(fds[0]);
    close(fds[1]);
}

static void v4_is_random(void **s) {
    (void)s;
    struct hx_uuid a = hx_uuid_v4(), b = hx_uuid_v4();
    assert_true(is_variant(&a, 4) && is_variant(&b, 4));
    assert_false(hx_uuid_eq(&a, &b));
    assert_int_equal(hx_uuid_v7_ms(&a), -1);
}

static void text_round_trip(void **s) {
    (void)s;
    /* The example of RFC 9562, appendix A.6. */
    const char *text = "017F22E2-79B0-7CC3-98C4-DC0C0C07398F";
    struct hx_uuid u;
    char out[HX_UUID_SIZE];
    assert_int_equal(hx_uuid_parse(text, &u), 0);
    hx_uuid_format(&u, out);
    assert_string_equal(out, "017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
    assert_int_equal(hx_uuid_v7_ms(&u), INT64_C(0x017F22E279B0));
}

static void refuses_other_texts(void **s) {
    (void)s;
    static const char *const bad[] = {
        "",
        "0",
        "017f22e2-79b0-7cc3-98c4-dc0c0c07398",
        "017f22e2-79b0-7cc3-98c4-dc0c0c07398ff",
        "017f22e279b07cc398c4dc0c0c07398f",
        "{017f22e2-79b0-7cc3-98c4-dc0c0c07398f}",
        "017f22e2-79b0-7cc3-98c4-dc0c0c07398g",
        "017f22e2_79b0-7cc3-98c4-dc0c0c07398f",
        "017f22e-279b0-7cc3-98c4-dc0c0c07398f",
        "017f22e2-79b0-7cc3-98c4-dc0c0c07398f ",
        " 17f22e2-79b0-7cc3-98c4-dc0c0c07398f",
    };
    struct hx_uuid u = { { 42 } };
    for (size_t i = 0; i < HX_ARRAY_LEN(bad); i++)
        if (hx_uuid_parse(bad[i], &u) != -EINVAL)
            fail_msg("taken: %s", bad[i]);
    assert_int_equal(hx_uuid_parse(NULL, &u), -EINVAL);
    assert_int_equal(u.b[0], 42);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_million_ascend),    cmocka_unit_test(ascend_though_the_clock_goes_back),
        cmocka_unit_test(threads_share_no_id), cmocka_unit_test(a_fork_draws_its_own),
        cmocka_unit_test(v4_is_random),        cmocka_unit_test(text_round_trip),
        cmocka_unit_test(refuses_other_texts), cmocka_unit_test(ascend_when_the_counter_is_used_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
