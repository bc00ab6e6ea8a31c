"""What the tests ask of librdkafka beyond kcat: a topic deleted, who has which partitions of a group."""
import ctypes
import struct
from contextlib import contextmanager

PRODUCER, CONSUMER = 0, 1
lib = ctypes.CDLL("librdkafka.so.1")
pointer = ctypes.c_void_p
for name, result, arguments in (
        ("conf_new", pointer, []), ("conf_set", ctypes.c_int, [pointer, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t]),
        ("new", pointer, [ctypes.c_int, pointer, ctypes.c_char_p, ctypes.c_size_t]), ("destroy", None, [pointer]),
        ("queue_new", pointer, [pointer]), ("queue_destroy", None, [pointer]), ("queue_poll", pointer, [pointer, ctypes.c_int]),
        ("DeleteTopic_new", pointer, [ctypes.c_char_p]), ("DeleteTopic_destroy", None, [pointer]),
        ("DeleteTopics", None, [pointer, ctypes.POINTER(pointer), ctypes.c_size_t, pointer, pointer]),
        ("event_error", ctypes.c_int, [pointer]), ("event_destroy", None, [pointer]),
        ("list_groups", ctypes.c_int, [pointer, ctypes.c_char_p, ctypes.POINTER(pointer), ctypes.c_int]), ("group_list_destroy", None, [pointer])):
    function = getattr(lib, "rd_kafka_" + name)
    function.restype, function.argtypes = result, arguments


class _Member(ctypes.Structure):
    _fields_ = [("member_id", ctypes.c_char_p), ("client_id", ctypes.c_char_p), ("client_host", ctypes.c_char_p),
                ("metadata", pointer), ("metadata_size", ctypes.c_int), ("assignment", pointer), ("assignment_size", ctypes.c_int)]


class _Group(ctypes.Structure):
    _fields_ = [("broker_id", ctypes.c_int32), ("broker_host", ctypes.c_char_p), ("broker_port", ctypes.c_int), ("name", ctypes.c_char_p),
                ("err", ctypes.c_int), ("state", ctypes.c_char_p), ("protocol_type", ctypes.c_char_p), ("protocol", ctypes.c_char_p),
                ("members", ctypes.POINTER(_Member)), ("member_count", ctypes.c_int)]


class _Groups(ctypes.Structure):
    _fields_ = [("groups", ctypes.POINTER(_Group)), ("count", ctypes.c_int)]


@contextmanager
def client(brokers, kind=PRODUCER, options=None):
    conf, why = lib.rd_kafka_conf_new(), ctypes.create_string_buffer(256)
    for name, value in {"bootstrap.servers": brokers, "log_level": "0", **(options or {})}.items():
        lib.rd_kafka_conf_set(conf, name.encode(), value.encode(), why, 256)
    rk = lib.rd_kafka_new(kind, conf, why, 256)
    assert rk, why.value
    try:
        yield rk
    finally:
        lib.rd_kafka_destroy(rk)


def _administer(rk, call, wanted, destroy):
    """Asks for one thing by a call of the admin API, and waits until it is done."""
    queue = lib.rd_kafka_queue_new(rk)
    call(rk, ctypes.byref(pointer(wanted)), 1, None, queue)
    event = lib.rd_kafka_queue_poll(queue, 10_000)
    error = lib.rd_kafka_event_error(event) if event else "no answer"
    if event:
        lib.rd_kafka_event_destroy(event)
    lib.rd_kafka_queue_destroy(queue)
    destroy(wanted)
    assert not error, error


def delete_topic(brokers, topic):
    with client(brokers) as rk:
        _administer(rk, lib.rd_kafka_DeleteTopics, lib.rd_kafka_DeleteTopic_new(topic.encode()), lib.rd_kafka_DeleteTopic_destroy)


def _assignment(data):
    """{topic: partitions} of a consumer protocol's assignment."""
    found, (_, topics), at = {}, struct.unpack_from(">hi", data), 6
    for _ in range(topics):
        length, = struct.unpack_from(">h", data, at)
        topic = data[at + 2:at + 2 + length].decode()
        at += 2 + length
        count, = struct.unpack_from(">i", data, at)
        found[topic] = list(struct.unpack_from(f">{count}i", data, at + 4))
        at += 4 + 4 * count
    return found


def assignments(brokers, group):
    """(state, [each member's {topic: partitions}])"""
    with client(brokers) as rk:
        found = pointer()
        error = lib.rd_kafka_list_groups(rk, group.encode(), ctypes.byref(found), 5000)
        assert not error, error
        groups = ctypes.cast(found, ctypes.POINTER(_Groups)).contents
        state, members = None, []
        if groups.count:
            it = groups.groups[0]
            state = it.state.decode()
            for member in it.members[:it.member_count]:
                data = ctypes.string_at(member.assignment, member.assignment_size)
                members.append(_assignment(data) if len(data) >= 6 else {})
        lib.rd_kafka_group_list_destroy(found)
        return state, members


for name, result, arguments in (
        ("topic_partition_list_new", pointer, [ctypes.c_int]), ("topic_partition_list_destroy", None, [pointer]),
        ("topic_partition_list_add", pointer, [pointer, ctypes.c_char_p, ctypes.c_int32]),
        ("topic_partition_list_set_offset", ctypes.c_int, [pointer, ctypes.c_char_p, ctypes.c_int32, ctypes.c_int64]),
        ("topic_partition_list_find", pointer, [pointer, ctypes.c_char_p, ctypes.c_int32]),
        ("committed", ctypes.c_int, [pointer, pointer, ctypes.c_int]),
        ("commit", ctypes.c_int, [pointer, pointer, ctypes.c_int]), ("DeleteRecords_new", pointer, [pointer]),
        ("DeleteRecords_destroy", None, [pointer]),
        ("DeleteRecords", None, [pointer, ctypes.POINTER(pointer), ctypes.c_size_t, pointer, pointer])):
    function = getattr(lib, "rd_kafka_" + name)
    function.restype, function.argtypes = result, arguments


class _Partition(ctypes.Structure):
    """The beginning of it."""
    _fields_ = [("topic", ctypes.c_char_p), ("partition", ctypes.c_int32), ("offset", ctypes.c_int64)]


@contextmanager
def _offsets(topic, partitions, offset):
    made = lib.rd_kafka_topic_partition_list_new(partitions)
    for partition in range(partitions):
        lib.rd_kafka_topic_partition_list_add(made, topic.encode(), partition)
        lib.rd_kafka_topic_partition_list_set_offset(made, topic.encode(), partition, offset)
    try:
        yield made
    finally:
        lib.rd_kafka_topic_partition_list_destroy(made)


def set_offsets(brokers, group, topic, partitions, offset):
    """Where the group reads on; it has no members now."""
    with client(brokers, CONSUMER, {"group.id": group}) as rk, _offsets(topic, partitions, offset) as wanted:
        error = lib.rd_kafka_commit(rk, wanted, 0)
        assert not error, error


def committed(brokers, group, topic, partitions):
    """Where the group reads on, a number a partition; negative: it has committed nothing there."""
    with client(brokers, CONSUMER, {"group.id": group}) as rk, _offsets(topic, partitions, 0) as asked:
        error = lib.rd_kafka_committed(rk, asked, 10_000)
        assert not error, error
        found = [lib.rd_kafka_topic_partition_list_find(asked, topic.encode(), partition) for partition in range(partitions)]
        return [ctypes.cast(each, ctypes.POINTER(_Partition)).contents.offset for each in found]


def delete_records(brokers, topic, partitions):
    """All that is there, as if its retention were over."""
    with client(brokers) as rk, _offsets(topic, partitions, -1) as wanted:
        _administer(rk, lib.rd_kafka_DeleteRecords, lib.rd_kafka_DeleteRecords_new(wanted), lib.rd_kafka_DeleteRecords_destroy)
