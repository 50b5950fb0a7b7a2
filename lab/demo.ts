/** redkeep's main job on three insecure Redis hosts, with the commands as anyone would type them in this folder. */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { parseArgs, styleText } from "node:util";
import {
  type LabHost,
  type LabNetwork,
  labKey,
  startHost,
  startNetwork,
  writeInventory,
} from "../test/integration/support/lab.ts";
import { sweep } from "../test/integration/support/sweep.ts";

const keep = parseArgs({ options: { keep: { type: "boolean", default: false } } }).values.keep;
const started = Number(process.env.DEMO_STARTED ?? Date.now() / 1000);
const keys = 5000;

sweep();
const dir = mkdtempSync(join(tmpdir(), "redkeep-demo-"));
process.env.REDKEEP_LAB_PID = keep ? "kept" : String(process.pid);
let hosts: Record<string, LabHost> = {};

let running: ReturnType<typeof spawn> | undefined;
let interrupted = 0;
const interrupt = (status: number) => (): void => {
  // A command on show gets the terminal's Ctrl-C itself and ends in its own way first, unless asked twice.
  if (running === undefined || interrupted > 0) process.exit(status);
  interrupted = status;
};
process.on("SIGINT", interrupt(130));
process.on("SIGTERM", () => {
  running?.kill("SIGTERM");
  interrupt(143)();
});
process.on("exit", () => {
  if (keep) return tellHowToUse();
  sweep(process.pid);
  rmSync(dir, { recursive: true, force: true });
});

/** Shows a shell command and runs it with this terminal; any other exit status than `expected` ends the demo. */
async function show(command: string, expected = 0): Promise<void> {
  console.log(styleText("bold", `$ ${command}`));
  const status = await new Promise<number | null>((done) => {
    running = spawn("sh", ["-c", command], { stdio: "inherit" });
    running.on("close", done);
  });
  running = undefined;
  if (interrupted > 0) process.exit(interrupted);
  if (status !== expected) throw new Error(`expected exit status ${expected}, found ${status}: ${command}`);
  console.log();
}

function heading(text: string): void {
  console.log(styleText(["bold", "cyan"], `\n━━ ${text}\n`));
}

/** Debian's Redis as hurried hands leave it: open to every address, without a password, its file open to all. */
async function insecureHost(network: LabNetwork, alias: string): Promise<LabHost> {
  const host = await startHost({ network, alias });
  const { status, stderr } = await host.sh(`
    set -e
    sed -i -E 's/^bind .*/bind 0.0.0.0/; s/^protected-mode .*/protected-mode no/' /etc/redis/redis.conf
    chmod 644 /etc/redis/redis.conf
    systemctl restart redis-server`);
  if (status !== 0) throw new Error(`${alias}: ${stderr}`);
  await host.redis(
    "EVAL",
    "for i = 1, ARGV[1] do redis.call('SET', 'app:' .. i, 'value ' .. i) end",
    "0",
    `${keys}`,
  );
  return host;
}

/** What a neighbour in the network gets from a host without a password. */
async function ask(from: LabHost, target: LabHost, command: string): Promise<string> {
  const { stdout, stderr } = await from.sh(`timeout 5 redis-cli -h ${target.ip} ${command} 2>&1`);
  return (stdout + stderr).trim();
}

/** The same as the application, with the certificate and the password that redkeep gave it. */
async function askAsApplication(from: LabHost, target: LabHost, command: string): Promise<string> {
  const pki = join(dir, ".redkeep/pki");
  for (const file of ["ca.crt", "clients/app.crt", "clients/app.key"]) {
    await from.writeFile(`/root/pki/${file}`, readFileSync(join(pki, file), "utf8"), "0600");
  }
  const tls = "--tls --cacert ca.crt --cert clients/app.crt --key clients/app.key";
  const { stdout, stderr } = await from.sh(
    `cd /root/pki; REDISCLI_AUTH=$(cat) timeout 5 redis-cli -h ${target.ip} -p 6380 ${tls} --user app ${command} 2>&1; rm -r /root/pki`,
    readFileSync(join(dir, "app-password"), "utf8"),
  );
  return (stdout + stderr).trim();
}

function tellHowToUse(): void {
  console.log(styleText("bold", "\nThe hosts stay up. To log in:"));
  for (const [name, host] of Object.entries(hosts)) {
    const options = `-i ${relative(".", labKey)} -o UserKnownHostsFile=${dir}/known_hosts`;
    console.log(`  ssh ${options} -p ${host.sshPort} root@${host.address}    # ${name}`);
  }
  console.log(`To go on with redkeep:
  export APP_PASSWORD=$(cat ${dir}/app-password)
  npx node src/cli.ts verify -i ${dir}/inventory.yml
To remove them:
  docker rm -fv $(docker ps -aq --filter label=redkeep.lab=kept)
  docker network prune -f --filter label=redkeep.lab=kept
  rm -r ${dir}`);
}

async function demo(): Promise<string> {
  const inventory = join(dir, "inventory.yml");
  const cli = "npx node src/cli.ts";

  heading("Three Redis hosts, as insecure as they come");
  const network = await startNetwork();
  const names = ["redis-01", "redis-02", "redis-03"];
  const booted = await Promise.all(
    names.map(async (name) => [name, await insecureHost(network, name)] as const),
  );
  hosts = Object.fromEntries(booted);
  const [first, second] = [hosts["redis-01"], hosts["redis-02"]];
  if (first === undefined || second === undefined) throw new Error("the hosts did not start");
  writeInventory(dir, hosts);
  console.log(`redis-01, redis-02 and redis-03 run systemd, sshd and Redis with ${keys} keys each.`);
  console.log("Anyone in their network may ask redis-01, without a password:");
  console.log(`  DBSIZE          ${await ask(second, first, "DBSIZE")}`);
  console.log(`  GET app:1       ${await ask(second, first, "GET app:1")}`);
  console.log(`  CONFIG GET dir  ${(await ask(second, first, "CONFIG GET dir")).replace("\n", " ")}`);

  heading("The inventory: where they are and how to log in");
  await show(`cat ${inventory}`);

  heading("The plan: what would change, and nothing is changed");
  writeFileSync(join(dir, "app-password"), randomBytes(24).toString("base64url"), { mode: 0o600 });
  process.env.APP_PASSWORD = readFileSync(join(dir, "app-password"), "utf8");
  console.log(styleText("bold", `$ export APP_PASSWORD=$(cat ${dir}/app-password)`));
  await show(`${cli} plan -i ${inventory}`, 2);

  heading("Apply: make the changes");
  await show(`${cli} apply -i ${inventory} --yes`);

  heading("Verify: prove it on the running hosts");
  await show(`${cli} verify -i ${inventory}`);

  heading("Apply again: nothing left to do");
  await show(`${cli} apply -i ${inventory} --yes`);

  heading("The same neighbour now, and the application");
  const refused = await ask(second, first, "DBSIZE");
  const served = await askAsApplication(second, first, "GET app:1");
  console.log(`  DBSIZE without a password                 ${refused || "(no answer)"}`);
  console.log(`  GET app:1 with certificate and password   ${served}`);
  if (/^\d+$/.test(refused)) throw new Error("redis-01 still answers anyone");
  if (served !== "value 1") throw new Error("redis-01 does not answer the application");

  heading("The run records: the source of every report");
  const runs = join(dir, ".redkeep/runs");
  await show(`ls -l ${runs}`);
  return `3 hosts hardened and verified, ${readdirSync(runs).length} run records`;
}

try {
  const summary = await demo();
  console.log(`Demo done: ${summary}, in ${Math.round(Date.now() / 1000 - started)} s.`);
  process.exit(0);
} catch (error) {
  console.error(`\nThe demo failed: ${error instanceof Error ? error.message : error}`);
  process.exit(1);
}
