-- Every delivery report of these announcements is in.
-- $1 ids
delete from outbox where id = any($1::int8[])
