#include "lib/kafka/producer.h"

#include "lib/kafka/options.h"
#include "tests/unit/lib/kafka/mock.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/resource.h>

struct fixture {
    struct mock mock;
    struct hx_producer *p;
    int ok, failed;
    struct hx_kafka_error error;
    char users[64]; /* what came back with the reports, in order */
};

static bool late;

/* The thread that ends a client is waited for by this. */
int pthread_clockjoin_np(pthread_t thread, void **value, clockid_t clock, const struct timespec *until) {
    int (*real)(pthread_t, void **, clockid_t, const struct timespec *) = dlsym(RTLD_NEXT, "pthread_clockjoin_np");
    return late ? ETIMEDOUT : real(thread, value, clock, until);
}

static int setup(void **state) {
    struct fixture *f = hx_alloc(sizeof(*f));
    mock_open(&f->mock, true);
    mock_topic(&f->mock, "t", 4);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    assert_null(hx_producer_free(f->p, 0));
    mock_close(&f->mock);
    free(f);
    return 0;
}

static void on_delivery(bool ok, const struct hx_kafka_error *error, void *record_user, void *user) {
    struct fixture *f = user;
    if (record_user)
        f->users[strlen(f->users)] = *(const char *)record_user;
    if (ok) {
        assert_null(error);
        f->ok++;
    } else {
        f->failed++;
        f->error = *error;
    }
}

static void open_producer(struct fixture *f, const char *property) {
    struct hx_kafka_options options = mock_options(&f->mock);
    options.properties = &property;
    options.property_count = property ? 1 : 0;
    assert_int_equal(hx_producer_new(f->mock.loop, &options, on_delivery, f, &f->p, NULL), 0);
}

static void records_are_reported_when_the_broker_has_them(void **state) {
    struct fixture *f = *state;
    open_producer(f, NULL);
    assert_int_equal(hx_producer_last_ok_ms(f->p), 0);
    char data[] = "abc";
    for (int i = 0; i < 3; i++)
        assert_int_equal(hx_producer_send(f->p, "t", "one key", data, 3, &"123"[i], NULL), 0);
    memset(data, 'x', 3); /* it was copied */
    assert_int_equal(hx_producer_pending(f->p), 3);
    assert_int_equal(f->ok, 0); /* never from within send */
    until(&f->mock, f->ok == 3);
    assert_int_equal(hx_producer_pending(f->p), 0);
    assert_string_equal(f->users, "123"); /* one key, one partition, in order */
    assert_in_range(hx_mono_ms() - hx_producer_last_ok_ms(f->p), 0, DEADLINE_MS);
}

static void a_topic_looked_up_ahead_takes_the_first_record_at_once(void **state) {
    static const char *const topics[] = { "t0", "t1", "t2", "t3" };
    struct fixture *f = *state;
    int64_t fastest = INT64_MAX; /* a machine that has no time for us has none each time */
    open_producer(f, NULL);
    for (int i = 0; i < (int)HX_ARRAY_LEN(topics) && fastest >= 800; i++) {
        mock_topic(&f->mock, topics[i], 4);
        hx_producer_topic(f->p, topics[i]);
        run_for(&f->mock, 300); /* a program that has other things to do */
        int64_t start = hx_mono_ms();
        assert_int_equal(hx_producer_send(f->p, topics[i], NULL, "a", 1, NULL, NULL), 0);
        until(&f->mock, f->ok == i + 1);
        fastest = HX_MIN(fastest, hx_mono_ms() - start);
    }
    assert_in_range(fastest, 0, 799); /* else it is a whole second */
}

static void records_are_spread_over_the_partitions(void **state) {
    struct fixture *f = *state;
    open_producer(f, NULL);
    for (int i = 0; i < 64; i++)
        assert_int_equal(hx_producer_send(f->p, "t", NULL, "a", 1, NULL, NULL), 0);
    until(&f->mock, f->ok == 64);
    for (int32_t i = 0; i < 4; i++) {
        int64_t low, high;
        assert_int_equal(rd_kafka_query_watermark_offsets(f->mock.rk, "t", i, &low, &high, DEADLINE_MS), 0);
        assert_in_range(high, 1, 63);
    }
}

/* How many records each partition has, at most 9 of each, as digits. */
static void count(struct fixture *f, char ret[5]) {
    for (int32_t i = 0; i < 4; i++) {
        int64_t low, high;
        assert_int_equal(rd_kafka_query_watermark_offsets(f->mock.rk, "t", i, &low, &high, DEADLINE_MS), 0);
        ret[i] = (char)('0' + high);
    }
    ret[4] = '\0';
}

static void records_go_round_or_stay_together(void **state) {
    struct fixture *f = *state;
    open_producer(f, NULL);
    assert_int_equal(hx_producer_send(f->p, "t", "a key", "a", 1, NULL, NULL), 0); /* now it knows the partitions */
    until(&f->mock, f->ok == 1);
    char first[5], then[5];
    count(f, first);
    for (int i = 0; i < 4; i++)
        assert_int_equal(hx_producer_send(f->p, "t", NULL, "a", 1, NULL, NULL), 0);
    until(&f->mock, f->ok == 5);
    count(f, then);
    for (int i = 0; i < 4; i++)
        assert_int_equal(then[i], first[i] + 1);
    for (int i = 0; i < 7; i++) {
        assert_int_equal(hx_producer_send(f->p, "t", NULL, "a", 1, NULL, NULL), 0);
        hx_producer_stay(f->p, true);
    }
    until(&f->mock, f->ok == 12);
    count(f, first);
    int grown = 0;
    for (int i = 0; i < 4; i++) {
        assert_true(first[i] == then[i] || first[i] == then[i] + 7);
        grown += first[i] != then[i];
    }
    assert_int_equal(grown, 1);
}

/* One has no leader: its turns are the next ones'. */
static void a_partition_without_a_leader_is_passed_over(void **state) {
    enum { LEADERLESS = 3 }; /* not that of the key */
    struct fixture *f = *state;
    assert_int_equal(rd_kafka_mock_partition_set_leader(f->mock.cluster, "t", LEADERLESS, -1), 0);
    open_producer(f, NULL);
    assert_int_equal(hx_producer_send(f->p, "t", "a key", "a", 1, NULL, NULL), 0); /* now it knows the partitions */
    until(&f->mock, f->ok == 1);
    for (int i = 0; i < 8; i++)
        assert_int_equal(hx_producer_send(f->p, "t", NULL, "a", 1, NULL, NULL), 0);
    until(&f->mock, f->ok + f->failed == 9);
    assert_int_equal(f->failed, 0);
}

static void a_record_fails_while_the_broker_is_away(void **state) {
    struct fixture *f = *state;
    open_producer(f, "message.timeout.ms=700");
    for (int tries = 0; f->ok < 1 && tries < 20; tries++) { /* a machine that has no time for us has none for 700 ms */
        int before = f->failed;
        assert_int_equal(hx_producer_send(f->p, "t", NULL, "a", 1, "g", NULL), 0);
        until(&f->mock, f->ok + f->failed > before);
    }
    assert_int_equal(f->ok, 1);
    assert_int_equal(strspn(f->users, "g"), f->failed + 1);
    f->failed = 0;
    f->users[1] = '\0';
    int64_t last = hx_producer_last_ok_ms(f->p);
    mock_down(&f->mock);
    assert_int_equal(hx_producer_send(f->p, "t", NULL, "b", 1, "b", NULL), 0);
    until(&f->mock, f->failed == 1);
    assert_int_not_equal(f->error.code, 0);
    assert_string_equal(f->error.message, rd_kafka_err2str(f->error.code)); /* and not the payload */
    assert_int_equal(hx_producer_pending(f->p), 0);
    assert_int_equal(hx_producer_last_ok_ms(f->p), last);
    mock_up(&f->mock);
    for (int tries = 0; f->ok < 2 && tries < 20; tries++) { /* until the connection is back */
        int before = f->ok + f->failed;
        assert_int_equal(hx_producer_send(f->p, "t", NULL, "c", 1, NULL, NULL), 0);
        until(&f->mock, f->ok + f->failed > before);
    }
    assert_int_equal(f->ok, 2);
    assert_string_equal(f->users, "gb");
}

static void a_record_waits_for_a_broker_that_comes_back(void **state) {
    struct fixture *f = *state;
    open_producer(f, NULL);
    mock_down(&f->mock);
    assert_int_equal(hx_producer_send(f->p, "t", NULL, "a", 1, NULL, NULL), 0);
    run_for(&f->mock, 500);
    assert_int_equal(f->ok + f->failed, 0);
    mock_up(&f->mock);
    until(&f->mock, f->ok == 1);
}

static void a_full_queue_and_a_big_record_are_told(void **state) {
    struct fixture *f = *state;
    open_producer(f, "queue.buffering.max.messages=1");
    mock_down(&f->mock);
    struct hx_kafka_error error = { 0 };
    char endless[1000];
    memset(endless, 't', sizeof(endless));
    endless[sizeof(endless) - 1] = '\0';
    assert_int_equal(hx_producer_send(f->p, endless, NULL, "a", 1, NULL, &error), -EIO);
    assert_int_not_equal(error.code, 0);
    assert_int_equal(hx_producer_send(f->p, "t", NULL, "a", 1, NULL, &error), 0);
    assert_int_equal(hx_producer_send(f->p, "t", NULL, "b", 1, NULL, &error), -EAGAIN);
    assert_int_equal(error.code, RD_KAFKA_RESP_ERR__QUEUE_FULL);
    assert_int_equal(hx_producer_pending(f->p), 1);
    char *big = hx_alloc(2000000);
    assert_int_equal(hx_producer_send(f->p, "t", NULL, big, 2000000, NULL, &error), -EMSGSIZE);
    free(big);
    mock_up(&f->mock);
    until(&f->mock, f->ok == 1);
    assert_int_equal(hx_producer_send(f->p, "t", NULL, "b", 1, NULL, &error), 0);
}

static void the_end_waits_for_what_is_under_way(void **state) {
    struct fixture *f = *state;
    open_producer(f, NULL);
    for (int i = 0; i < 10; i++)
        assert_int_equal(hx_producer_send(f->p, "t", NULL, "a", 1, NULL, NULL), 0);
    f->p = hx_producer_free(f->p, DEADLINE_MS);
    assert_int_equal(f->ok, 10);
}

/* librdkafka may want longer than it has: what it still looks at stays, which is no leak (seen by the sanitizers' build). */
static void one_that_does_not_end_in_time_is_kept(void **state) {
    struct fixture *f = *state;
    open_producer(f, NULL);
    hx_producer_topic(f->p, "t");
    late = true;
    f->p = hx_producer_free(f->p, 0);
    late = false;
}

static void the_end_comes_in_time_without_a_broker(void **state) {
    struct fixture *f = *state;
    open_producer(f, NULL);
    assert_int_equal(hx_producer_send(f->p, "t", NULL, "a", 1, NULL, NULL), 0);
    until(&f->mock, f->ok == 1);
    mock_freeze(&f->mock);
    for (int i = 0; i < 10; i++)
        assert_int_equal(hx_producer_send(f->p, "t", NULL, "a", 1, NULL, NULL), 0);
    int64_t start = hx_mono_ms();
    f->p = hx_producer_free(f->p, 300);
    assert_in_range(hx_mono_ms() - start, 250, DEADLINE_MS);
    assert_int_equal(f->ok, 1);
    assert_int_equal(f->failed, 0); /* the caller was told that these get no callback */
}

static void a_bad_property_is_named(void **state) {
    struct fixture *f = *state;
    const char *property = "linger.ms=long";
    struct hx_kafka_options options = { .brokers = NOBODY, .properties = &property, .property_count = 1 };
    struct hx_kafka_error error = { 0 };
    assert_int_equal(hx_producer_new(f->mock.loop, &options, on_delivery, f, &f->p, &error), -EINVAL);
    assert_non_null(strstr(error.message, "linger.ms"));
    assert_null(f->p);
}

static void no_descriptor_is_told_as_such(void **state) {
    struct fixture *f = *state;
    struct hx_kafka_options options = { .brokers = NOBODY };
    struct hx_kafka_error error = { 0 };
    struct rlimit old, none;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    none = (struct rlimit){ .rlim_cur = 3, .rlim_max = old.rlim_max };
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    int r = hx_producer_new(f->mock.loop, &options, on_delivery, f, &f->p, &error);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_int_equal(r, -EMFILE);
    assert_string_equal(error.message, strerror(EMFILE));
    assert_string_equal(hx_kafka_culprit(r), "Kafka client");
    assert_string_equal(hx_kafka_culprit(-EINVAL), "kafka.properties");
    assert_null(f->p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_that_does_not_end_in_time_is_kept, setup,
                                        teardown), /* its threads end while the others run */
        cmocka_unit_test_setup_teardown(records_are_reported_when_the_broker_has_them, setup, teardown),
        cmocka_unit_test_setup_teardown(a_topic_looked_up_ahead_takes_the_first_record_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(records_are_spread_over_the_partitions, setup, teardown),
        cmocka_unit_test_setup_teardown(records_go_round_or_stay_together, setup, teardown),
        cmocka_unit_test_setup_teardown(a_partition_without_a_leader_is_passed_over, setup, teardown),
        cmocka_unit_test_setup_teardown(a_record_fails_while_the_broker_is_away, setup, teardown),
        cmocka_unit_test_setup_teardown(a_record_waits_for_a_broker_that_comes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_queue_and_a_big_record_are_told, setup, teardown),
        cmocka_unit_test_setup_teardown(the_end_waits_for_what_is_under_way, setup, teardown),
        cmocka_unit_test_setup_teardown(the_end_comes_in_time_without_a_broker, setup, teardown),
        cmocka_unit_test_setup_teardown(a_bad_property_is_named, setup, teardown),
        cmocka_unit_test_setup_teardown(no_descriptor_is_told_as_such, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
