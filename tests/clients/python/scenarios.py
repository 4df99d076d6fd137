"""Drives a NATS server with the official Python client, nats-py, one scenario after another.

Usage: scenarios.py URL. Prints `ok NAME` per scenario; ../README.md describes the line protocol
of the reconnect scenario. Between two connections, a scenario only relies on what the protocol
promises: a PONG proves that earlier subscriptions are live, and messages of one publisher arrive
at one subscriber in order, so an `end` message proves that nothing else is still on its way.
"""

import asyncio
import contextlib
import sys

import nats
from nats import errors

SCENARIO_SECONDS = 60
SCENARIOS = []


def scenario(function):
    """Adds a function to the list, under its name with dashes."""
    SCENARIOS.append((function.__name__.replace("_", "-"), function))
    return function


def expect(actual, expected, what):
    if actual != expected:
        raise AssertionError(f"{what}: expected {expected!r:.300}, got {actual!r:.300}")


async def report(error):
    print(f"client error: {error!r}", file=sys.stderr, flush=True)


@contextlib.asynccontextmanager
async def connections(url, count, **options):
    """Opens `count` connections and closes them at the end, also after a failure."""
    async with contextlib.AsyncExitStack() as stack:
        opened = []
        for _ in range(count):
            client = await nats.connect(
                url, error_cb=report, allow_reconnect=False, drain_timeout=SCENARIO_SECONDS, **options
            )
            stack.push_async_callback(client.close)
            opened.append(client)
        yield opened


async def flush(*clients):
    for client in clients:
        # The PING of this client overtakes the commands that it has buffered: its PONG proves
        # nothing about them unless they are written first.
        while client.pending_data_size > 0:
            await asyncio.sleep(0.001)
        await client.flush(timeout=SCENARIO_SECONDS)


async def receive(subscription, count):
    return [await subscription.next_msg(timeout=SCENARIO_SECONDS) for _ in range(count)]


async def payloads(subscription, count):
    return [message.data.decode() for message in await receive(subscription, count)]


class Collector:
    """Keeps every payload that its callback sees and tells when `end` was among them."""

    def __init__(self):
        self.seen = []
        self.ended = asyncio.Event()

    async def on_message(self, message):
        if message.data == b"end":
            self.ended.set()
        else:
            self.seen.append(message.data.decode())


@scenario
async def publish_subscribe(url):
    async with connections(url, 2) as (publisher, subscriber):
        subscription = await subscriber.subscribe("plain.subject")
        await flush(subscriber)
        await publisher.publish("plain.other", b"not for us")
        await publisher.publish("plain.subject", b"hello")
        await publisher.publish("plain.subject", b"")
        await publisher.publish("plain.subject", bytes(range(256)), reply="plain.reply")
        first, empty, binary = await receive(subscription, 3)
        expect((first.subject, first.data, first.reply), ("plain.subject", b"hello", ""), "first message")
        expect(empty.data, b"", "empty payload")
        expect((binary.data, binary.reply), (bytes(range(256)), "plain.reply"), "binary payload")


@scenario
async def wildcards(url):
    published = ["wild", "wild.a", "wild.a.x", "wild.a.b.x", "wild.b.x", "other.a.x", "wild.end.x"]
    expected = {
        "wild.*.x": ["wild.a.x", "wild.b.x", "wild.end.x"],
        "wild.*": ["wild.a"],
        "*.a.*": ["wild.a.x", "other.a.x"],
        "wild.>": ["wild.a", "wild.a.x", "wild.a.b.x", "wild.b.x", "wild.end.x"],
        ">": published,
    }
    async with connections(url, 2) as (publisher, subscriber):
        subscriptions = {pattern: await subscriber.subscribe(pattern) for pattern in expected}
        ended = await subscriber.subscribe("wildcards-end")
        await flush(subscriber)
        for subject in published:
            await publisher.publish(subject, subject.encode())
        await publisher.publish("wildcards-end", b"")
        await receive(ended, 1)
        for pattern, subjects in expected.items():
            messages = await receive(subscriptions[pattern], len(subjects))
            expect([message.subject for message in messages], subjects, pattern)
        # Only `>` may hold one more message: the end marker itself.
        left = {pattern: subscription.pending_msgs for pattern, subscription in subscriptions.items()}
        expect(left, {pattern: int(pattern == ">") for pattern in expected}, "messages left over")


@scenario
async def request_reply(url):
    async def answer(message):
        await message.respond(b"re: " + message.data)

    async with connections(url, 2) as (requester, responder):
        await responder.subscribe("service.echo", cb=answer)
        await flush(responder)
        one = await requester.request("service.echo", b"one", timeout=SCENARIO_SECONDS)
        expect(one.data, b"re: one", "reply")
        bodies = [f"{number}".encode() for number in range(200)]
        replies = await asyncio.gather(
            *(requester.request("service.echo", body, timeout=SCENARIO_SECONDS) for body in bodies)
        )
        expect([reply.data for reply in replies], [b"re: " + body for body in bodies], "replies at once")


@scenario
async def no_responders(url):
    async with connections(url, 1) as (client,):
        try:
            await client.request("service.nobody", b"", timeout=SCENARIO_SECONDS)
        except errors.NoRespondersError:
            return
        raise AssertionError("a request that nobody serves was answered")


@scenario
async def request_timeout(url):
    async with connections(url, 2) as (requester, silent):
        await silent.subscribe("service.silent")
        await flush(silent)
        try:
            await requester.request("service.silent", b"", timeout=0.2)
        except errors.TimeoutError:
            return
        raise AssertionError("a request that a silent service received was answered")


@scenario
async def queue_groups(url):
    groups = ["workers", "workers", "workers", "auditors", "auditors", ""]
    numbers = [f"{number}" for number in range(600)]
    async with connections(url, len(groups) + 1) as (publisher, *members):
        collectors = [Collector() for _ in groups]
        for member, group, collector in zip(members, groups, collectors):
            await member.subscribe("queue.jobs", queue=group, cb=collector.on_message)
            await member.subscribe("queue.end", cb=collector.on_message)
        await flush(*members)
        for number in numbers:
            await publisher.publish("queue.jobs", number.encode())
        await publisher.publish("queue.end", b"end")
        for collector in collectors:
            await collector.ended.wait()
        for group in sorted(set(groups)):
            shares = [collector.seen for name, collector in zip(groups, collectors) if name == group]
            together = sorted((number for share in shares for number in share), key=int)
            expect(together, numbers, f"messages of group {group!r}")
            expect([bool(share) for share in shares], [True] * len(shares), f"members of {group!r} with work")
            for share in shares:
                expect(share, sorted(share, key=int), f"order within a member of {group!r}")


@scenario
async def headers(url):
    # This client has one value per header name, so the multi-value case is left to the others.
    sent = {"Trace-Id": "abc-123", "lower-case": "kept as it is", "Colon": "a: b:c"}

    async with connections(url, 2) as (publisher, subscriber):

        async def answer(message):
            await subscriber.publish(message.reply, b"back", headers=message.headers)

        subscription = await subscriber.subscribe("headers.plain")
        await subscriber.subscribe("headers.echo", cb=answer)
        await flush(subscriber)
        await publisher.publish("headers.plain", b"with", headers=sent)
        await publisher.publish("headers.plain", b"without")
        await publisher.publish("headers.plain", b"", headers={"Only": "header"})
        with_headers, without, empty = await receive(subscription, 3)
        expect((with_headers.data, with_headers.headers), (b"with", sent), "message with headers")
        expect((without.data, without.headers), (b"without", None), "message without headers")
        expect((empty.data, empty.headers), (b"", {"Only": "header"}), "headers without payload")
        reply = await publisher.request("headers.echo", b"", headers=sent, timeout=SCENARIO_SECONDS)
        expect((reply.data, reply.headers), (b"back", sent), "headers sent back")


@scenario
async def subscription_drain(url):
    seen = []
    release = asyncio.Event()

    async def slow(message):
        await release.wait()
        seen.append(message.data.decode())

    numbers = [f"{number}" for number in range(1000)]
    async with connections(url, 2) as (publisher, subscriber):
        subscription = await subscriber.subscribe("drain.subject", cb=slow)
        ended = await subscriber.subscribe("drain.end")
        await flush(subscriber)
        for number in numbers:
            await publisher.publish("drain.subject", number.encode())
        # After this PONG the server holds every message: an UNSUB that comes later loses none.
        await flush(publisher)
        draining = asyncio.create_task(subscription.drain())
        release.set()
        await draining
        expect(seen, numbers, "messages handled by the end of the drain")
        await flush(subscriber)
        await publisher.publish("drain.subject", b"too late")
        await publisher.publish("drain.end", b"end")
        await receive(ended, 1)
        expect(seen, numbers, "messages after the drain")


@scenario
async def connection_drain(url):
    numbers = [f"{number}" for number in range(1000)]
    async with connections(url, 3) as (publisher, relay, observer):

        async def forward(message):
            await relay.publish("relay.out", message.data)

        out = await observer.subscribe("relay.out")
        await relay.subscribe("relay.in", cb=forward)
        await flush(observer, relay)
        for number in numbers:
            await publisher.publish("relay.in", number.encode())
        await flush(publisher)
        await relay.drain()
        expect(relay.is_closed, True, "connection closed by its drain")
        expect(await payloads(out, len(numbers)), numbers, "messages relayed while draining")


@scenario
async def auto_unsubscribe(url):
    async with connections(url, 2) as (publisher, subscriber):
        subscription = await subscriber.subscribe("auto.subject")
        await subscription.unsubscribe(limit=5)
        ended = await subscriber.subscribe("auto.end")
        await flush(subscriber)
        for number in range(10):
            await publisher.publish("auto.subject", f"{number}".encode())
        await publisher.publish("auto.end", b"")
        await receive(ended, 1)
        expect(await payloads(subscription, 5), ["0", "1", "2", "3", "4"], "messages before the limit")
        expect(subscription.pending_msgs, 0, "messages above the limit")
        try:
            await subscriber.request("auto.subject", b"", timeout=SCENARIO_SECONDS)
        except errors.NoRespondersError:
            return
        raise AssertionError("the server still knows the subscription after its limit")


@scenario
async def thousand_subscriptions(url):
    async with connections(url, 2) as (publisher, subscriber):
        subscriptions = [await subscriber.subscribe(f"many.{number}") for number in range(1000)]
        ended = await subscriber.subscribe("many.end")
        await flush(subscriber)
        for number in range(1000):
            await publisher.publish(f"many.{number}", f"for {number}".encode())
        await publisher.publish("many.end", b"")
        await receive(ended, 1)
        for number, subscription in enumerate(subscriptions):
            expect(subscription.pending_msgs, 1, f"messages of subscription {number}")
            expect(await payloads(subscription, 1), [f"for {number}"], f"subscription {number}")


@scenario
async def max_payload(url):
    async with connections(url, 2) as (publisher, subscriber):
        size = publisher.max_payload
        expect(size, 1024 * 1024, "max_payload")
        # 251 is prime: no shift by a buffer's size can go unseen.
        body = (bytes(range(251)) * (size // 251 + 1))[:size]

        async def answer(message):
            await message.respond(message.data)

        await subscriber.subscribe("large.echo", cb=answer)
        await flush(subscriber)
        for _ in range(3):
            reply = await publisher.request("large.echo", body, timeout=SCENARIO_SECONDS)
            expect(len(reply.data), size, "length of the payload sent back")
            expect(reply.data == body, True, "payload sent back unchanged")


@scenario
async def payload_too_large(url):
    async with connections(url, 2) as (publisher, subscriber):
        subscription = await subscriber.subscribe("large.refused")
        await flush(subscriber)
        try:
            await publisher.publish("large.refused", bytes(publisher.max_payload + 1))
        except errors.MaxPayloadError:
            await publisher.publish("large.refused", b"still here")
            expect(await payloads(subscription, 1), ["still here"], "message after the refusal")
            return
        raise AssertionError("a payload above max_payload was accepted")


@scenario
async def flush_and_rtt(url):
    async with connections(url, 1) as (client,):
        for number in range(100):
            await client.publish("flush.nobody", f"{number}".encode())
            await flush(client)
        expect(await client.rtt(timeout=SCENARIO_SECONDS) > 0, True, "round-trip time above zero")


@scenario
async def echo_off(url):
    async with connections(url, 1) as (other,), connections(url, 1, no_echo=True) as (quiet,):
        heard = await quiet.subscribe("echo.subject")
        elsewhere = await other.subscribe("echo.subject")
        await flush(quiet, other)
        await quiet.publish("echo.subject", b"own")
        await flush(quiet)
        expect(await payloads(elsewhere, 1), ["own"], "message at the other connection")
        await other.publish("echo.subject", b"end")
        expect(await payloads(heard, 1), ["end"], "first message at the connection without echo")


@scenario
async def many_connections(url):
    async with connections(url, 8) as clients:
        collectors = [Collector() for _ in clients]
        complete = [asyncio.Event() for _ in clients]

        def handler(collector, done):
            async def handle(message):
                await collector.on_message(message)
                if len(collector.seen) == len(clients) * 1000:
                    done.set()

            return handle

        for client, collector, done in zip(clients, collectors, complete):
            await client.subscribe("mesh.*", cb=handler(collector, done))
        await flush(*clients)

        async def publish(number, client):
            for message in range(1000):
                await client.publish(f"mesh.{number}", f"{number} {message}".encode())
            await flush(client)

        await asyncio.gather(*(publish(number, client) for number, client in enumerate(clients)))
        for receiver, collector in enumerate(collectors):
            await complete[receiver].wait()
            for sender in range(len(clients)):
                got = [text for text in collector.seen if text.startswith(f"{sender} ")]
                wanted = [f"{sender} {message}" for message in range(1000)]
                expect(got, wanted, f"messages from connection {sender} at {receiver}")


@scenario
async def burst(url):
    async with connections(url, 2) as (publisher, subscriber):
        collector = Collector()
        await subscriber.subscribe("burst", cb=collector.on_message)
        await flush(subscriber)
        for number in range(100_000):
            await publisher.publish("burst", b"%d" % number)
        await publisher.publish("burst", b"end")
        await flush(publisher)
        await collector.ended.wait()
        expect(len(collector.seen), 100_000, "messages of the burst")
        expect(collector.seen == [f"{number}" for number in range(100_000)], True, "burst in order")


@scenario
async def reconnect(url):
    async with contextlib.AsyncExitStack() as stack:
        clients, back = [], []
        for _ in range(2):
            event = asyncio.Event()

            async def reconnected(event=event):
                event.set()

            client = await nats.connect(
                url,
                error_cb=report,
                reconnected_cb=reconnected,
                max_reconnect_attempts=-1,
                reconnect_time_wait=0.1,
            )
            stack.push_async_callback(client.close)
            clients.append(client)
            back.append(event)
        publisher, subscriber = clients
        literal = await subscriber.subscribe("again.literal")
        wildcard = await subscriber.subscribe("again.*")
        member = await subscriber.subscribe("again.literal", queue="group")
        subscriptions = [literal, wildcard, member]
        for text in ["before", "after"]:
            if text == "after":
                print("READY-FOR-RESTART", flush=True)
                line = await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
                expect(bool(line), True, "a line on standard input once the server is back")
                for event in back:
                    await event.wait()
            await flush(*clients)
            await publisher.publish("again.literal", text.encode())
            for subscription in subscriptions:
                expect(await payloads(subscription, 1), [text], f"{subscription.subject} {text} the restart")


async def main(url):
    for name, function in SCENARIOS:
        try:
            await asyncio.wait_for(function(url), SCENARIO_SECONDS)
        except asyncio.TimeoutError as error:
            sys.exit(f"failed {name}: no end within {SCENARIO_SECONDS} s ({error!r})")
        except Exception as error:
            sys.exit(f"failed {name}: {error!r}")
        print(f"ok {name}", flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: scenarios.py URL")
    asyncio.run(main(sys.argv[1]))
