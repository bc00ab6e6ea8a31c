-- Workers of this host and instance that another run of the supervisor started: it is gone, and they with it, because one supervisor at
-- a time has an instance (supervisor/instance.h). The host name is asked for, too: containers that share a machine id can't see each
-- other's supervisors, and theirs are left to their leases.
-- $1 host $2 hostname $3 instance $4 this incarnation
select id from worker
 where host = $1::varchar and hostname = $2::varchar and instance = $3::varchar and incarnation <> $4::uuid and not dead
