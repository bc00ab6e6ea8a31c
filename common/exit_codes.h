/* The contract of exit codes between our programs and whoever starts them: shells, systemd, the supervisor.
 * The numbers from 64 on are sysexits.h's. */
#pragma once

enum hx_exit {
    HX_EXIT_OK = 0,           /* done, or yes */
    HX_EXIT_NO = 1,           /* the answer is no: job failed, not ready, drift found, nothing matched */
    HX_EXIT_USAGE = 64,       /* the command line is wrong */
    HX_EXIT_DATA = 65,        /* the input data is wrong */
    HX_EXIT_UNAVAILABLE = 69, /* a dependency is away */
    HX_EXIT_SOFTWARE = 70,    /* a defect of ours */
    HX_EXIT_TRY_AGAIN = 75,   /* try again later */
    HX_EXIT_NOT_PERMITTED = 77,
    HX_EXIT_CONFIG = 78, /* configuration or schema: starting again doesn't help */
};
