/* heimdex-submit: jobs into the ledger, and word of them to the workers. */
#include "producer/arguments.h"
#include "producer/feed.h"
#include "producer/single.h"

#include <signal.h>

/* A reader of our output that is gone is an error of write(2), and not our sudden end. */
static void ignore_sigpipe(void) {
    sigaction(SIGPIPE, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
}

int main(int argc, char **argv) {
    struct arguments arguments;
    ignore_sigpipe();
    int r = arguments_read(argc, argv, &arguments);
    if (r < 0)
        r = arguments.batch ? feed_run(&arguments) : single_run(&arguments);
    arguments_free(&arguments);
    return r;
}
