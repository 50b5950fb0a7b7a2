import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";

const REALM = "REDKEEP.TEST";
/** Debian keeps the servers' programs off an ordinary user's PATH. */
const PATH = `${process.env.PATH}:/usr/local/sbin:/usr/sbin:/sbin`;

/** A realm of Kerberos with its key distribution centre, a process of the test on loopback. */
export interface Realm extends AsyncDisposable {
  name: string;
  /** What a client of the realm needs in its environment. */
  env: { KRB5_CONFIG: string; KRB5CCNAME: string };
  /** Makes a service known to the realm. @returns its keytab */
  addService(principal: string): Promise<Buffer>;
  /** Makes a user known to the realm, and fetches a ticket for them that could be forwarded. */
  logIn(user: string): Promise<void>;
}

/** @param folder where its database and files go */
export async function startRealm(folder: string): Promise<Realm> {
  mkdirSync(folder);
  const file = (name: string) => join(folder, name);
  const port = await freePort();
  // A host is called what the inventory calls it: no DNS is asked for another name.
  writeFileSync(
    file("krb5.conf"),
    `[libdefaults]
 default_realm = ${REALM}
 rdns = false
 dns_canonicalize_hostname = false
 dns_lookup_kdc = false
[realms]
 ${REALM} = {
  kdc = 127.0.0.1:${port}
 }
`,
  );
  writeFileSync(
    file("kdc.conf"),
    `[realms]
 ${REALM} = {
  database_name = ${file("principal")}
  key_stash_file = ${file("stash")}
  kdc_listen = 127.0.0.1:${port}
  kdc_tcp_listen = 127.0.0.1:${port}
 }
[logging]
 kdc = FILE:${file("kdc.log")}
`,
  );
  const own = { KRB5_CONFIG: file("krb5.conf"), KRB5CCNAME: `FILE:${file("tickets")}` };
  const env = { ...process.env, PATH, ...own, KRB5_KDC_PROFILE: file("kdc.conf") };
  const run = (program: string, ...args: string[]) => promisify(execFile)(program, args, { env });
  const administer = (query: string) => run("kadmin.local", "-r", REALM, "-q", query);

  await run("kdb5_util", "create", "-s", "-r", REALM, "-P", "master-password-of-the-tests");
  const centre = spawn("krb5kdc", ["-n", "-r", REALM], { env, stdio: "ignore" });
  const ended = once(centre, "exit");
  await Promise.race([
    answers(port),
    ended.then(() => Promise.reject(new Error(readFileSync(file("kdc.log"), "utf8")))),
  ]);
  return {
    name: REALM,
    env: own,
    async addService(principal) {
      const keytab = file("service.keytab");
      await administer(`addprinc -randkey ${principal}`);
      await administer(`ktadd -k ${keytab} ${principal}`);
      return readFileSync(keytab);
    },
    async logIn(user) {
      const password = "kerberos-password-of-the-tests";
      await administer(`addprinc -pw ${password} ${user}`);
      const asking = spawn("kinit", ["-f", user], { env, stdio: ["pipe", "ignore", "inherit"] });
      asking.stdin.end(`${password}\n`);
      const [status] = await once(asking, "exit");
      if (status !== 0) throw new Error(`kinit ${user} ended with ${status}`);
    },
    async [Symbol.asyncDispose]() {
      centre.kill();
      await ended;
    },
  };
}

/** A port of loopback that nobody listens at. */
async function freePort(): Promise<number> {
  const listener = createServer();
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  const { port } = listener.address() as AddressInfo;
  await new Promise((resolve) => listener.close(resolve));
  return port;
}

/** Settled once somebody listens there. */
async function answers(port: number): Promise<void> {
  for (;;) {
    const socket = connect(port, "127.0.0.1");
    const isOpen = await once(socket, "connect").then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (isOpen) return;
    await new Promise(setImmediate);
  }
}
