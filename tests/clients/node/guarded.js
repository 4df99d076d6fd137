// Drives a NATS server that has users, TLS and WebSocket with the official JavaScript client.
//
// Usage: node guarded.js HOST:PORT WEBSOCKET-HOST:PORT CA-FILE SEED-FILE, with the CA file also in
// NODE_EXTRA_CA_CERTS for the WebSocket. Prints `ok NAME` per scenario; ../README.md describes the
// line protocol of the last two.

import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import readline from "node:readline";
import { connect, errors, nkeyAuthenticator, wsconnect } from "@nats-io/transport-node";
import { WebSocket } from "ws";

// Node has a WebSocket of its own only since version 22.
globalThis.WebSocket ??= WebSocket;

const SCENARIO_MILLISECONDS = 60_000;
const [address, websocket, caFile, seedFile] = process.argv.slice(2);
const app = { user: "app", pass: "secret" };
const few = { user: "few", pass: "few" };
const leaver = { user: "leaver", pass: "leaver" };

function open(options) {
  return connect({ servers: address, tls: { caFile }, reconnect: false, ...options });
}

async function withConnection(options, body) {
  const client = await open(options);
  try {
    await body(client);
  } finally {
    await client.close();
  }
}

/** The next message of a subscription. */
function next(client, subject) {
  return new Promise((resolve, reject) => {
    const callback = (error, message) => (error ? reject(error) : resolve(message.string()));
    client.subscribe(subject, { max: 1, callback });
  });
}

/** Sends a message to itself. */
async function exchange(client, subject, text = "hello") {
  const message = next(client, subject);
  client.publish(subject, text);
  assert.equal(await message, text);
}

function refused(options) {
  return assert.rejects(open(options), errors.AuthorizationError);
}

/** The first event of a connection that is wanted. */
async function event(client, wanted) {
  for await (const status of client.status()) {
    if (wanted(status)) {
      return status;
    }
  }
  throw new Error("connection closed instead");
}

/** Has something done to the server. */
async function ask(what) {
  const input = readline.createInterface({ input: process.stdin });
  console.log(`READY-FOR-${what}`);
  await once(input, "line");
  input.close();
}

const scenarios = {
  "tls-password": async () => {
    await withConnection(app, (client) => exchange(client, "password"));
    await refused({ user: "app", pass: "wrong" });
    await refused({});
  },

  nkey: () => {
    const authenticator = nkeyAuthenticator(readFileSync(seedFile));
    return withConnection({ authenticator }, (client) => exchange(client, "nkey"));
  },

  permissions: () =>
    withConnection(few, async (client) => {
      const isViolation = (status) => status.error instanceof errors.PermissionViolationError;
      const publish = event(client, isViolation);
      client.publish("no.a");
      assert.equal((await publish).error.operation, "publish");
      await assert.rejects(next(client, "no.a"), errors.PermissionViolationError);
      await exchange(client, "ok.a");
    }),

  websocket: async () => {
    const client = await wsconnect({ servers: `wss://${websocket}`, reconnect: false, ...app });
    await exchange(client, "websocket", "x".repeat(100_000));
    await client.close();
  },

  reload: async () => {
    await withConnection(app, (kept) =>
      withConnection(few, async (some) => {
        const ended = (await open(leaver)).closed();
        const message = next(kept, "new.a");
        await kept.flush();
        await ask("RELOAD");
        await ended;
        some.publish("new.a", "more rights");
        assert.equal(await message, "more rights");
      }));
    await refused(leaver);
  },

  "lame-duck": () =>
    withConnection(app, async (client) => {
      const told = event(client, (status) => status.type === "ldm");
      await client.flush();
      await ask("LAME-DUCK");
      await told;
      await exchange(client, "still.here");
    }),
};

async function main() {
  for (const [name, scenario] of Object.entries(scenarios)) {
    const timeout = setTimeout(() => {
      console.error(`failed ${name}: no end within ${SCENARIO_MILLISECONDS} ms`);
      process.exit(1);
    }, SCENARIO_MILLISECONDS);
    await scenario();
    clearTimeout(timeout);
    console.log(`ok ${name}`);
  }
}

main().then(
  () => process.exit(0),
  (error) => {
    console.error(error.stack);
    process.exit(1);
  },
);
