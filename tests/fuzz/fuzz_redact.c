/* Redaction: a remembered secret never gets through wherever it stands, and a value never does behind a name that says it is one. */
#include "common/redact.h"

#include "tests/fuzz/fuzz.h"

/* No word of them can be put together from what is left of other text: '*' stands between. */
static const char *const remembered[] = { "s3cr/t@value", "s3cr/t@value-longer", "two words", "quo\"te&d" };
#define PLANTED "Zq7planted9x"

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc, (void)argv;
    for (size_t i = 0; i < HX_ARRAY_LEN(remembered); i++)
        hx_redact_secret(remembered[i]);
    return 0;
}

static void check_remembered(unsigned choice, const char *before, const char *behind) {
    _cleanup_free_ char *text = hx_printf("%s%s%s", before, remembered[choice % HX_ARRAY_LEN(remembered)], behind);
    _cleanup_free_ char *out = hx_redacted(text);
    for (size_t i = 0; i < HX_ARRAY_LEN(remembered); i++)
        must(!strstr(out, remembered[i]));
}

/* Whether an ordinary word behind this text would be shown: then it has left no quote or bracket of a secret open. */
static bool shows_what_follows(const char *before) {
    _cleanup_free_ char *text = hx_printf("%s ordinary", before);
    _cleanup_free_ char *out = hx_redacted(text);
    size_t n = strlen(out);
    return n >= 9 && hx_streq(out + n - 9, " ordinary");
}

/* In one of the places that redact.h promises. */
static void check_planted(unsigned choice, const char *before, const char *behind) {
    static const char *const places[] = {
        " password=" PLANTED " ",
        " password = " PLANTED " ",
        " sasl.password='" PLANTED "' ",
        " PGPASSWORD=\"" PLANTED "\" ",
        " api_key='a \\' " PLANTED "' ",
        " {\"token\":\"" PLANTED "\"} ",
        " {\"client_secret\" : \"a\\\" " PLANTED "\"} ",
        " {\"token\": " PLANTED "} ",
        " http://u:" PLANTED "@host/ ",
        " redis://:" PLANTED "@ss@host/0 ",
        " http://h/?a=b&access_token=" PLANTED "&page=2 ",
        " {\"secrets\":[\"a\",\"" PLANTED "\"]} ",
        " \"{\\\"password\\\":\\\"" PLANTED "\\\"}\" ",
        " \"password=\\\"" PLANTED "\\\"\" ",
    };
    _cleanup_free_ char *text = hx_printf("%s%s%s", before, places[choice % HX_ARRAY_LEN(places)], behind);
    _cleanup_free_ char *out = hx_redacted(text);
    if (strstr(out, PLANTED))
        fprintf(stderr, "%s\nbecame\n%s\n", text, out);
    must(!strstr(out, PLANTED));
}

/* The input: a byte that chooses, and the text around what is to be hidden. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    unsigned choice = fuzz_byte(&data, &size);
    _cleanup_free_ char *text = fuzz_text(data, size);
    if (strstr(text, PLANTED))
        return 0;
    size_t half = strlen(text) / 2;
    _cleanup_free_ char *before = hx_strndup(text, half);
    _cleanup_free_ char *out = hx_redacted(text);
    must(hx_utf8_valid(text, strlen(text)) <= hx_utf8_valid(out, strlen(out)));
    check_remembered(choice, before, text + half);
    if (shows_what_follows(before))
        check_planted(choice, before, text + half);
    return 0;
}
