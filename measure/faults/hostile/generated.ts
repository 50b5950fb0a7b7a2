/** Hostile inputs without end, from a seed: what is valid with things wrong with it, over every way in. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { checkHostKey } from "../../../src/connection/known-hosts.ts";
import { quotePath } from "../../../src/facts/config-files.ts";
import { connectionVariables } from "../../../src/inventory/connection-variables.ts";
import { hostVariables } from "../../../src/inventory/inventory.ts";
import { inventoryGraph, inventoryList } from "../../../src/inventory/listing.ts";
import { loadInventory } from "../../../src/inventory/load-inventory.ts";
import { parseYaml } from "../../../src/lib/yaml.ts";
import { hostTasks } from "../../../src/playbook/host-tasks.ts";
import { loadPlaybook } from "../../../src/playbook/load-playbook.ts";
import { shellAssignments } from "../../../src/transaction/program.ts";
import { wireOf } from "../../../test/support/facts.ts";
import { compileParameter, PARAMETERS } from "./compiled.ts";
import { type Draw, hostileText, mutated, numbers, oneOf } from "./draw.ts";
import { framed, labelOf, sectionsIn, useAnswer } from "./host-says.ts";
import type { Tally } from "./run.ts";
import { isRefusal, messageOf, type Sandbox } from "./sandbox.ts";

interface Family {
  name: string;
  /** Of 1000 cases. */
  share: number;
  /** How many cases go into one call. */
  batch?: number;
  /** Throws no refusal but for what is wrong with the input; `shown` is told what the case is, for a failure. */
  run(draw: Draw, sandbox: Sandbox, shown: (input: unknown) => void): Promise<void> | void;
}

const INVENTORY = `all:
  vars: &common
    ansible_user: deploy
    ansible_become: true
    ports: [6379, 6380, "0640", 0o17, 1e3, 12:30]
  children:
    redis:
      hosts:
        redis-[01:20]:
          <<: *common
          ansible_host: 10.0.0.1
        redis-a.example.com:2222: { weight: 1.5, flag: yes }
      vars:
        ansible_ssh_common_args: "-o UserKnownHostsFile=~/.ssh/known_hosts -o ProxyJump=ops@bastion:22"
        ansible_ssh_private_key_file: ~/.ssh/id_ed25519
        ansible_become_password: { env: BECOME }
    sentinel:
      children: { redis: }
      hosts: { "2001:db8::1": { ansible_port: 22 } }
`;

const PLAYBOOK = `- name: Harden
  hosts: redis
  become: true
  serial: [1, 10%, 100%]
  defaults: { private_ip: "10.0.0.5", subnet: 10.0.0.0/8 }
  vars: &v { memory: 512mb, name: "<%= private_ip %>" }
  tasks:
    - name: Listen
      bind: { addresses: [127.0.0.1, "-::1", "<%= name %>"], unix_socket: auto, protected_mode: true }
      when: memory === "512mb"
      tags: [network, "a,b"]
    - acl:
        users:
          - { name: app, preset: application, keys: ["app:*"], channels: ["app:*"], password: { env: APP_PASSWORD } }
          - { name: admin, preset: admin, password: { generate: true } }
    - rename-command: { commands: { FLUSHDB: disable, CONFIG: rename } }
    - tls: { port: 6380, plain_port: 0, ca: { generate: true }, clients: [app], valid_days: 825 }
    - limits: { maxmemory: "<%= memory %>", nofile: 10032 }
    - persistence: { mode: keep }
    - firewall: { backend: ufw, allow: ["<%= subnet %>"], default: deny, other_ports: refuse }
`;

const REPORT = framed({
  state: "rolled_back",
  journal:
    "12.5 begin\n13.1 backup\n14 armed\n15 file /etc/redis/redis.conf\n16 fail restart x\n17 rolled_back\n",
  unavailable: "310",
  "keys.before": "100000 20",
  "keys.after": "100000 20",
  log: "Job for redis-server.service failed.\n",
});

const KNOWN_HOSTS = `|1|F1E1KeoE/eEWhi10WpGv4OdiO6Y=|3988QV0VE8wmZL7suNrYQLITLCg= ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA==
[127.0.0.1]:2222,!other.example,*.example ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB==
@revoked * ssh-rsa AAAAB3NzaC1yc2E=
@cert-authority *.example ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIC==
`;
const KEY = Buffer.from("AAAAC3NzaC1lZDI1NTE5AAAAIPPPPPPPPPPPPPPPPPPPPPPPPPPPPPPPPPPPPPPPPPPP", "base64");

const COMMANDS = ["plan", "inventory"] as const;
const FLAGS = {
  plan: ["-e", "--limit", "--tags", "--skip-tags", "--accept", "--shard", "--forks", "--timeout", "--rotate"],
  inventory: ["-e", "--limit", "--host"],
};
const FLAG_VALUES = [
  "a=b",
  "all",
  "network",
  "weak-password",
  "1/3",
  "50",
  "{a: [b]}",
  "r0?:!redis-02",
  "~h.*",
  "@hosts.yml",
];

const values = (draw: Draw, { pieces }: Sandbox, count: number) =>
  Array.from({ length: count }, () => hostileText(pieces, draw));

/** A file of one case after the other. */
const written = (sandbox: Sandbox, name: string, text: string): string => {
  const path = join(sandbox.directory, name);
  writeFileSync(path, text);
  return path;
};

const SECTIONS = sectionsIn("stock");

const FAMILIES: readonly Family[] = [
  {
    name: "values in the transaction's environment, which sh reads back",
    share: 300,
    batch: 500,
    run(draw, sandbox, shown) {
      const given = values(draw, sandbox, 500).map((value) => value.replaceAll("\0", "").toWellFormed());
      const script = given.map((value) => `${shellAssignments({ V: value })}printf '%s\\0' "$V"\n`).join("");
      shown(given);
      const read = sandbox.sh(script).toString().split("\0").slice(0, -1);
      for (const [index, value] of given.entries()) assert.equal(read[index], value);
    },
  },
  {
    name: "names and paths in the probe, which sh reads back",
    share: 100,
    batch: 500,
    run(draw, sandbox, shown) {
      const given = values(draw, sandbox, 500).map((value) => value.replaceAll("\0", "").toWellFormed());
      shown(given);
      const script = given.map((value) => `printf '%s\\0' ${quotePath(value)}\n`).join("");
      assert.deepEqual(sandbox.sh(script).toString().split("\0").slice(0, -1), given);
    },
  },
  {
    name: "YAML",
    share: 180,
    run(draw, { pieces }, shown) {
      const text = mutated(oneOf([INVENTORY, PLAYBOOK], draw), pieces, draw);
      shown(text);
      parseYaml(text, "x.yml");
    },
  },
  {
    name: "inventories",
    share: 120,
    async run(draw, sandbox, shown) {
      const text = mutated(INVENTORY, sandbox.pieces, draw);
      shown(text);
      written(sandbox, "hosts.yml", text);
      const inventory = await loadInventory({ sources: ["hosts.yml"], cwd: sandbox.directory });
      inventoryList(inventory);
      inventoryGraph(inventory);
      for (const host of [...inventory.hosts.keys()].slice(0, 3))
        await connectionVariables(
          host,
          hostVariables(inventory, host),
          {},
          { cwd: sandbox.directory, env: {} },
        );
    },
  },
  {
    name: "ssh options",
    share: 60,
    async run(draw, sandbox, shown) {
      const words =
        "-o ProxyCommand='ssh -W %h:%p ops@bastion' -o StrictHostKeyChecking=accept-new -J a@b:22 -p 22 -i ~/.ssh/x";
      const args = mutated(words, sandbox.pieces, draw);
      shown(args);
      const variables = new Map([["ansible_ssh_common_args", { value: args, place: { file: "hosts.yml" } }]]);
      const { sshOptions } = await connectionVariables("h", variables, {}, { cwd: ".", env: {} });
      // Whatever gets through is a jump and a file, never a command.
      for (const jump of sshOptions.proxyJump ?? [])
        assert.match(
          jump,
          /^(?:[^\s@-][^\s@]*@)?(?:\[[0-9a-f:.]+\]|[\p{L}\p{N}_][\p{L}\p{N}_.-]*)(?::\d+)?$/iu,
        );
      for (const file of sshOptions.userKnownHostsFiles ?? [])
        assert.doesNotMatch(file, /^(?:none|\/dev\/.*)$/);
    },
  },
  {
    name: "playbooks",
    share: 50,
    async run(draw, sandbox, shown) {
      // A template is the playbook's own code: what is mutated here names nothing of the process.
      const text = mutated(
        PLAYBOOK,
        sandbox.pieces.filter((piece) => !piece.includes("process")),
        draw,
      );
      shown(text);
      written(sandbox, "site.yml", text);
      const playbook = await loadPlaybook("site.yml", sandbox.directory);
      const inventory = await loadInventory({ sources: ["h1,"], cwd: sandbox.directory });
      for (const play of playbook.plays) hostTasks(inventory, "h1", play, { only: [], skip: [] }, undefined);
    },
  },
  {
    name: "parameters",
    share: 50,
    run(draw, { pieces }, shown) {
      const parameter = oneOf(PARAMETERS, draw);
      const value = draw(2) === 0 ? hostileText(pieces, draw) : mutated(parameter[3], pieces, draw);
      shown([parameter[0], value]);
      compileParameter(parameter, value);
    },
  },
  {
    name: "facts",
    share: 20,
    async run(draw, { pieces }, shown) {
      const [title = "", section = ""] = SECTIONS[draw(SECTIONS.length)] ?? [];
      // Of a long section a part: the rest is alike.
      const from = draw(Math.max(1, section.length - 3000));
      const edited =
        section.slice(0, from) +
        mutated(section.slice(from, from + 3000), pieces, draw) +
        section.slice(from + 3000);
      shown([title, edited.slice(from, from + 3000)]);
      await useAnswer(wireOf(new Map([...SECTIONS, [title, edited]])));
    },
  },
  {
    name: "reports",
    share: 60,
    run(draw, { pieces }, shown) {
      const report = mutated(REPORT, pieces, draw);
      shown(report);
      // Only what is read back as committed is a change that was made; this report never says so.
      assert.notEqual(labelOf(report), "changed");
    },
  },
  {
    name: "known_hosts",
    share: 30,
    run(draw, sandbox, shown) {
      const text = mutated(KNOWN_HOSTS, sandbox.pieces, draw);
      shown(text);
      const file = written(sandbox, `known_hosts-${draw(2 ** 30)}`, text);
      assert.notEqual(checkHostKey("127.0.0.1", 2222, KEY, [file]).outcome, "ok");
      sandbox.remove(file);
    },
  },
  {
    name: "command lines",
    share: 20,
    async run(draw, sandbox, shown) {
      const command = oneOf(COMMANDS, draw);
      const args: string[] = [];
      for (let count = 1 + draw(3); count > 0; count--) {
        const value =
          draw(3) === 0
            ? hostileText(sandbox.pieces, draw)
            : mutated(oneOf(FLAG_VALUES, draw), sandbox.pieces, draw);
        args.push(oneOf(FLAGS[command], draw), value.slice(0, 100_000));
      }
      shown([command, ...args]);
      const { exitCode } = await sandbox.redkeep(
        [command, ...(command === "plan" ? ["site.yml"] : []), "-i", "hosts.yml", ...args],
        {
          "hosts.yml": "redis: { hosts: { h1: { ansible_host: 127.0.0.1, ansible_port: 1 } } }\n",
          "site.yml": "- hosts: redis\n  tasks:\n    - { limits: { nofile: 64 }, tags: network }\n",
        },
      );
      assert([0, 1, 4].includes(exitCode), `ended with ${exitCode}`);
    },
  },
  {
    name: "records to go on with",
    share: 10,
    async run(draw, sandbox, shown) {
      const record = JSON.stringify({ schema: "redkeep.run/1", hosts: [{ host: "h1", status: "failed" }] });
      const text = mutated(record, sandbox.pieces, draw);
      shown(text);
      const { exitCode } = await sandbox.redkeep(
        ["plan", "site.yml", "-i", "hosts.yml", "--retry-failed", "run.json"],
        {
          "hosts.yml": "redis: { hosts: { h1: { ansible_host: 127.0.0.1, ansible_port: 1 } } }\n",
          "site.yml": "- hosts: redis\n  tasks: [{ limits: { nofile: 64 } }]\n",
          "run.json": text,
        },
      );
      assert([0, 1, 4].includes(exitCode), `ended with ${exitCode}`);
    },
  },
];

/** Runs at least `count` cases; the same ones for the same seed. */
export async function runGenerated(
  sandbox: Sandbox,
  count: number,
  seed: number,
  log: (line: string) => void = () => {},
): Promise<Tally & { families: Record<string, number> }> {
  const tally: Tally & { families: Record<string, number> } = {
    cases: 0,
    executed: 0,
    uncaught: 0,
    problems: [],
    families: {},
  };
  for (const { name, share, batch = 1, run } of FAMILIES) {
    const rounds = Math.ceil((count * share) / 1000 / batch);
    const from = performance.now();
    for (let round = 0; round < rounds; round++) {
      let input: unknown;
      const one = seed + round * 7919 + share;
      const where = () => `${name}, seed ${one}: ${JSON.stringify(input)?.slice(0, 2000)}`;
      try {
        await run(numbers(one), sandbox, (shown) => {
          input = shown;
        });
      } catch (error) {
        if (!isRefusal(error)) {
          tally.uncaught++;
          tally.problems.push(`${where()}: ${messageOf(error)}`);
        }
      }
      const harm = sandbox.harm();
      if (harm === undefined) continue;
      tally.executed++;
      tally.problems.push(`${where()}: ${harm}`);
    }
    tally.cases += rounds * batch;
    tally.families[name] = rounds * batch;
    log(`${rounds * batch} ${name}: ${Math.round((performance.now() - from) / 1000)} s`);
  }
  return tally;
}
