-- $1 host $2 hostname $3 instance $4 slot $5 incarnation $6 boot id $7 pid $8 version $9 types $10 lease in ms
insert into worker (host, hostname, instance, slot, incarnation, boot_id, pid, version, types, lease_ms)
values ($1::varchar, $2::varchar, $3::varchar, $4::int4, $5::uuid, $6::varchar, $7::int4, $8::varchar, $9::varchar[], $10::int4)
returning id
