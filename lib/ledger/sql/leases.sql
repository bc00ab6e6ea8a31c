-- Whose lease counters are to be watched.
select id, lease, hostname, instance, slot, lease_ms from worker where not dead
