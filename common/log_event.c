#include "common/log_event.h"

#include "common/text.h"

const struct hx_log_event hx_log_events[] = {
    { "starting", "048e96b21fe24b898b01830e22f2f9ef", "A program of the fleet is starting" },
    { "ready", "df6d9212303d469bae7c00c16c370e7c", "The fleet can run jobs" },
    { "stopping", "f00aa3c561e24080a850ee08c9e7d492", "The fleet is stopping" },
    { "stopped", "c8421341d5c244e09f500f57be3b1667", "The fleet has stopped" },
    { "reload", "8aeabf3641ea41558352a9986c1bf7d6", "The configuration is read again" },
    { "reload.refused", "c6e7acbc1b374d96afe0ac525616fb88", "A new configuration was refused" },
    { "configuration.refused", "9ee132984c814e308c82ba551b72d0cd", "The fleet can't work with its configuration" },
    { "schema.refused", "500084ac8f1443589ca972a74fbea694", "The schema of the database is not this version's" },
    { "child.died", "443e6f58eba74068ab76796991e0e8d7", "A process of the fleet has ended" },
    { "child.not_started", "454837cc3e804d44900d8eb1af133fd0", "A process of the fleet can't be started" },
    { "child.stuck", "9c9ef07811c54c23a52508584f297350", "A process of the fleet stands still" },
    { "child.crash_loop", "8cb8817735bc48719b3867a587cdedbb", "A process of the fleet dies again and again" },
    { "supervisor.died", "bd20f52c8f9e4122a2fd98f7d4cc0e89", "The supervisor was killed" },
    { "supervisor.still", "bd892b31a36f40af942a272357b6a4f3", "The supervisor stands still" },
    { "guard.died", "a32bc918c0cb4cadac76699dff4f7a50", "The guard of the fleet has ended" },
    { "leftovers.ended", "3a2283882f6e410e9fca4fef9e57e214", "Handlers of an earlier run were ended" },
    { "processes.left", "8c21106732da4a5db3e7c3a322a75805", "Processes of dead workers can't be ended" },
    { "jobs.unsettled", "e8b8e361e13440278f4fa97db4ccc7ca", "Jobs of dead workers were left to the next start" },
    { "signal.ignored", "dcd72989a5a4402e9f4428f6b85ff541", "A handler sent a signal to the fleet" },
    { "cgroups", "830dd85255c04ad2a5897b191ab8d8fa",
      "Handlers do without control groups, or without limits of theirs" },
    { "handler.unserved", "06ea49469a8a48f0916fb1930130222b", "A handler's entry asks for what isn't done here" },
    { "credentials.readable", "43ad7011f4be47719c496756b21aa98f", "Handlers can read this service's credentials" },
    { "running.as_root", "a49eed195380416294adae4ddab101e5", "The fleet runs as root" },
    { "postgres.lost", "db314f2ee6024f56a6d121a8c6569aab", "Waiting for PostgreSQL" },
    { "postgres.back", "00485061f4514b6ab9d4f07de66cabaf", "PostgreSQL answers again" },
    { "kafka.error", "0d457bfcd3fb497a92d7671b83bb80ac", "Waiting for Kafka" },
    { "topics.failed", "6f8713e45201428c9f287196a2f3ee60", "Topics can't be made" },
    { "task.failed", "3e00df68bb6045aab6f4d37df9a0902f", "A part of the scheduler's work fails" },
    { "lease.lapsed", "a4c47c8b13c34245b04968b1f95ac02e", "A worker can't show that it lives" },
    { "lease.renewed", "6781c2b77339447eb7a26738aee01dbc", "A worker can show again that it lives" },
    { "worker.disowned", "58f0352ea10e4274baaf7655cba472c0", "A worker was declared dead while it lived" },
    { "worker.reaped", "e08989003acd4b8491b93c1304b552b9", "A dead worker's jobs were released" },
    { "drain.started", "2bfe1b6858c844aab4b98c241d846411", "A worker takes no more jobs" },
    { "drain.timeout", "6b29678a8bab4ebeb16a139f0b58abf0", "Jobs still ran when the time to drain was over" },
    { "drain.unwritten", "58c8bfc02eb642a6891bdfa663834921", "What jobs came to could not be written in time" },
    { "drain.ended", "cb5c61322e3b4107a99c64a53c21ebb8", "A worker has ended all that it ran" },
    { "job.dead_letter", "6f6ebdc1d5954419ab05c42a0daf8b68", "A job is a dead letter" },
    { "job.not_started", "cad399f7307d4809988c9f9a733bffb2", "A handler can't be started" },
    { "job.alone", "9c2f4e3b7a77416c8faa1d95575a35b1", "A job that takes workers down runs alone" },
    { "job.stale", "ff2dcdc2c19c49059d8b6a703af77a6c", "A run ended that was no longer its job's" },
    { "job.unwritable", "42f5bc40da1e45f8b98e85a99bd08762", "The database refuses what a job came to" },
    { "record.quarantined", "fb7e8668f9ad45c8ae319800d080dbd4", "A record of a jobs topic is of no use" },
    { "log.dropped", "b068ee6fce8040ecb90925f8b600fa13", "Lines of the log were dropped" },
};
const size_t hx_log_event_count = HX_ARRAY_LEN(hx_log_events);

const struct hx_log_event *hx_log_event_find(const char *name) {
    for (size_t i = 0; i < HX_ARRAY_LEN(hx_log_events); i++)
        if (hx_streq(hx_log_events[i].name, name))
            return &hx_log_events[i];
    return NULL;
}
