/* A name is looked up beside the loop, and a lookup can be let go of at any time. */
#include "tests/unit/lib/pg/live.h"

#include "lib/pg/pg_internal.h"
#include "tests/unit/lib/pg/fake_names.h"

#include <errno.h>
#include <sys/resource.h>

struct asker {
    struct hx_loop *loop;
    struct pg_lookup *lookup;
    unsigned answers;
    bool frees;
};

static void answered(void *user) {
    struct asker *a = user;
    a->answers++;
    if (a->frees)
        a->lookup = pg_lookup_free(a->lookup);
}

static void ask(struct asker *a, const char *name) {
    fake_names_start(true);
    *a = (struct asker){ 0 };
    assert_int_equal(hx_loop_new(&a->loop), 0);
    assert_int_equal(pg_lookup_new(a->loop, name, answered, a, &a->lookup), 0);
}

static void end(struct asker *a) {
    a->lookup = pg_lookup_free(a->lookup);
    fake_names_end();
    a->loop = hx_loop_free(a->loop);
}

static void it_has_all_addresses(void **state) {
    (void)state;
    struct asker a;
    ask(&a, "two");
    LIVE_UNTIL(&a, a.answers);
    assert_true(pg_lookup_done(a.lookup));
    assert_null(pg_lookup_why(a.lookup));
    const struct addrinfo *found = pg_lookup_found(a.lookup);
    assert_int_equal(found->ai_family, AF_INET6);
    assert_int_equal(found->ai_next->ai_family, AF_INET);
    assert_int_equal(a.answers, 1);
    end(&a);
}

static void it_says_why_there_is_none(void **state) {
    (void)state;
    struct asker a;
    ask(&a, "nobody");
    LIVE_UNTIL(&a, a.answers);
    assert_null(pg_lookup_found(a.lookup));
    assert_string_equal(pg_lookup_why(a.lookup), "Name or service not known");
    end(&a);
}

static void the_loop_turns_meanwhile_and_keeps_its_signals(void **state) {
    (void)state;
    struct asker a;
    ask(&a, "slow");
    LIVE_UNTIL(&a, fake_asked);
    assert_false(pg_lookup_done(a.lookup));
    assert_null(pg_lookup_found(a.lookup));
    assert_null(pg_lookup_why(a.lookup));
    fake_names_mute(false);
    LIVE_UNTIL(&a, a.answers);
    assert_non_null(pg_lookup_found(a.lookup));
    assert_int_equal(fake_in_loop, 0);
    assert_int_equal(fake_signals_open, 0);
    end(&a);
}

static void one_that_is_given_up_ends_by_itself(void **state) {
    (void)state;
    struct asker a;
    for (int early = 0; early < 2; early++) {
        ask(&a, "slow");
        if (!early)
            LIVE_UNTIL(&a, fake_asked);
        a.lookup = pg_lookup_free(a.lookup);
        fake_names_mute(false);
        LIVE_UNTIL(&a, fake_answered);
        assert_int_equal(a.answers, 0);
        end(&a);
    }
}

static void an_answer_may_be_thrown_away_unread_or_at_once(void **state) {
    (void)state;
    struct asker a;
    ask(&a, "two");
    while (!fake_answered)
        sched_yield();
    end(&a);
    assert_int_equal(a.answers, 0);

    ask(&a, "two");
    a.frees = true;
    LIVE_UNTIL(&a, a.answers);
    assert_null(a.lookup);
    end(&a);
}

static void without_a_descriptor_it_says_so(void **state) {
    (void)state;
    struct hx_loop *loop;
    struct pg_lookup *lookup;
    struct rlimit before, none;
    assert_int_equal(hx_loop_new(&loop), 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){ 0, before.rlim_max };
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    int r = pg_lookup_new(loop, "two", answered, NULL, &lookup);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(r, -EMFILE);
    hx_loop_free(loop);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_has_all_addresses),
        cmocka_unit_test(it_says_why_there_is_none),
        cmocka_unit_test(the_loop_turns_meanwhile_and_keeps_its_signals),
        cmocka_unit_test(one_that_is_given_up_ends_by_itself),
        cmocka_unit_test(an_answer_may_be_thrown_away_unread_or_at_once),
        cmocka_unit_test(without_a_descriptor_it_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
