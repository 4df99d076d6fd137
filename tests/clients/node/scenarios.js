// Drives a NATS server with the official JavaScript client, @nats-io/transport-node, one scenario
// after another.
//
// Usage: node scenarios.js URL. Prints `ok NAME` per scenario; ../README.md describes the line
// protocol of the reconnect scenario. Between two connections, a scenario only relies on what the
// protocol promises: a PONG proves that earlier subscriptions are live, and messages of one
// publisher arrive at one subscriber in order, so an `end` message proves that nothing else is
// still on its way.

import assert from "node:assert/strict";
import { once } from "node:events";
import readline from "node:readline";
import { connect, errors, headers, Match } from "@nats-io/transport-node";

const SCENARIO_MILLISECONDS = 60_000;
const REQUEST = { timeout: SCENARIO_MILLISECONDS };

/** A subscription together with everything that it has received and nobody has taken yet. */
class Mailbox {
  messages = [];
  #wake = () => {};

  constructor(client, subject, options = {}) {
    this.subscription = client.subscribe(subject, {
      ...options,
      callback: (error, message) => {
        if (error) {
          throw error;
        }
        this.messages.push(message);
        this.#wake();
      },
    });
  }

  /** Waits until `count` messages are there and takes these out. */
  async take(count) {
    while (this.messages.length < count) {
      await new Promise((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.messages.splice(0, count);
  }

  async takeTexts(count) {
    return (await this.take(count)).map((message) => message.string());
  }

  /** Waits for the message `end` without taking anything out. */
  async ended() {
    while (this.messages.at(-1)?.string() !== "end") {
      await new Promise((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

/** Runs `body` with `count` connections and closes them at the end, also after a failure. */
async function withConnections(url, count, body, options = {}) {
  const clients = [];
  try {
    for (let opened = 0; opened < count; opened += 1) {
      clients.push(await connect({ servers: url, reconnect: false, ...options }));
    }
    await body(...clients);
  } finally {
    await Promise.all(clients.map((client) => client.close()));
  }
}

function flush(...clients) {
  return Promise.all(clients.map((client) => client.flush()));
}

function numbers(count) {
  return Array.from({ length: count }, (_, number) => `${number}`);
}

/** Headers in plain form: the order of names is not part of the promise, that of values is. */
function plainHeaders(message) {
  if (message.headers === undefined) {
    return undefined;
  }
  const names = [...message.headers.keys()].sort();
  return names.map((name) => [name, message.headers.values(name, Match.Exact)]);
}

const scenarios = {
  "publish-subscribe": (url) =>
    withConnections(url, 2, async (publisher, subscriber) => {
      const mailbox = new Mailbox(subscriber, "plain.subject");
      await flush(subscriber);
      const binary = Uint8Array.from({ length: 256 }, (_, byte) => byte);
      publisher.publish("plain.other", "not for us");
      publisher.publish("plain.subject", "hello");
      publisher.publish("plain.subject");
      publisher.publish("plain.subject", binary, { reply: "plain.reply" });
      const [first, empty, last] = await mailbox.take(3);
      assert.equal(first.subject, "plain.subject");
      assert.equal(first.string(), "hello");
      assert.equal(first.reply ?? "", "");
      assert.equal(empty.data.length, 0);
      assert.deepEqual(Buffer.from(last.data), Buffer.from(binary));
      assert.equal(last.reply, "plain.reply");
    }),

  wildcards: (url) =>
    withConnections(url, 2, async (publisher, subscriber) => {
      const published = ["wild", "wild.a", "wild.a.x", "wild.a.b.x", "wild.b.x", "other.a.x"];
      const expected = {
        "wild.*.x": ["wild.a.x", "wild.b.x"],
        "wild.*": ["wild.a"],
        "*.a.*": ["wild.a.x", "other.a.x"],
        "wild.>": ["wild.a", "wild.a.x", "wild.a.b.x", "wild.b.x"],
        ">": [...published, "wildcards-end"],
      };
      const mailboxes = Object.keys(expected).map((subject) => new Mailbox(subscriber, subject));
      const ended = new Mailbox(subscriber, "wildcards-end");
      await flush(subscriber);
      published.forEach((subject) => publisher.publish(subject));
      publisher.publish("wildcards-end", "end");
      await Promise.all([ended.ended(), mailboxes.at(-1).ended()]);
      Object.entries(expected).forEach(([pattern, subjects], index) => {
        assert.deepEqual(mailboxes[index].messages.map((message) => message.subject), subjects, pattern);
      });
    }),

  "request-reply": (url) =>
    withConnections(url, 2, async (requester, responder) => {
      responder.subscribe("service.echo", {
        callback: (_, message) => message.respond(`re: ${message.string()}`),
      });
      await flush(responder);
      const reply = await requester.request("service.echo", "one", REQUEST);
      assert.equal(reply.string(), "re: one");
      const replies = await Promise.all(
        numbers(200).map((body) => requester.request("service.echo", body, REQUEST)),
      );
      assert.deepEqual(replies.map((message) => message.string()), numbers(200).map((body) => `re: ${body}`));
    }),

  "no-responders": (url) =>
    withConnections(url, 1, async (client) => {
      await assert.rejects(client.request("service.nobody", "", REQUEST), isNoResponders);
    }),

  "request-timeout": (url) =>
    withConnections(url, 2, async (requester, silent) => {
      new Mailbox(silent, "service.silent");
      await flush(silent);
      await assert.rejects(
        requester.request("service.silent", "", { timeout: 200 }),
        (error) => error instanceof errors.TimeoutError || error.cause instanceof errors.TimeoutError,
      );
    }),

  "queue-groups": (url) => {
    const groups = ["workers", "workers", "workers", "auditors", "auditors", undefined];
    return withConnections(url, groups.length + 1, async (publisher, ...members) => {
      const mailboxes = members.map((member, index) => new Mailbox(member, "queue.jobs", { queue: groups[index] }));
      const ends = members.map((member) => new Mailbox(member, "queue.end"));
      await flush(...members);
      numbers(600).forEach((body) => publisher.publish("queue.jobs", body));
      publisher.publish("queue.end", "end");
      await Promise.all(ends.map((mailbox) => mailbox.ended()));
      for (const group of new Set(groups)) {
        const shares = mailboxes
          .filter((_, index) => groups[index] === group)
          .map((mailbox) => mailbox.messages.map((message) => Number(message.string())));
        const inOrder = (list) => list.toSorted((left, right) => left - right);
        assert.deepEqual(inOrder(shares.flat()), numbers(600).map(Number), `messages of group ${group}`);
        for (const share of shares) {
          assert.ok(share.length > 0, `a member of ${group} got nothing`);
          assert.deepEqual(share, inOrder(share), `order within a member of ${group}`);
        }
      }
    });
  },

  headers: (url) =>
    withConnections(url, 2, async (publisher, subscriber) => {
      const sent = headers();
      sent.append("Trace-Id", "abc-123");
      sent.append("lower-case", "kept as it is");
      sent.append("Many", "first");
      sent.append("Many", "second: with colon");
      sent.append("Many", "third");
      const expected = plainHeaders({ headers: sent });
      const mailbox = new Mailbox(subscriber, "headers.plain");
      subscriber.subscribe("headers.echo", {
        callback: (_, message) => message.respond("back", { headers: message.headers }),
      });
      await flush(subscriber);
      publisher.publish("headers.plain", "with", { headers: sent });
      publisher.publish("headers.plain", "without");
      publisher.publish("headers.plain", "", { headers: sent });
      const [withHeaders, without, empty] = await mailbox.take(3);
      assert.equal(withHeaders.string(), "with");
      assert.deepEqual(plainHeaders(withHeaders), expected);
      assert.deepEqual(withHeaders.headers.values("Many"), ["first", "second: with colon", "third"]);
      assert.equal(without.string(), "without");
      assert.equal(plainHeaders(without), undefined);
      assert.equal(empty.data.length, 0);
      assert.deepEqual(plainHeaders(empty), expected);
      const reply = await publisher.request("headers.echo", "", { ...REQUEST, headers: sent });
      assert.equal(reply.string(), "back");
      assert.deepEqual(plainHeaders(reply), expected);
    }),

  "subscription-drain": (url) =>
    withConnections(url, 2, async (publisher, subscriber) => {
      const mailbox = new Mailbox(subscriber, "drain.subject");
      const ended = new Mailbox(subscriber, "drain.end");
      await flush(subscriber);
      numbers(1000).forEach((body) => publisher.publish("drain.subject", body));
      // After this PONG the server holds every message: an UNSUB that comes later loses none.
      await flush(publisher);
      await mailbox.subscription.drain();
      assert.deepEqual(mailbox.messages.map((message) => message.string()), numbers(1000));
      publisher.publish("drain.subject", "too late");
      publisher.publish("drain.end", "end");
      await ended.ended();
      assert.equal(mailbox.messages.length, 1000, "messages after the drain");
    }),

  "connection-drain": (url) =>
    withConnections(url, 3, async (publisher, relay, observer) => {
      const out = new Mailbox(observer, "relay.out");
      relay.subscribe("relay.in", { callback: (_, message) => relay.publish("relay.out", message.data) });
      await flush(observer, relay);
      numbers(1000).forEach((body) => publisher.publish("relay.in", body));
      await flush(publisher);
      await relay.drain();
      assert.ok(relay.isClosed(), "connection closed by its drain");
      assert.deepEqual(await out.takeTexts(1000), numbers(1000));
    }),

  "auto-unsubscribe": (url) =>
    withConnections(url, 2, async (publisher, subscriber) => {
      const mailbox = new Mailbox(subscriber, "auto.subject", { max: 5 });
      const ended = new Mailbox(subscriber, "auto.end");
      await flush(subscriber);
      numbers(10).forEach((body) => publisher.publish("auto.subject", body));
      publisher.publish("auto.end", "end");
      await ended.ended();
      assert.deepEqual(mailbox.messages.map((message) => message.string()), numbers(5));
      assert.ok(mailbox.subscription.isClosed(), "subscription closed at its limit");
      await assert.rejects(subscriber.request("auto.subject", "", REQUEST), isNoResponders);
    }),

  "thousand-subscriptions": (url) =>
    withConnections(url, 2, async (publisher, subscriber) => {
      const mailboxes = numbers(1000).map((number) => new Mailbox(subscriber, `many.${number}`));
      const ended = new Mailbox(subscriber, "many.end");
      await flush(subscriber);
      numbers(1000).forEach((number) => publisher.publish(`many.${number}`, `for ${number}`));
      publisher.publish("many.end", "end");
      await ended.ended();
      mailboxes.forEach((mailbox, number) => {
        assert.deepEqual(mailbox.messages.map((message) => message.string()), [`for ${number}`]);
      });
    }),

  "max-payload": (url) =>
    withConnections(url, 2, async (publisher, subscriber) => {
      const size = publisher.info.max_payload;
      assert.equal(size, 1024 * 1024);
      // 251 is prime: no shift by a buffer's size can go unseen.
      const body = Uint8Array.from({ length: size }, (_, index) => index % 251);
      subscriber.subscribe("large.echo", { callback: (_, message) => message.respond(message.data) });
      await flush(subscriber);
      for (let round = 0; round < 3; round += 1) {
        const reply = await publisher.request("large.echo", body, REQUEST);
        assert.equal(Buffer.compare(reply.data, body), 0, "payload sent back unchanged");
      }
    }),

  "payload-too-large": (url) =>
    withConnections(url, 2, async (publisher, subscriber) => {
      const mailbox = new Mailbox(subscriber, "large.refused");
      await flush(subscriber);
      const body = new Uint8Array(publisher.info.max_payload + 1);
      assert.throws(() => publisher.publish("large.refused", body), errors.InvalidArgumentError);
      publisher.publish("large.refused", "still here");
      assert.deepEqual(await mailbox.takeTexts(1), ["still here"]);
    }),

  "flush-and-rtt": (url) =>
    withConnections(url, 1, async (client) => {
      for (const body of numbers(100)) {
        client.publish("flush.nobody", body);
        await client.flush();
      }
      assert.ok((await client.rtt()) >= 0);
    }),

  "echo-off": (url) =>
    withConnections(url, 1, (other) =>
      withConnections(url, 1, async (quiet) => {
        const heard = new Mailbox(quiet, "echo.subject");
        const elsewhere = new Mailbox(other, "echo.subject");
        await flush(quiet, other);
        quiet.publish("echo.subject", "own");
        await flush(quiet);
        assert.deepEqual(await elsewhere.takeTexts(1), ["own"]);
        other.publish("echo.subject", "end");
        assert.deepEqual(await heard.takeTexts(1), ["end"]);
      }, { noEcho: true })),

  "many-connections": (url) =>
    withConnections(url, 8, async (...clients) => {
      const mailboxes = clients.map((client) => new Mailbox(client, "mesh.*"));
      await flush(...clients);
      numbers(1000).forEach((body) => {
        clients.forEach((client, sender) => client.publish(`mesh.${sender}`, `${sender} ${body}`));
      });
      for (const mailbox of mailboxes) {
        const texts = await mailbox.takeTexts(clients.length * 1000);
        clients.forEach((_, sender) => {
          const fromSender = texts.filter((text) => text.startsWith(`${sender} `));
          assert.deepEqual(fromSender, numbers(1000).map((body) => `${sender} ${body}`));
        });
      }
    }),

  burst: (url) =>
    withConnections(url, 2, async (publisher, subscriber) => {
      const mailbox = new Mailbox(subscriber, "burst");
      await flush(subscriber);
      const bodies = numbers(100_000);
      bodies.forEach((body) => publisher.publish("burst", body));
      publisher.publish("burst", "end");
      await mailbox.ended();
      assert.deepEqual(await mailbox.takeTexts(100_001), [...bodies, "end"]);
    }),

  reconnect: (url) =>
    withConnections(url, 2, async (...clients) => {
      const [publisher, subscriber] = clients;
      const back = clients.map(reconnected);
      const mailboxes = [
        new Mailbox(subscriber, "again.literal"),
        new Mailbox(subscriber, "again.*"),
        new Mailbox(subscriber, "again.literal", { queue: "group" }),
      ];
      for (const text of ["before", "after"]) {
        if (text === "after") {
          const input = readline.createInterface({ input: process.stdin });
          console.log("READY-FOR-RESTART");
          const ended = once(input, "close").then(() => {
            throw new Error("standard input ended before the server was back");
          });
          await Promise.race([once(input, "line"), ended]);
          ended.catch(() => {});
          input.close();
          await Promise.all(back);
        }
        await flush(...clients);
        publisher.publish("again.literal", text);
        for (const mailbox of mailboxes) {
          assert.deepEqual(await mailbox.takeTexts(1), [text]);
        }
      }
    }, { reconnect: true, maxReconnectAttempts: -1, reconnectTimeWait: 100 }),
};

function isNoResponders(error) {
  return error instanceof errors.NoRespondersError || error.cause instanceof errors.NoRespondersError;
}

async function reconnected(client) {
  for await (const status of client.status()) {
    if (status.type === "reconnect") {
      return;
    }
  }
  throw new Error("connection closed instead of coming back");
}

async function main() {
  const [url] = process.argv.slice(2);
  if (url === undefined) {
    throw new Error("usage: node scenarios.js URL");
  }
  for (const [name, scenario] of Object.entries(scenarios)) {
    let timer;
    const timeout = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no end within ${SCENARIO_MILLISECONDS} ms`)), SCENARIO_MILLISECONDS);
    });
    try {
      await Promise.race([scenario(url), timeout]);
    } catch (error) {
      throw new Error(`failed ${name}: ${error.stack ?? error}`);
    } finally {
      clearTimeout(timer);
    }
    console.log(`ok ${name}`);
  }
}

// Exit by hand: a failed scenario may leave sockets and timers behind that would keep node alive.
main().then(
  () => process.exit(0),
  (error) => {
    console.error(error.message);
    process.exit(1);
  },
);
