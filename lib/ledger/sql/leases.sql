-- Whose lease counters are to be watched.
select id, lease, hostname, instance, slot from worker where not dead
