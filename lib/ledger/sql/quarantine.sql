-- An unreadable record is kept, and goes to the dead-letter topic; its partition moves on.
-- $1 topic $2 partition $3 offset $4 reason $5 first 64 KB, hexadecimal $6 size
with kept as (
    insert into quarantine (topic, partition, "offset", reason, record, size)
    values ($1::varchar, $2::int4, $3::int8, $4::text, decode($5::text, 'hex'), $6::int8)
    returning id
)
insert into outbox (kind, ids, due) select 'quarantine', array[id], clock_timestamp() from kept
