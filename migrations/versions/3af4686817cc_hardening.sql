-- revision: 3af4686817cc
-- down_revision: 001_job_ledger_init
-- message: hardening: job ledger enums/indexes/idempotency

-- upgrade
-- Values that older code wrote are normalised first, or the casts below would fail on them.
alter table job drop constraint ck_job_status;

update job set status = case lower(status)
        when 'pending' then 'queued' when 'processing' then 'running' when 'completed' then 'succeeded'
        when 'cancelled' then 'canceled' else lower(status) end
 where status not in ('queued', 'running', 'succeeded', 'failed', 'canceled', 'dead_letter');
update job_event set prev_status = case lower(prev_status)
        when 'pending' then 'queued' when 'processing' then 'running' when 'completed' then 'succeeded'
        when 'cancelled' then 'canceled' else lower(prev_status) end
 where prev_status not in ('queued', 'running', 'succeeded', 'failed', 'canceled', 'dead_letter');
update job_event set next_status = case lower(next_status)
        when 'pending' then 'queued' when 'processing' then 'running' when 'completed' then 'succeeded'
        when 'cancelled' then 'canceled' else lower(next_status) end
 where next_status not in ('queued', 'running', 'succeeded', 'failed', 'canceled', 'dead_letter');

create type job_status as enum ('queued', 'running', 'succeeded', 'failed', 'canceled', 'dead_letter');

alter table job alter column status drop default;
alter table job alter column status type job_status using status::job_status;
alter table job alter column status set default 'queued';
alter table job add constraint ck_job_status
    check (status in ('queued', 'running', 'succeeded', 'failed', 'canceled', 'dead_letter'));

alter table job_event alter column prev_status type job_status using prev_status::job_status;
alter table job_event alter column next_status type job_status using next_status::job_status;

-- downgrade
alter table job_event alter column next_status type varchar(50) using next_status::text;
alter table job_event alter column prev_status type varchar(50) using prev_status::text;
alter table job drop constraint ck_job_status;
alter table job alter column status drop default;
alter table job alter column status type varchar(50) using status::text;
alter table job alter column status set default 'queued';
alter table job add constraint ck_job_status
    check (status in ('queued', 'running', 'succeeded', 'failed', 'canceled', 'dead_letter'));
drop type job_status;
