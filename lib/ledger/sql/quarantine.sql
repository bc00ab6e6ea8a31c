-- A record that is of no use is kept, and goes to the dead-letter topic; its partition moves on. Read again, it stays the one row.
-- $1 topic $2 partition $3 offset $4 reason $5 first 64 KB, hexadecimal $6 size
with kept as (
    insert into quarantine (topic, partition, "offset", reason, record, size)
    select x.topic, x.partition, x."offset", x.reason, x.record, x.size
      from (select $1::varchar, $2::int4, $3::int8, $4::text, decode($5::text, 'hex'), $6::int8) as x (topic, partition, "offset", reason, record, size)
     where not exists (select from quarantine q where q.topic = x.topic and q.partition = x.partition and q."offset" = x."offset" and q.record = x.record)
    returning id
)
insert into outbox (kind, ids, due) select 'quarantine', array[id], clock_timestamp() from kept
