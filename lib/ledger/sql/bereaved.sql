-- Workers of this host and instance that another run of the supervisor started: it is gone, and they with it.
-- $1 host $2 instance $3 this incarnation
select id from worker where host = $1::varchar and instance = $2::varchar and incarnation <> $3::uuid and not dead
