/** The clients that applications use, on a hardened host, over TLS with the certificates that redkeep issued for them. */

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Redis } from "ioredis";
import { createClient } from "redis";
import { besideHosts } from "../../test/integration/support/lab.ts";
import type { Project } from "../../test/integration/support/project.ts";

interface Login {
  host: string;
  port: number;
  password: string;
  ca: string;
  cert: string;
  key: string;
}

/** What was tried, and the reply or the error, as text. */
type Seen = [what: string, reply: string][];

/** What an application gets: the same of each client. */
export const EXPECTED: readonly [what: string, reply: RegExp][] = [
  ["SET and GET", /^1$/],
  ["transaction", /2.*2/],
  ["publish and subscribe", /^hello$/],
  ["scan", /app:a/],
  ["another's key", /NOPERM|No permissions/i],
  ["FLUSHALL", /unknown command|NOPERM/i],
  ["CONFIG GET", /unknown command|NOPERM/i],
  ["KEYS", /unknown command|NOPERM/i],
];

export const CLIENTS: Readonly<Record<string, (login: Login) => Promise<Seen>>> = {
  ioredis,
  nodeRedis,
  redisPy,
};

export function loginOf(project: Project, host: string): Login {
  const pem = (name: string): string => readFileSync(project.path(`.redkeep/pki/${name}`), "utf8");
  return {
    host,
    port: 6380,
    password: project.appPassword,
    ca: pem("ca.crt"),
    cert: pem("clients/app.crt"),
    key: pem("clients/app.key"),
  };
}

async function attempts(tries: Record<string, () => Promise<unknown>>): Promise<Seen> {
  const seen: Seen = [];
  for (const [what, work] of Object.entries(tries)) {
    seen.push([what, await work().then(String, (error: Error) => error.message)]);
  }
  return seen;
}

async function ioredis({ host, port, password, ca, cert, key }: Login): Promise<Seen> {
  const options = { host, port, username: "app", password, connectionName: "shop", tls: { ca, cert, key } };
  const client = new Redis(options);
  const subscriber = new Redis(options);
  try {
    return await attempts({
      "SET and GET": async () => (await client.set("app:a", "1")) && (await client.get("app:a")),
      transaction: async () =>
        JSON.stringify(await client.multi().set("app:x", 1).incr("app:x").get("app:x").exec()),
      "publish and subscribe": async () => {
        const message = new Promise((done) => subscriber.on("message", (_channel, text) => done(text)));
        await subscriber.subscribe("app:news");
        await client.publish("app:news", "hello");
        return await message;
      },
      scan: async () => (await client.scan(0, "MATCH", "app:a*"))[1],
      "another's key": () => client.get("other:a"),
      FLUSHALL: () => client.flushall(),
      "CONFIG GET": () => client.config("GET", "*"),
      KEYS: () => client.keys("*"),
    });
  } finally {
    client.disconnect();
    subscriber.disconnect();
  }
}

async function nodeRedis({ host, port, password, ca, cert, key }: Login): Promise<Seen> {
  const client = createClient({
    username: "app",
    password,
    name: "shop",
    socket: { host, port, tls: true, ca, cert, key },
  });
  const subscriber = client.duplicate();
  await client.connect();
  await subscriber.connect();
  try {
    return await attempts({
      "SET and GET": async () => (await client.set("app:a", "1")) && (await client.get("app:a")),
      transaction: async () =>
        JSON.stringify(await client.multi().set("app:x", 1).incr("app:x").get("app:x").exec()),
      "publish and subscribe": async () => {
        const { promise, resolve } = Promise.withResolvers<string>();
        await subscriber.subscribe("app:news", resolve);
        await client.publish("app:news", "hello");
        return await promise;
      },
      scan: async () => (await client.scan("0", { MATCH: "app:a*" })).keys,
      "another's key": () => client.get("other:a"),
      FLUSHALL: () => client.flushAll(),
      "CONFIG GET": () => client.configGet("*"),
      KEYS: () => client.keys("*"),
    });
  } finally {
    client.destroy();
    subscriber.destroy();
  }
}

/** Debian's redis-py, in a container of its own. */
async function redisPy(login: Login): Promise<Seen> {
  const program = readFileSync(join(import.meta.dirname, "clients.py"), "utf8");
  const { stdout, stderr } = spawnSync("docker", besideHosts(program), {
    input: `${JSON.stringify(login)}\n`,
    encoding: "utf8",
  });
  if (stdout === "") throw new Error(stderr);
  return JSON.parse(stdout) as Seen;
}
