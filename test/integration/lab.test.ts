import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import {
  type LabHost,
  labKey,
  operatorPassword,
  startHost,
  startNetwork,
  writeInventory,
} from "./support/lab.ts";

/** OpenSSH's own client, with the known_hosts file that redkeep gets. */
async function ssh(dir: string, host: LabHost, user: string, command: string): Promise<string> {
  const options = [
    `UserKnownHostsFile=${join(dir, "known_hosts")}`,
    "StrictHostKeyChecking=yes",
    "BatchMode=yes",
  ];
  const args = [
    ...options.flatMap((option) => ["-o", option]),
    "-F",
    "none",
    "-i",
    labKey,
    "-p",
    `${host.sshPort}`,
  ];
  const { stdout } = await promisify(execFile)("ssh", [...args, `${user}@${host.address}`, command]);
  return stdout.trim();
}

describe("a lab host", () => {
  test("is a machine with systemd, sshd, Redis and ufw", async () => {
    await using host = await startHost();
    expect((await host.sh("cat /proc/1/comm")).stdout).toBe("systemd\n");
    expect(await host.redis("PING")).toBe("PONG");
    expect((await host.sh("ufw status")).stdout).toContain("Status: inactive");
    expect((await host.sh("systemctl list-units --failed --plain --no-legend")).stdout).toBe("");
  });

  test("lets root, deploy and operator in by SSH, and operator into sudo with a password only", async () => {
    const dir = mkdtempSync(join(tmpdir(), "redkeep-lab-"));
    try {
      await using host = await startHost();
      writeInventory(dir, { host });
      expect(await ssh(dir, host, "root", "id -un")).toBe("root");
      expect(await ssh(dir, host, "deploy", "sudo -n id -un")).toBe("root");
      await expect(ssh(dir, host, "operator", "sudo -n id -un")).rejects.toThrow(/password is required/);
      expect(await ssh(dir, host, "operator", `echo ${operatorPassword} | sudo -S -p '' id -un`)).toBe(
        "root",
      );
    } finally {
      rmSync(dir, { recursive: true });
    }
  });

  test("has host keys and a machine id of its own, and keeps them over a power cut", async () => {
    await using one = await startHost();
    await using other = await startHost();
    const identity = async (host: LabHost): Promise<string[]> => {
      const { stdout } = await host.sh("cat /etc/machine-id; cut -d' ' -f2 /etc/ssh/ssh_host_*_key.pub");
      return stdout.trim().split("\n");
    };
    const before = await identity(one);
    expect(new Set([...before, ...(await identity(other))]).size).toBe(8);

    await one.redis("SET", "kept", "yes");
    await one.redis("SAVE");
    await one.kill();
    await one.restart();
    expect(await identity(one)).toEqual(before);
    expect(await one.redis("GET", "kept")).toBe("yes");
  });

  test("shares its network with no host of a test file that runs beside", async () => {
    await using host = await startHost();
    const own = `redkeep-lab-${process.env.REDKEEP_LAB_PID}-${process.env.VITEST_POOL_ID}`;
    const of = "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}";
    const { stdout } = await promisify(execFile)("docker", ["inspect", "-f", of, host.id]);
    expect(stdout.trim()).toBe(own);
  });

  test("receives files with their mode and owner", async () => {
    await using host = await startHost();
    await host.writeFile("/etc/redis/it's new/one", "a\n\u00e4\0b", "0640", "root:redis");
    expect(await host.readFile("/etc/redis/it's new/one")).toBe("a\n\u00e4\0b");
    expect((await host.sh("stat -c '%a %U:%G' /etc/redis/*/one")).stdout).toBe("640 root:redis\n");
  });

  test("in a network of its own is reached by name and has one address", async () => {
    await using network = await startNetwork();
    await using server = await startHost({ network, alias: "server" });
    await using client = await startHost({ network, alias: "client" });
    expect(server.subnet).toBe(network.subnet);
    expect((await server.sh("hostname -I")).stdout.trim()).toBe(server.ip);
    await server.sh(
      "sed -i 's/^bind .*/bind 0.0.0.0/; s/^protected-mode .*/protected-mode no/' /etc/redis/redis.conf",
    );
    await server.sh("systemctl restart redis-server");
    expect(await client.redis("-h", "server", "PING")).toBe("PONG");
  });
});
