"""Drives a NATS server that has users, TLS and WebSocket with the official Python client, nats-py.

Usage: guarded.py HOST:PORT WEBSOCKET-HOST:PORT CA-FILE SEED-FILE. Prints `ok NAME` per scenario;
../README.md describes the line protocol of the last two.
"""

import asyncio
import contextlib
import ssl
import sys

import nats

from scenarios import SCENARIO_SECONDS, expect, flush, payloads, report

ADDRESS, WEBSOCKET, CA_FILE, SEED_FILE = sys.argv[1:]
APP = {"user": "app", "password": "secret"}


@contextlib.asynccontextmanager
async def connection(url=f"tls://{ADDRESS}", **options):
    context = ssl.create_default_context(cafile=CA_FILE)
    options = {"error_cb": report, "allow_reconnect": False, **options}
    client = await nats.connect(url, tls=context, **options)
    try:
        yield client
    finally:
        await client.close()


async def exchange(client, subject, text="hello"):
    """Sends a message to itself."""
    subscription = await client.subscribe(subject)
    await client.publish(subject, text.encode())
    expect(await payloads(subscription, 1), [text], subject)


async def refused(**options):
    seen = []

    async def note(error):
        seen.append(str(error))

    try:
        async with connection(error_cb=note, **options):
            pass
    except Exception as error:
        seen.append(str(error))
    expect(any("authorization violation" in text.lower() for text in seen), True, f"a refusal in {seen}")


async def ask(what):
    """Has something done to the server."""
    print(f"READY-FOR-{what}", flush=True)
    line = await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    expect(bool(line), True, "a line on standard input")


async def tls_password():
    async with connection(**APP) as client:
        await exchange(client, "password")
    await refused(user="app", password="wrong")
    await refused()


async def nkey():
    async with connection(nkeys_seed=SEED_FILE) as client:
        await exchange(client, "nkey")


async def permissions():
    errors = asyncio.Queue()
    async with connection(user="few", password="few", error_cb=errors.put) as client:
        await client.publish("no.a", b"")
        await client.flush(timeout=SCENARIO_SECONDS)
        expect("permissions violation for publish" in str(await errors.get()).lower(), True, "publish")
        await client.subscribe("no.a")
        expect("permissions violation for subscription" in str(await errors.get()).lower(), True, "subscribe")
        await exchange(client, "ok.a")


async def websocket():
    async with connection(f"wss://{WEBSOCKET}", **APP) as client:
        await exchange(client, "websocket", "x" * 100_000)


async def reload():
    closed = asyncio.Event()

    async def on_close():
        closed.set()

    few = {"user": "few", "password": "few"}
    leaver = {"user": "leaver", "password": "leaver"}
    async with (
        connection(**APP) as app,
        connection(**few) as some,
        connection(**leaver, closed_cb=on_close, error_cb=ignore),
    ):
        subscription = await app.subscribe("new.a")
        await flush(app)
        await ask("RELOAD")
        await closed.wait()
        await some.publish("new.a", b"more rights")
        expect(await payloads(subscription, 1), ["more rights"], "the kept connections")
    await refused(**leaver)


async def ignore(error):
    pass


async def lame_duck():
    told = asyncio.Event()

    async def on_lame_duck():
        told.set()

    async with connection(**APP, lame_duck_mode_cb=on_lame_duck) as client:
        await flush(client)
        await ask("LAME-DUCK")
        await told.wait()
        await exchange(client, "still.here")


async def main():
    for function in [tls_password, nkey, permissions, websocket, reload, lame_duck]:
        name = function.__name__.replace("_", "-")
        try:
            await asyncio.wait_for(function(), SCENARIO_SECONDS)
        except Exception as error:
            sys.exit(f"failed {name}: {error!r}")
        print(f"ok {name}", flush=True)


asyncio.run(main())
