#include "tests/unit/lib/config/scratch.h"

#include <errno.h>

static void reads_all_types(void **s) {
    (void)s;
    _cleanup_config_ struct hx_config *c = load("# a comment\n"
                                                "service = { environment = \"production\"; };\n"
                                                "worker : { slots = 0x20; lease = \"20s\"; batch = 500L; };\n"
                                                "kafka = { foreign = true; partitions = 12;\n"
                                                "  properties = [ \"security.protocol=SASL_SSL\",\n"
                                                "                 \"x=y\" ]; };\n"
                                                "postgres = { port = \"5432,5433\"; host = \"a,\" \"b\"; };\n"
                                                "jobs = { max_payload = 65536; };\n"
                                                "scheduler = { retention = 0; };\n");
    assert_string_equal(hx_config_string(c, HX_SERVICE_ENVIRONMENT), "production");
    assert_int_equal(hx_config_int(c, HX_WORKER_SLOTS), 32);
    assert_int_equal(hx_config_int(c, HX_WORKER_LEASE), 20000);
    assert_int_equal(hx_config_int(c, HX_WORKER_BATCH), 500);
    assert_int_equal(hx_config_int(c, HX_KAFKA_FOREIGN), 1);
    assert_string_equal(hx_config_string(c, HX_POSTGRES_PORT), "5432,5433");
    assert_string_equal(hx_config_string(c, HX_POSTGRES_HOST), "a,b");
    assert_int_equal(hx_config_int(c, HX_JOBS_MAX_PAYLOAD), 65536);
    assert_int_equal(hx_config_int(c, HX_SCHEDULER_RETENTION), 0);
    size_t n;
    const char *const *list = hx_config_list(c, HX_KAFKA_PROPERTIES, &n);
    assert_int_equal(n, 2);
    assert_string_equal(list[1], "x=y");
}

static void wrong_keys(void **s) {
    (void)s;
    check_complaint("worker = { slots = 4;\n slotz = 4; };",
                    "/main.conf:2: worker.slotz: unknown key, did you mean worker.slots?");
    check_complaint("worker = { workers = 4; };",
                    "/main.conf:1: worker.workers: unknown key, did you mean supervisor.workers?");
    check_complaint("\n\nwroker = { };", "/main.conf:3: wroker: unknown section, did you mean worker?");
    check_complaint("handler = ( );", "/main.conf:1: handler: unknown section, did you mean handlers?");
    check_complaint("slots = 4;", "/main.conf:1: slots: unknown section, did you mean the key worker.slots?");
    check_complaint("worker = 5;", "/main.conf:1: Invalid worker (must be a group: worker = { … };)");
    check_complaint("redis = { url = \"redis://h\"; };",
                    "/main.conf:1: redis: unknown section, did you mean the key redis.url?");
    check_complaint("worker = { slots = 4; };\nworker = { slots = 5; };", "/main.conf:2: duplicate setting name");
    check_complaint("worker = { slots = 4;\n  slots = 5; };", "/main.conf:2: duplicate setting name");
    check_complaint("worker = {\n slots = ; };", "/main.conf:2: syntax error");
}

static void wrong_types(void **s) {
    (void)s;
    check_complaint("worker = { slots = \"4\"; };",
                    "/main.conf:1: Invalid worker.slots: the string \"4\" (must be an integer, 1-1024)");
    check_complaint("worker = {\nslots =\n4.0; };",
                    "/main.conf:2: Invalid worker.slots: 4 (must be an integer, 1-1024)");
    check_complaint("worker = { slots = 4.5; };",
                    "/main.conf:1: Invalid worker.slots: 4.5 (must be an integer, 1-1024)");
    check_complaint("worker = { slots = true; };",
                    "/main.conf:1: Invalid worker.slots: true (must be an integer, 1-1024)");
    check_complaint("worker = { slots = [ 4 ]; };",
                    "/main.conf:1: Invalid worker.slots: a list (must be an integer, 1-1024)");
    check_complaint("worker = { slots = { }; };",
                    "/main.conf:1: Invalid worker.slots: a group (must be an integer, 1-1024)");
    check_complaint("worker = { lease = 1.5; };",
                    "/main.conf:1: Invalid worker.lease: 1.5 (must be a duration such as \"30s\", 1s to 1h)");
    check_complaint("worker = { lease = 15; };",
                    "/main.conf:1: Invalid worker.lease: 15 (must be a duration such as \"30s\", 1s to 1h)");
    check_complaint("service = { version = 2; };",
                    "/main.conf:1: Invalid service.version: 2 (must be a string of 1-100 bytes)");
    check_complaint("kafka = { foreign = 1; };", "/main.conf:1: Invalid kafka.foreign: 1 (must be on or off)");
    check_complaint("kafka = { properties = \"a=b\"; };",
                    "/main.conf:1: Invalid kafka.properties: the string \"a=b\" (must be a list of strings)");
    check_complaint("kafka = { properties = ( \"a=b\", 5 ); };",
                    "/main.conf:1: Invalid kafka.properties: 5 (must be a list of strings)");
    check_complaint("log = { level = 3; };",
                    "/main.conf:1: Invalid log.level: 3 (must be a string, error, warning, notice, info or debug)");
    check_complaint("postgres = { password = 12345; };",
                    "/main.conf:1: postgres.password: Invalid PostgreSQL password: *** (must be a string)");
}

static void wrong_values(void **s) {
    (void)s;
    check_complaint("postgres = {\n port = 99999; };",
                    "/main.conf:2: postgres.port: Invalid PostgreSQL port: 99999 (must be 1-65535)");
    check_complaint("worker = { slots = 5000000000L; };",
                    "/main.conf:1: Invalid worker.slots: 5000000000 (must be 1-1024)");
    check_complaint("worker = { slots = 5000000000; };",
                    "/main.conf:1: Invalid worker.slots: 5000000000 (must be a number of 32 bits, or of 64 bits with L "
                    "behind it)");
    check_complaint("jobs = { max_payload = -1; };",
                    "/main.conf:1: Invalid jobs.max_payload: -1 (must be a size such as \"64K\", 2 to 128M)");
}

static void included_lines(void **s) {
    (void)s;
    put("conf.d/worker.conf", "worker = {\n  slots = 3;\n  leese = \"5s\"; };\n");
    check_complaint("@include \"conf.d/worker.conf\"\n",
                    "/conf.d/worker.conf:3: worker.leese: unknown key, did you mean worker.lease?");
    put("conf.d/worker.conf", "slots = 3;\nlease = \"5s\";\n");
    _cleanup_config_ struct hx_config *c = load("worker = {\n@include \"conf.d/worker.conf\"\nbatch = 7; };");
    assert_int_equal(hx_config_int(c, HX_WORKER_SLOTS), 3);
    assert_int_equal(hx_config_int(c, HX_WORKER_BATCH), 7);
    assert_string_equal(c->values[HX_WORKER_LEASE].where + strlen(scratch), "/conf.d/worker.conf:2");
    assert_string_equal(c->values[HX_WORKER_BATCH].where + strlen(scratch), "/main.conf:3");
}

static void handlers_d_is_no_folder(void **s) {
    (void)s;
    put("handlers.d", "handlers = ( { type = \"b\"; exec = [\"/b\"]; } );");
    put("main.conf", "");
    assert_string_equal(complaint_of(in_scratch("main.conf"), -ENOTDIR), "/handlers.d: Not a directory");
}

static void handlers_d(void **s) {
    (void)s;
    put("handlers.d/20-b.conf", "handlers = ( { type = \"b\"; exec = [\"/b\"]; } );");
    put("handlers.d/10-c.conf", "handlers = ( { type = \"c\"; exec = [\"/c\"]; } );");
    put("handlers.d/ignored.txt", "nonsense");
    put("handlers.d/.hidden.conf", "nonsense");
    _cleanup_config_ struct hx_config *c = load("handlers = ( { type = \"z\"; exec = [\"/z\"]; } );");
    size_t n;
    const struct hx_handler_config *handlers = hx_config_handlers(c, &n);
    assert_int_equal(n, 3);
    assert_string_equal(handlers[0].type, "z");
    assert_string_equal(handlers[1].type, "c");
    assert_string_equal(handlers[2].type, "b");
    put("handlers.d/30.conf", "\nworker = { slots = 3; };");
    check_complaint("", "/handlers.d/30.conf:2: worker: files in handlers.d hold `handlers` only");
    put("handlers.d/30.conf", "handlers = ( { type = \"b\"; exec = [\"/b\"]; } );");
    check_complaint("", "/handlers.d/30.conf:1: handler b: the type has a handler already, at /handlers.d/20-b.conf:1");
    put("handlers.d/30.conf", "handlers = (");
    check_complaint("", "/handlers.d/30.conf:1: syntax error");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        scratch_test(reads_all_types),
        scratch_test(wrong_keys),
        scratch_test(wrong_types),
        scratch_test(wrong_values),
        scratch_test(included_lines),
        scratch_test(handlers_d),
        scratch_test(handlers_d_is_no_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
