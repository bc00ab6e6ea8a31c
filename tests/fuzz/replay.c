/* Feeds a fuzz target the files of its corpus: what a fuzzer once found stays found, by any compiler. */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>

extern int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((weak));

static int visible(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

/* From memory of exactly its size, so that a sanitizer sees the first byte too far. */
static void replay(const char *path) {
    FILE *file = fopen(path, "re");
    long size = file && fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;
    if (size < 0) {
        perror(path);
        exit(1);
    }
    rewind(file);
    uint8_t *data = malloc((size_t)size);
    must(fread(data, 1, (size_t)size, file) == (size_t)size);
    fclose(file);
    printf("%s\n", path); /* the one that crashes is the last one named */
    fflush(stdout);
    LLVMFuzzerTestOneInput(data, (size_t)size);
    free(data);
}

int main(int argc, char **argv) {
    struct dirent **entries = NULL;
    int n = argc == 2 ? scandir(argv[1], &entries, visible, alphasort) : -1;
    if (n <= 0) {
        fprintf(stderr, "usage: %s FOLDER (with at least one file in it)\n", argv[0]);
        return 1;
    }
    if (LLVMFuzzerInitialize)
        LLVMFuzzerInitialize(&argc, &argv);
    for (int i = 0; i < n; i++) {
        _cleanup_free_ char *path = hx_printf("%s/%s", argv[1], entries[i]->d_name);
        replay(path);
        free(entries[i]);
    }
    free(entries);
    return 0;
}
