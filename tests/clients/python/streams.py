"""Drives a NATS server that has JetStream with the official Python client, nats-py.

Usage: streams.py URL. Prints `ok NAME` per scenario. Every scenario makes streams of its own and
removes them; none looks at a clock.
"""

import asyncio
import contextlib
import sys

import nats
from nats.errors import TimeoutError as FetchTimeout
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DeliverPolicy,
    KeyValueConfig,
    ObjectMeta,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)
from nats.js.errors import (
    APIError,
    BadRequestError,
    KeyNotFoundError,
    KeyWrongLastSequenceError,
    NoKeysError,
    NotFoundError,
    ObjectDeletedError,
    ObjectNotFoundError,
)

from scenarios import SCENARIO_SECONDS, connections, expect

SCENARIOS = []


def scenario(function):
    SCENARIOS.append((function.__name__.replace("_", "-"), function))
    return function


@contextlib.asynccontextmanager
async def context(url):
    async with connections(url, 1) as (client,):
        yield client.jetstream(timeout=SCENARIO_SECONDS)


@contextlib.asynccontextmanager
async def stream(url, name, **config):
    """A stream that listens on `name.>` and goes at the end."""
    async with context(url) as js:
        await js.add_stream(name=name, subjects=[f"{name}.>"], **config)
        try:
            yield js
        finally:
            await js.delete_stream(name)


async def raises(kind, awaitable, code=None):
    try:
        await awaitable
    except kind as error:
        if code is not None:
            expect(error.err_code, code, "code of the error")
        return
    raise AssertionError(f"expected {kind.__name__}")


async def publish(js, name, count):
    for number in range(count):
        ack = await js.publish(f"{name}.{number}", f"{number}".encode())
        expect((ack.stream, ack.seq), (name, number + 1), "acknowledgement")


def texts(messages):
    return [message.data.decode() for message in messages]


def numbers(count):
    return [f"{number}" for number in range(count)]


async def until(what, condition):
    """Waits for something that comes by itself."""
    while not await condition():
        await asyncio.sleep(0.01)


@scenario
async def streams(url):
    async with context(url) as js:
        config = StreamConfig(name="manage", subjects=["manage.>"], storage=StorageType.FILE, max_msgs=100)
        info = await js.add_stream(config)
        expect((info.config.name, info.state.messages), ("manage", 0), "new stream")
        await raises(BadRequestError, js.add_stream(name="manage", subjects=["other"]), 10058)
        config.description = "changed"
        expect((await js.update_stream(config)).config.description, "changed", "changed stream")
        await publish(js, "manage", 5)
        info = await js.stream_info("manage", subjects_filter=">")
        expect((info.state.messages, info.state.last_seq, len(info.state.subjects)), (5, 5, 5), "state")
        expect([each.config.name for each in await js.streams_info()], ["manage"], "streams")
        expect(await js.find_stream_name_by_subject("manage.3"), "manage", "stream of a subject")
        expect((await js.get_msg("manage", 2)).data, b"1", "message by sequence")
        expect((await js.get_last_msg("manage", "manage.4")).seq, 5, "last message of a subject")
        expect(await js.delete_msg("manage", 2), True, "deletion of a message")
        await raises(NotFoundError, js.get_msg("manage", 2), 10037)
        expect(await js.purge_stream("manage", keep=1), True, "purge")
        expect((await js.stream_info("manage")).state.messages, 1, "messages after a purge")
        expect(await js.delete_stream("manage"), True, "deletion")
        await raises(NotFoundError, js.stream_info("manage"), 10059)


@scenario
async def publish_sync(url):
    async with stream(url, "sync") as js:
        headers = {"Nats-Msg-Id": "one", "Nats-Expected-Stream": "sync"}
        first = await js.publish("sync.a", b"hello", headers=headers)
        again = await js.publish("sync.a", b"hello", headers=headers)
        expect((first.seq, again.seq, again.duplicate), (1, 1, True), "duplicate")
        wrong = {"Nats-Expected-Last-Sequence": "7"}
        await raises(APIError, js.publish("sync.a", b"", headers=wrong), 10071)
        await raises(APIError, js.publish("sync.a", b"", stream="other"), 10060)
        expect((await js.get_msg("sync", 1)).headers, headers, "stored headers")


@scenario
async def publish_async(url):
    async with stream(url, "async") as js:
        futures = [await js.publish_async("async.a", f"{number}".encode()) for number in range(500)]
        await js.publish_async_completed()
        expect([(await future).seq for future in futures], list(range(1, 501)), "sequences")


@scenario
async def fetch(url):
    async with stream(url, "fetch") as js:
        await publish(js, "fetch", 10)
        pull = await js.pull_subscribe("fetch.>", durable="worker")
        first = await pull.fetch(4, timeout=SCENARIO_SECONDS)
        expect(texts(first), numbers(10)[:4], "first batch")
        for message in first:
            await message.ack_sync(timeout=SCENARIO_SECONDS)
        expect(first[1].metadata.sequence.stream, 2, "sequence of a message")
        expect(first[1].metadata.num_pending, 8, "messages behind it")
        rest = await pull.fetch(6, timeout=SCENARIO_SECONDS)
        expect(texts(rest), numbers(10)[4:], "second batch")
        await raises(FetchTimeout, pull.fetch(1, timeout=0.2))
        info = await pull.consumer_info()
        expect((info.num_ack_pending, info.ack_floor.stream_seq), (6, 4), "acknowledgements")
        expect((await js.consumers_info("fetch"))[0].name, "worker", "consumers")
        expect(await js.delete_consumer("fetch", "worker"), True, "deletion of a consumer")


@scenario
async def acknowledgements(url):
    async with stream(url, "acks", retention=RetentionPolicy.WORK_QUEUE) as js:
        await publish(js, "acks", 3)
        config = ConsumerConfig(ack_wait=SCENARIO_SECONDS, max_ack_pending=10)
        pull = await js.pull_subscribe("acks.>", durable="worker", config=config)
        kept, refused, ended = await pull.fetch(3, timeout=SCENARIO_SECONDS)
        await kept.in_progress()
        await kept.ack_sync(timeout=SCENARIO_SECONDS)
        await refused.nak()
        await ended.term()
        (again,) = await pull.fetch(1, timeout=SCENARIO_SECONDS)
        expect((again.data, again.metadata.num_delivered), (b"1", 2), "redelivered message")
        await again.ack_sync(timeout=SCENARIO_SECONDS)

        async def is_empty():
            return (await js.stream_info("acks")).state.messages == 0

        await until("an empty work queue", is_empty)


@scenario
async def redelivery(url):
    async with stream(url, "again") as js:
        await publish(js, "again", 1)
        pull = await js.pull_subscribe("again.>", durable="worker", config=ConsumerConfig(ack_wait=0.2))
        await pull.fetch(1, timeout=SCENARIO_SECONDS)
        (again,) = await pull.fetch(1, timeout=SCENARIO_SECONDS)
        expect(again.metadata.num_delivered, 2, "deliveries")
        await again.ack_sync(timeout=SCENARIO_SECONDS)


@scenario
async def push(url):
    async with stream(url, "push") as js:
        await publish(js, "push", 5)
        subscription = await js.subscribe("push.>", durable="pushed", manual_ack=True)
        for number in range(5):
            message = await subscription.next_msg(timeout=SCENARIO_SECONDS)
            expect(message.data, b"%d" % number, "message")
            await message.ack_sync(timeout=SCENARIO_SECONDS)
        info = await subscription.consumer_info()
        expect((info.push_bound, info.ack_floor.stream_seq), (True, 5), "consumer")
        await subscription.unsubscribe()


@scenario
async def push_group(url):
    async with stream(url, "group") as js:
        seen, complete = [], asyncio.Event()

        async def handle(message):
            await message.ack()
            seen.append(message.data.decode())
            if len(seen) == 20:
                complete.set()

        members = [await js.subscribe("group.>", queue="workers", cb=handle, manual_ack=True) for _ in range(2)]
        await publish(js, "group", 20)
        await complete.wait()
        expect(sorted(seen, key=int), numbers(20), "messages of the group")
        for member in members:
            await member.unsubscribe()


@scenario
async def ordered(url):
    async with stream(url, "ordered", storage=StorageType.MEMORY) as js:
        await publish(js, "ordered", 50)
        subscription = await js.subscribe("ordered.>", ordered_consumer=True)
        seen = [await subscription.next_msg(timeout=SCENARIO_SECONDS) for _ in range(50)]
        expect(texts(seen), numbers(50), "messages in order")
        await js.publish("ordered.more", b"more")
        expect((await subscription.next_msg(timeout=SCENARIO_SECONDS)).data, b"more", "a later message")
        await subscription.unsubscribe()


@scenario
async def from_a_sequence(url):
    async with stream(url, "start") as js:
        await publish(js, "start", 5)
        config = ConsumerConfig(
            deliver_policy=DeliverPolicy.BY_START_SEQUENCE, opt_start_seq=4, ack_policy=AckPolicy.NONE
        )
        pull = await js.pull_subscribe("start.>", config=config)
        expect(texts(await pull.fetch(2, timeout=SCENARIO_SECONDS)), ["3", "4"], "messages")


@scenario
async def key_value(url):
    async with context(url) as js:
        bucket = await js.create_key_value(KeyValueConfig(bucket="config", history=5))
        expect(await bucket.put("color", b"red"), 1, "revision")
        expect(await bucket.create("size", b"1"), 2, "revision")
        await raises(KeyWrongLastSequenceError, bucket.create("size", b"2"))
        expect(await bucket.update("size", b"2", last=2), 3, "revision")
        await raises(KeyWrongLastSequenceError, bucket.update("size", b"3", last=2))
        entry = await bucket.get("color")
        expect((entry.value, entry.revision), (b"red", 1), "entry")
        expect((await bucket.get("size", revision=2)).value, b"1", "older entry")
        expect([entry.value for entry in await bucket.history("size")], [b"1", b"2"], "history")
        expect(sorted(await bucket.keys()), ["color", "size"], "keys")
        await bucket.delete("color")
        await raises(KeyNotFoundError, bucket.get("color"))
        expect(await bucket.create("color", b"blue"), 5, "revision after a deletion")
        await bucket.purge("size")
        expect([entry.operation for entry in await bucket.history("size")], ["PURGE"], "history after a purge")
        await raises(KeyNotFoundError, bucket.get("none"))
        status = await bucket.status()
        expect((status.bucket, status.history), ("config", 5), "status")
        await bucket.delete("color")
        await raises(NoKeysError, bucket.keys())
        expect(await js.delete_key_value("config"), True, "deletion")


@scenario
async def key_value_watch(url):
    async with context(url) as js:
        bucket = await js.create_key_value(bucket="watched")
        empty = await bucket.watchall()
        expect(await empty.updates(timeout=SCENARIO_SECONDS), None, "end of nothing")
        await bucket.put("a", b"1")
        await bucket.put("b", b"2")
        await bucket.put("a", b"3")
        watcher = await bucket.watch("*")
        seen = []
        while (entry := await watcher.updates(timeout=SCENARIO_SECONDS)) is not None:
            seen.append((entry.key, entry.value))
        expect(seen, [("b", b"2"), ("a", b"3")], "values at first")
        await bucket.put("c", b"4")
        await bucket.delete("a")
        entries = [await watcher.updates(timeout=SCENARIO_SECONDS) for _ in range(2)]
        expect([(entry.key, entry.operation) for entry in entries], [("c", None), ("a", "DEL")], "changes")
        await watcher.stop()
        await empty.stop()
        await js.delete_key_value("watched")


@scenario
async def objects(url):
    async with context(url) as js:
        store = await js.create_object_store(bucket="files")
        body = bytes(range(251)) * 2000
        info = await store.put("large", body, meta=ObjectMeta(description="some bytes"))
        expect((info.size, info.chunks > 1), (len(body), True), "info of what was put")
        expect((await store.get("large")).data == body, True, "bytes that come back")
        await store.put("small", b"one")
        await store.put("small", b"two")
        expect((await store.get("small")).data, b"two", "a replaced object")
        expect((await store.get_info("large")).description, "some bytes", "description")
        expect(sorted(each.name for each in await store.list()), ["large", "small"], "list")
        await store.update_meta("small", ObjectMeta(name="small", description="changed"))
        expect((await store.get_info("small")).description, "changed", "a changed description")
        await store.delete("large")
        await raises((ObjectNotFoundError, ObjectDeletedError), store.get("large"))
        expect((await store.status()).bucket, "files", "status")
        await js.delete_object_store("files")


@scenario
async def object_watch(url):
    async with context(url) as js:
        store = await js.create_object_store(bucket="seen")
        await store.put("a", b"1")
        watcher = await store.watch()
        expect((await watcher.updates(timeout=SCENARIO_SECONDS)).name, "a", "object at first")
        expect(await watcher.updates(timeout=SCENARIO_SECONDS), None, "end of what was there")
        await store.put("b", b"2")
        await store.delete("a")
        changes = [await watcher.updates(timeout=SCENARIO_SECONDS) for _ in range(2)]
        expect([(each.name, bool(each.deleted)) for each in changes], [("b", False), ("a", True)], "changes")
        await watcher.stop()
        await js.delete_object_store("seen")


@scenario
async def account(url):
    async with stream(url, "account") as js:
        await publish(js, "account", 1)
        info = await js.account_info()
        expect((info.streams, info.storage > 0), (1, True), "use of the account")


async def main(url):
    for name, function in SCENARIOS:
        try:
            await asyncio.wait_for(function(url), SCENARIO_SECONDS)
        except Exception as error:
            sys.exit(f"failed {name}: {error!r}")
        print(f"ok {name}", flush=True)


asyncio.run(main(sys.argv[1]))
