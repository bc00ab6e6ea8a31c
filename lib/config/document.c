/* docs/configuration.md, from the table. */
#include "lib/config/handler.h"
#include "lib/config/state.h"

#include <string.h>

static const char introduction[] =
    "# Configuration\n"
    "<!-- Made from lib/config/table.c: HX_WRITE_DOCS=1 with the unit test lib/config/test_document writes it. -->\n\n"
    "Every program reads `--config FILE`, else `$HEIMDEX_CONFIG`, else /etc/heimdex/heimdex.conf if it is there; then\n"
    "`handlers.d/*.conf` beside that file, in the order of their names, which hold `handlers` only; then the "
    "environment; then\n"
    "secrets. What comes later wins. `--check-config` checks all of it, `kafka.properties` by what librdkafka takes, "
    "and a "
    "daemon\n"
    "checks the same at its start. `--show-config` prints each value with where it came from; with `--json` as one "
    "document,\n"
    "`{\"worker.slots\":{\"value\":16,\"source\":\"default\"},…,\"handlers\":[{\"value\":{\"type\":…},\"source\":…},…]}"
    "`.\n\n"
    "The file has [libconfig's "
    "syntax](https://hyperrealm.github.io/libconfig/libconfig_manual.html#Configuration-Files), sections as\n"
    "groups; `@include \"FILE\"` at the start of a line is meant from the folder of the file it stands in:\n\n"
    "```\n"
    "worker = { slots = 32; lease = \"20s\"; };\n"
    "kafka = { brokers = \"kafka-1:9092,kafka-2:9092\"; };\n"
    "```\n\n"
    "Durations are \"250ms\" \"30s\" \"5m\" \"1h\" \"30d\", sizes \"64K\" \"16M\" \"1G\" or bytes; switches are \"on\" "
    "or \"off\". Numbers over 32\n"
    "bits end in L. An unknown key, a value of the wrong type and one out of range are errors, which name file, line "
    "and key.\n\n"
    "An empty environment variable counts as unset. `HEIMDEX_SECTION_KEY` wins over an old name, but the `PG*` "
    "variables win over\n"
    "everything except a secret file; all other variables of libpq work too. HEIMDEX_CONFIG, HEIMDEX_KAFKA_PORT "
    "and\n"
    "the names of the handler contract are no keys; any other unknown `HEIMDEX_*` gives a warning.\n\n"
    "## Keys\n"
    "| key | default | may be | environment | meaning |\n"
    "|---|---|---|---|---|\n";

static const char fixed_note[] =
    "\n\\* A reload (HUP) keeps the old value; a restart takes the new one. Everything else is reloaded.\n\n";

static const char secrets_head[] = "## Secrets\n"
                                   "A secret is looked for in `$CREDENTIALS_DIRECTORY/NAME` (systemd's "
                                   "LoadCredential), then in `/secrets/NAME/NAME`, white space\n"
                                   "around it dropped; then in the environment variable; then the file's value counts. "
                                   "Secrets are never printed or logged.\n\n"
                                   "| name | variable | sets |\n"
                                   "|---|---|---|\n";

static const char handlers_head[] =
    "\n## Handlers\n"
    "`handlers` is a list of groups, in the main file and in handlers.d; a type can have one entry over all files, "
    "with one of `exec`\n"
    "and `url`. `mock_process` is built in: its entry may set limits and the queue.\n\n"
    "```\n"
    "handlers = (\n"
    "  { type = \"thumbnail\"; exec = [\"/usr/lib/app/thumbnail\", \"--fast\"]; timeout = \"2m\"; concurrency = 4; },\n"
    "  { type = \"notify\"; url = \"http://127.0.0.1:9000/hook\"; secret_file = \"/etc/heimdex/hook.key\"; } );\n"
    "```\n\n"
    "| member | must be | meaning |\n"
    "|---|---|---|\n";

static void append_default(const struct hx_row *row, struct hx_buf *out) {
    if (row->fallback_note)
        hx_buf_puts(out, row->fallback_note);
    else if (row->type == HX_TYPE_LIST)
        hx_buf_puts(out, "[]");
    else if (!row->fallback)
        hx_buf_puts(out, "unset");
    else if (row->type == HX_TYPE_INT)
        hx_buf_puts(out, row->fallback);
    else
        hx_buf_printf(out, "\"%s\"", row->fallback);
}

static void append_row(enum hx_key key, struct hx_buf *out) {
    const struct hx_row *row = &hx_table[key];
    hx_buf_printf(out, "| %s%s | ", row->name, row->fixed ? "\\*" : "");
    append_default(row, out);
    hx_buf_puts(out, " | ");
    hx_table_expects(row, out);
    hx_buf_puts(out, " | ");
    hx_table_variable(key, out);
    if (row->old_name)
        hx_buf_printf(out, ", %s", row->old_name);
    hx_buf_printf(out, " | %s%s |\n", row->help, row->environment_only ? " Not in the file." : "");
}

static void append_secret(const struct hx_row *row, struct hx_buf *out) {
    hx_buf_printf(out, "| %s | ", row->secret_name);
    for (const char *p = row->secret_name; *p; p++)
        hx_buf_putc(out, *p == '-' ? '_' : (char)(*p >= 'a' && *p <= 'z' ? *p - 'a' + 'A' : *p));
    hx_buf_printf(out, " | %s%s |\n", row->name, row->type == HX_TYPE_LIST ? ": its property sasl.password" : "");
}

void hx_config_document(struct hx_buf *out) {
    hx_buf_puts(out, introduction);
    for (int key = 0; key < HX_KEYS; key++)
        append_row((enum hx_key)key, out);
    hx_buf_puts(out, fixed_note);
    hx_buf_puts(out, secrets_head);
    for (int key = 0; key < HX_KEYS; key++)
        if (hx_table[key].secret_name)
            append_secret(&hx_table[key], out);
    hx_buf_puts(out, handlers_head);
    hx_handler_document(out);
}
