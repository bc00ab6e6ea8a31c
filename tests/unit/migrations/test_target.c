#include "migrations/target.h"
#include "tests/unit/migrations/chain_support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

static struct hx_chain *chain; /* aa ab b c */

static int make_chain(void **s) {
    (void)s;
    static const char *const specs[] = { "aa -", "ab aa", "b ab", "c b" };
    struct hx_problems problems = { 0 };
    return build_chain(specs, 4, &chain, &problems);
}

static int free_chain(void **s) {
    (void)s;
    chain = hx_chain_free(chain);
    return 0;
}

static void targets(void **s) {
    (void)s;
    static const struct {
        const char *word;
        bool down;
        int result;
        bool relative;
        size_t number; /* position or steps */
    } cases[] = {
        { "head", false, 0, false, 4 },
        { "heads", false, 0, false, 4 },
        { "base", true, 0, false, 0 },
        { "ab", false, 0, false, 2 },
        { "ab", true, 0, false, 2 },
        { "+1", false, 0, true, 1 },
        { "+12", false, 0, true, 12 },
        { "-3", true, 0, true, 3 },
        { "a", false, -EINVAL, false, 0 }, /* two begin so */
        { "nope", false, -EINVAL, false, 0 },
        { "", false, -EINVAL, false, 0 },
        { "+0", false, -EINVAL, false, 0 },
        { "+", false, -EINVAL, false, 0 },
        { "++1", false, -EINVAL, false, 0 },
        { "+1x", false, -EINVAL, false, 0 },
        { "-1", false, -EINVAL, false, 0 }, /* the wrong way */
        { "+1", true, -EINVAL, false, 0 },
        { "-99999999999", true, -EINVAL, false, 0 },
        { "ab+1", false, 0, false, 3 },
        { "ab-1", true, 0, false, 1 },
        { "base+2", false, 0, false, 2 },
        { "head-1", true, 0, false, 3 },
        { "ab+3", false, -EINVAL, false, 0 },
        { "ab+", false, -EINVAL, false, 0 },
        { "nope+1", false, -EINVAL, false, 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct hx_target t = { .position = 77 };
        _cleanup_buf_ struct hx_buf why = { 0 };
        int r = hx_target_parse(chain, cases[i].down, cases[i].word, &t, &why);
        bool good = r == cases[i].result && (r == 0) == (why.len == 0);
        if (r == 0)
            good &= t.down == cases[i].down && t.relative == cases[i].relative &&
                    (t.relative ? t.steps : t.position) == cases[i].number;
        else
            good &= t.position == 77;
        if (!good)
            fail_msg("%s %s: %d", cases[i].down ? "downgrade" : "upgrade", cases[i].word, r);
    }
}

static void goals(void **s) {
    (void)s;
    static const struct {
        struct hx_target target;
        size_t position;
        int result;
        size_t goal;
    } cases[] = {
        { { .position = 4 }, 0, 0, 4 },
        { { .position = 4 }, 4, 0, 4 },
        { { .position = 2 }, 3, 0, 3 }, /* applied already */
        { { .relative = true, .steps = 2 }, 1, 0, 3 },
        { { .relative = true, .steps = 2 }, 2, 0, 4 },
        { { .relative = true, .steps = 2 }, 3, -EINVAL, 0 },
        { { .down = true, .position = 0 }, 4, 0, 0 },
        { { .down = true, .position = 0 }, 0, 0, 0 },
        { { .down = true, .position = 2 }, 2, 0, 2 },
        { { .down = true, .position = 3 }, 2, -EINVAL, 0 }, /* it isn't applied */
        { { .down = true, .relative = true, .steps = 4 }, 4, 0, 0 },
        { { .down = true, .relative = true, .steps = 4 }, 3, -EINVAL, 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t goal = 77;
        _cleanup_buf_ struct hx_buf why = { 0 };
        int r = hx_target_resolve(chain, &cases[i].target, cases[i].position, &goal, &why);
        if (r != cases[i].result || goal != (r == 0 ? cases[i].goal : 77) || (r == 0) != (why.len == 0))
            fail_msg("case %zu: %d, goal %zu", i, r, goal);
    }
}

static void ranges(void **s) {
    (void)s;
    static const struct {
        const char *word;
        bool down;
        int result;
        size_t from, to;
    } cases[] = {
        { "head", false, 0, 0, 4 },
        { "ab", false, 0, 0, 2 },
        { "+3", false, 0, 0, 3 },
        { "ab:head", false, 0, 2, 4 },
        { "ab:+1", false, 0, 2, 3 },
        { ":ab", false, 0, 0, 2 },
        { "base:ab", false, 0, 0, 2 },
        { "ab:ab", false, 0, 2, 2 },
        { "head:ab", false, -EINVAL, 0, 0 },
        { "head:base", true, 0, 4, 0 },
        { "head:-1", true, 0, 4, 3 },
        { "ab:head", true, -EINVAL, 0, 0 },
        { "ab", true, -EINVAL, 0, 0 },
        { "+1:head", false, -EINVAL, 0, 0 },
        { "ab:+3", false, -EINVAL, 0, 0 },
        { "nope:head", false, -EINVAL, 0, 0 },
        { "ab:", false, -EINVAL, 0, 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t from = 77, to = 77;
        _cleanup_buf_ struct hx_buf why = { 0 };
        int r = hx_range_parse(chain, cases[i].down, cases[i].word, &from, &to, &why);
        if (r != cases[i].result || (r == 0) != (why.len == 0) ||
            (r == 0 && (from != cases[i].from || to != cases[i].to)))
            fail_msg("%s %s: %d, %zu to %zu", cases[i].down ? "downgrade" : "upgrade", cases[i].word, r, from, to);
    }
}

static void messages(void **s) {
    (void)s;
    struct hx_target target = { .relative = true, .steps = 9 };
    size_t goal;
    _cleanup_buf_ struct hx_buf up = { 0 }, down = { 0 }, unknown = { 0 };
    hx_target_resolve(chain, &target, 3, &goal, &up);
    assert_string_equal(up.data, "+9: there is only 1 above where it starts");
    target.down = true;
    hx_target_resolve(chain, &target, 3, &goal, &down);
    assert_string_equal(down.data, "-9: there are only 3 below where it starts");
    hx_target_parse(chain, false, "nope", &target, &unknown);
    assert_string_equal(unknown.data, "nope: no such revision");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(targets),
        cmocka_unit_test(goals),
        cmocka_unit_test(ranges),
        cmocka_unit_test(messages),
    };
    return cmocka_run_group_tests(tests, make_chain, free_chain);
}
