/* Failure points: named places where a test build can be made to die, stop, wait or fail, so that a test can have a fault at every
 * arrow of the protocol. Without HX_FAILPOINTS they are nothing at all: no call, no string in the program.
 *
 *   HEIMDEX_FAIL=[PROGRAM/]NAME:ACTION[=VALUE][@N],…     armed points; @N: only the N-th time this process comes by
 *   HEIMDEX_FAIL_ONCE=PATH    each of them fires once over all processes: in the one that makes the file PATH.NAME.ACTION
 *   HEIMDEX_FAIL_LOG=PATH     each hit adds a line "PROGRAM PID NAME", with " ACTION" behind it when something was done
 *
 * kill: SIGKILL · abort: SIGABRT · exit=CODE: at once, without clean-up · freeze: SIGSTOP · delay=TIME: stands still for that
 * long · error: the caller takes its error path.
 *
 * A name is OBJECT.MOMENT, in lower case. Only for the thread that runs the loop. */
#pragma once

#include <stdbool.h>

#ifdef HX_FAILPOINTS

/* Reads the environment. 0, or HX_EXIT_CONFIG after a line on stderr. Programs call it first; otherwise the first hit does, and ends the
 * program with that code. */
int hx_fail_start(void);
/* Does what is armed at the point. True when the caller is to fail. */
bool hx_fail_hit(const char *name);
/* The same for OBJECT and MOMENT apart. Of an object with blanks and the like in its name, each becomes an underscore. */
bool hx_fail_hit_at(const char *object, const char *moment);
/* Something waits at the point, perhaps for a later time. For places that only a fault needs. */
bool hx_fail_armed_at(const char *object, const char *moment);

#define HX_FAIL(name) hx_fail_hit(name)              /* for `if`: the error path is the caller's */
#define HX_FAIL_HERE(name) ((void)hx_fail_hit(name)) /* where there is no error path */
#define HX_FAIL_AT(object, moment) hx_fail_hit_at(object, moment)
#define HX_FAIL_ARMED_AT(object, moment) hx_fail_armed_at(object, moment)

#else

static inline int hx_fail_start(void) {
    return 0;
}
#define HX_FAIL(name) false
#define HX_FAIL_HERE(name) ((void)0)
#define HX_FAIL_AT(object, moment) ((void)(object), false)
#define HX_FAIL_ARMED_AT(object, moment) ((void)(object), false)

#endif
