// Drives a NATS server that has JetStream with the official JavaScript client.
//
// Usage: node streams.js URL. Prints `ok NAME` per scenario. Every scenario makes streams of its own
// and removes them; none looks at a clock.

import assert from "node:assert/strict";
import {
  AckPolicy,
  DeliverPolicy,
  JetStreamApiError,
  jetstream,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
} from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import { Objm } from "@nats-io/obj";
import { connect, headers, nanos } from "@nats-io/transport-node";

const SCENARIO_MILLISECONDS = 60_000;

async function withContext(url, body) {
  const client = await connect({ servers: url, reconnect: false });
  try {
    await body(jetstream(client, { timeout: SCENARIO_MILLISECONDS }), await jetstreamManager(client));
  } finally {
    await client.close();
  }
}

/** A stream that listens on `name.>` and goes at the end. */
function withStream(url, name, config, body) {
  return withContext(url, async (js, manager) => {
    await manager.streams.add({ name, subjects: [`${name}.>`], ...config });
    try {
      await body(js, manager);
    } finally {
      await manager.streams.delete(name);
    }
  });
}

function refused(promise, code) {
  return assert.rejects(promise, (error) => error instanceof JetStreamApiError && error.code === code);
}

function numbers(count) {
  return Array.from({ length: count }, (_, number) => `${number}`);
}

async function publish(js, name, count) {
  for (const number of numbers(count)) {
    const ack = await js.publish(`${name}.${number}`, number);
    assert.deepEqual([ack.stream, ack.seq], [name, Number(number) + 1]);
  }
}

async function texts(messages, each = () => {}) {
  const seen = [];
  for await (const message of messages) {
    seen.push(message.string());
    await each(message);
  }
  return seen;
}

async function collect(iterator) {
  const seen = [];
  for await (const each of iterator) {
    seen.push(each);
  }
  return seen;
}

/** The first `count` of what an iterator brings; it goes on afterwards. */
async function take(iterator, count) {
  const seen = [];
  while (seen.length < count) {
    const { value, done } = await iterator.next();
    assert.ok(!done, "the iterator ended");
    seen.push(value);
  }
  return seen;
}

async function until(condition) {
  while (!(await condition())) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const scenarios = {
  streams: (url) =>
    withContext(url, async (js, manager) => {
      const config = { name: "manage", subjects: ["manage.>"], storage: StorageType.File, max_msgs: 100 };
      const info = await manager.streams.add(config);
      assert.equal(info.config.name, "manage");
      await refused(manager.streams.add({ name: "manage", subjects: ["other"] }), 10058);
      const changed = await manager.streams.update("manage", { description: "changed" });
      assert.equal(changed.config.description, "changed");
      await publish(js, "manage", 5);
      const state = (await manager.streams.info("manage", { subjects_filter: ">" })).state;
      assert.deepEqual([state.messages, state.last_seq, Object.keys(state.subjects).length], [5, 5, 5]);
      assert.deepEqual((await collect(manager.streams.list())).map((each) => each.config.name), ["manage"]);
      assert.deepEqual(await collect(manager.streams.names()), ["manage"]);
      assert.equal(await manager.streams.find("manage.3"), "manage");
      assert.equal((await manager.streams.getMessage("manage", { seq: 2 })).string(), "1");
      assert.equal((await manager.streams.getMessage("manage", { last_by_subj: "manage.4" })).seq, 5);
      assert.ok(await manager.streams.deleteMessage("manage", 2));
      assert.equal(await manager.streams.getMessage("manage", { seq: 2 }), null);
      assert.equal((await manager.streams.purge("manage", { keep: 1 })).purged, 3);
      assert.equal((await manager.streams.info("manage")).state.messages, 1);
      assert.ok(await manager.streams.delete("manage"));
      await refused(manager.streams.info("manage"), 10059);
    }),

  "publish-sync": (url) =>
    withStream(url, "sync", {}, async (js, manager) => {
      const options = { msgID: "one", expect: { streamName: "sync" } };
      const first = await js.publish("sync.a", "hello", options);
      const again = await js.publish("sync.a", "hello", options);
      assert.deepEqual([first.seq, again.seq, again.duplicate], [1, 1, true]);
      await refused(js.publish("sync.a", "", { expect: { lastSequence: 7 } }), 10071);
      await refused(js.publish("sync.a", "", { expect: { streamName: "other" } }), 10060);
      const sent = headers();
      sent.append("Many", "first");
      sent.append("Many", "second");
      await js.publish("sync.b", "with", { headers: sent });
      const stored = await manager.streams.getMessage("sync", { seq: 2 });
      assert.deepEqual(stored.header.values("Many"), ["first", "second"]);
    }),

  "publish-async": (url) =>
    withStream(url, "async", {}, async (js) => {
      const acks = await Promise.all(numbers(500).map((number) => js.publish("async.a", number)));
      assert.deepEqual(acks.map((ack) => ack.seq), numbers(500).map((number) => Number(number) + 1));
    }),

  fetch: (url) =>
    withStream(url, "fetch", {}, async (js, manager) => {
      await publish(js, "fetch", 10);
      await manager.consumers.add("fetch", { durable_name: "worker", ack_policy: AckPolicy.Explicit });
      const consumer = await js.consumers.get("fetch", "worker");
      const first = await consumer.fetch({ max_messages: 4, expires: SCENARIO_MILLISECONDS });
      assert.deepEqual(await texts(first, (message) => message.ackAck()), numbers(4));
      const rest = await texts(await consumer.fetch({ max_messages: 6, expires: SCENARIO_MILLISECONDS }));
      assert.deepEqual(rest, numbers(10).slice(4));
      assert.deepEqual(await texts(await consumer.fetch({ max_messages: 1, expires: 1000 })), []);
      const info = await consumer.info();
      assert.deepEqual([info.num_ack_pending, info.ack_floor.stream_seq], [6, 4]);
      const listed = await collect(manager.consumers.list("fetch"));
      assert.deepEqual(listed.map((each) => each.name), ["worker"]);
      assert.ok(await manager.consumers.delete("fetch", "worker"));
    }),

  next: (url) =>
    withStream(url, "next", {}, async (js, manager) => {
      await publish(js, "next", 1);
      await manager.consumers.add("next", { durable_name: "worker", ack_policy: AckPolicy.Explicit });
      const consumer = await js.consumers.get("next", "worker");
      const message = await consumer.next({ expires: SCENARIO_MILLISECONDS });
      assert.deepEqual([message.string(), message.seq, message.info.pending], ["0", 1, 0]);
      assert.ok(await message.ackAck());
      assert.equal(await consumer.next({ expires: 1000 }), null);
    }),

  consume: (url) =>
    withStream(url, "consume", {}, async (js, manager) => {
      await manager.consumers.add("consume", { durable_name: "worker", ack_policy: AckPolicy.Explicit });
      const consumer = await js.consumers.get("consume", "worker");
      const messages = await consumer.consume({ max_messages: 10 });
      const seen = [];
      const done = texts(messages, async (message) => {
        seen.push(message.string());
        await message.ackAck();
        if (seen.length === 100) {
          messages.stop();
        }
      });
      await publish(js, "consume", 100);
      assert.deepEqual(await done, numbers(100));
      assert.equal((await consumer.info()).num_pending, 0);
    }),

  acknowledgements: (url) =>
    withStream(url, "acks", { retention: RetentionPolicy.Workqueue }, async (js, manager) => {
      await publish(js, "acks", 3);
      await manager.consumers.add("acks", { durable_name: "worker", ack_policy: AckPolicy.Explicit });
      const consumer = await js.consumers.get("acks", "worker");
      const options = { expires: SCENARIO_MILLISECONDS };
      const [kept, refusedOne, ended] = [
        await consumer.next(options),
        await consumer.next(options),
        await consumer.next(options),
      ];
      kept.working();
      assert.ok(await kept.ackAck());
      refusedOne.nak();
      ended.term("never again");
      const again = await consumer.next(options);
      assert.deepEqual([again.string(), again.info.deliveryCount, again.redelivered], ["1", 2, true]);
      assert.ok(await again.ackAck());
      await until(async () => (await manager.streams.info("acks")).state.messages === 0);
    }),

  push: (url) =>
    withStream(url, "push", {}, async (js, manager) => {
      await publish(js, "push", 5);
      await manager.consumers.add("push", {
        durable_name: "pushed",
        ack_policy: AckPolicy.Explicit,
        deliver_subject: "delivered.here",
        idle_heartbeat: nanos(500),
        flow_control: true,
      });
      const consumer = await js.consumers.getPushConsumer("push", "pushed");
      const messages = await consumer.consume();
      const seen = [];
      for await (const message of messages) {
        seen.push(message.string());
        assert.ok(await message.ackAck());
        if (seen.length === 5) {
          break;
        }
      }
      assert.deepEqual(seen, numbers(5));
      assert.equal((await manager.consumers.info("push", "pushed")).ack_floor.stream_seq, 5);
    }),

  ordered: (url) =>
    withStream(url, "ordered", { storage: StorageType.Memory }, async (js) => {
      await publish(js, "ordered", 50);
      const consumer = await js.consumers.get("ordered", { deliver_policy: DeliverPolicy.All });
      const messages = await consumer.consume();
      const seen = [];
      for await (const message of messages) {
        seen.push(message.string());
        if (seen.length === 50) {
          break;
        }
      }
      assert.deepEqual(seen, numbers(50));
    }),

  "key-value": (url) =>
    withContext(url, async (js) => {
      const bucket = await new Kvm(js).create("config", { history: 5 });
      assert.equal(await bucket.put("color", "red"), 1);
      assert.equal(await bucket.create("size", "1"), 2);
      await assert.rejects(bucket.create("size", "2"));
      assert.equal(await bucket.update("size", "2", 2), 3);
      await refused(bucket.update("size", "3", 2), 10071);
      const entry = await bucket.get("color");
      assert.deepEqual([entry.string(), entry.revision], ["red", 1]);
      assert.equal((await bucket.get("size", { revision: 2 })).string(), "1");
      const history = await collect(await bucket.history({ key: "size" }));
      assert.deepEqual(history.map((each) => each.string()), ["1", "2"]);
      assert.deepEqual((await collect(await bucket.keys())).sort(), ["color", "size"]);
      await bucket.delete("color");
      assert.equal((await bucket.get("color")).operation, "DEL");
      assert.equal(await bucket.create("color", "blue"), 5);
      await bucket.purge("size");
      const purged = await collect(await bucket.history({ key: "size" }));
      assert.deepEqual(purged.map((each) => each.operation), ["PURGE"]);
      assert.equal(await bucket.get("none"), null);
      const status = await bucket.status();
      assert.deepEqual([status.bucket, status.history], ["config", 5]);
      assert.deepEqual((await collect(new Kvm(js).list())).map((each) => each.bucket), ["config"]);
      assert.ok(await bucket.destroy());
    }),

  "key-value-watch": (url) =>
    withContext(url, async (js) => {
      const bucket = await new Kvm(js).create("watched");
      await bucket.put("a", "1");
      await bucket.put("b", "2");
      await bucket.put("a", "3");
      const watcher = await bucket.watch({ key: "*" });
      const changes = watcher[Symbol.asyncIterator]();
      const first = await take(changes, 2);
      assert.deepEqual(first.map((each) => [each.key, each.string()]), [["b", "2"], ["a", "3"]]);
      await bucket.put("c", "4");
      await bucket.delete("a");
      const then = await take(changes, 2);
      assert.deepEqual(then.map((each) => [each.key, each.operation]), [["c", "PUT"], ["a", "DEL"]]);
      watcher.stop();
      await bucket.destroy();
    }),

  objects: (url) =>
    withContext(url, async (js) => {
      const store = await new Objm(js).create("files");
      const body = Uint8Array.from({ length: 500_000 }, (_, index) => index % 251);
      const info = await store.putBlob({ name: "large", description: "some bytes" }, body);
      assert.equal(info.size, body.length);
      assert.ok(info.chunks > 1);
      assert.equal(Buffer.compare(await store.getBlob("large"), body), 0);
      await store.putBlob({ name: "small" }, new TextEncoder().encode("one"));
      await store.putBlob({ name: "small" }, new TextEncoder().encode("two"));
      const text = async (name) => new TextDecoder().decode(await store.getBlob(name));
      assert.equal(await text("small"), "two");
      assert.equal((await store.info("large")).description, "some bytes");
      assert.deepEqual((await store.list()).map((each) => each.name).sort(), ["large", "small"]);
      await store.link("linked", await store.info("small"));
      assert.equal(await text("linked"), "two");
      await store.update("small", { name: "renamed" });
      assert.equal(await text("renamed"), "two");
      await store.delete("large");
      assert.equal(await store.getBlob("large"), null);
      assert.equal((await store.status()).bucket, "files");
      assert.ok(await store.destroy());
    }),

  "object-watch": (url) =>
    withContext(url, async (js) => {
      const store = await new Objm(js).create("seen");
      await store.putBlob({ name: "a" }, new Uint8Array(1));
      const watcher = await store.watch({ includeHistory: true });
      const changes = watcher[Symbol.asyncIterator]();
      assert.equal((await take(changes, 1))[0].name, "a");
      await store.putBlob({ name: "b" }, new Uint8Array(1));
      await store.delete("a");
      const seen = await take(changes, 2);
      assert.deepEqual(seen.map((each) => [each.name, each.deleted ?? false]), [["b", false], ["a", true]]);
      await watcher.stop();
      await store.destroy();
    }),

  account: (url) =>
    withStream(url, "account", {}, async (js, manager) => {
      await publish(js, "account", 1);
      const info = await manager.getAccountInfo();
      assert.equal(info.streams, 1);
      assert.ok(info.storage > 0);
    }),
};

async function main() {
  const [url] = process.argv.slice(2);
  for (const [name, scenario] of Object.entries(scenarios)) {
    const timeout = setTimeout(() => {
      console.error(`failed ${name}: no end within ${SCENARIO_MILLISECONDS} ms`);
      process.exit(1);
    }, SCENARIO_MILLISECONDS);
    try {
      await scenario(url);
    } catch (error) {
      throw new Error(`failed ${name}: ${error.stack ?? error}`);
    }
    clearTimeout(timeout);
    console.log(`ok ${name}`);
  }
}

main().then(
  () => process.exit(0),
  (error) => {
    console.error(error.message);
    process.exit(1);
  },
);
