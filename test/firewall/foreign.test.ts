import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  type ForeignTexts,
  foreignFirewalls,
  forwarders,
  parsePublishedPorts,
} from "../../src/firewall/foreign.ts";

const fixture = (path: string) => readFileSync(new URL(`../fixtures/ufw/${path}`, import.meta.url), "utf8");
const NOTHING: ForeignTexts = {
  kernel4: "",
  kernel6: "",
  legacy4: "",
  legacy6: "",
  nat4: "",
  nat6: "",
  foreign: "",
  dockerPorts: "",
  nftables: "",
};
const find = (texts: Partial<ForeignTexts>) => foreignFirewalls({ ...NOTHING, ...texts });

/** A ruleset with a table for each, and one chain in it. */
const nft = (...chains: [family: string, table: string, hook: string, policy: string][]): string =>
  JSON.stringify({
    nftables: chains.flatMap(([family, table, hook, policy]) => [
      { table: { family, name: table, handle: 1 } },
      { chain: { family, table, name: "chain", handle: 1, type: "filter", hook, prio: 0, policy } },
    ]),
  });

describe("foreignFirewalls", () => {
  it("finds nothing where ufw is alone", () => {
    const kernel4 = fixture("kinds/iptables-save.txt");
    const kernel6 = fixture("kinds/ip6tables-save.txt");
    expect(kernel4).toContain("-A INPUT -j ufw-before-input");
    expect(find({ kernel4, kernel6 })).toEqual([]);
    expect(find({})).toEqual([]);
  });

  it("names active firewall services", () => {
    expect(find({ foreign: "firewalld\nnftables\n" }).map((text) => text.split(":")[0])).toEqual([
      "firewalld is active",
      "nftables.service is active",
    ]);
  });

  it("quotes a rule ahead of ufw's that lets packets in", () => {
    const rule = "-A INPUT -p tcp -m tcp --dport 6379 -j ACCEPT";
    const ufw = fixture("kinds/iptables-save.txt");
    const first = "-A INPUT -j ufw-before-logging-input";
    expect(find({ kernel4: ufw.replace(first, `${rule}\n${first}`) })).toEqual([
      `the kernel has an IPv4 rule ahead of ufw that ufw does not know: ${rule}`,
    ]);
    const last = "-A INPUT -j ufw-track-input";
    expect(find({ kernel4: ufw.replace(last, `${last}\n${rule}`) })[0]).toContain("behind ufw");
    expect(find({ kernel6: `*filter\n${rule}\n` })[0]).toContain("an IPv6 rule that ufw does not know");
  });

  it("quotes what before.rules lets in ahead of every user rule", () => {
    const rule = "-A ufw-before-input -p tcp -m tcp --dport 6379 -j ACCEPT";
    const kernel4 = `${fixture("kinds/iptables-save.txt")}\n${rule}\n`;
    expect(find({ kernel4 })).toEqual([`before.rules lets packets in ahead of ufw's rules: ${rule}`]);
  });

  it("names tools by their chains, save fail2ban, which only bans", () => {
    const kernel4 =
      "-A INPUT -p tcp -m multiport --dports 22 -j f2b-sshd\n-A INPUT -m comment --comment x -j KUBE-FIREWALL\n-A INPUT -j KUBE-SERVICES\n";
    expect(find({ kernel4 })).toEqual(["Kubernetes has rules of its own for incoming IPv4 packets"]);
  });

  it("finds nftables' own input chains, not those that iptables keeps there", () => {
    // As nft 1.0.6 prints them: a table by hand, iptables-nft's beside it.
    const nftables = nft(
      ["inet", "filter", "input", "drop"],
      ["ip", "filter", "input", "accept"],
      ["inet", "firewalld", "input", "accept"],
    );
    expect(find({ nftables })).toEqual([
      "nftables table inet filter filters incoming packets beside ufw (policy drop)",
      "firewalld's rules are in the kernel beside ufw's",
    ]);
  });

  it("names each port that Docker publishes past ufw once, and none on loopback", () => {
    // Recorded from Docker 28 (client), 20.10 (engine).
    const dockerPorts =
      "cache 22/tcp, 0.0.0.0:36379->6379/tcp, [::]:36379->6379/tcp, 127.0.0.1:36380->6380/tcp\nidle \nlab-1 22/tcp, 6379/tcp\n";
    expect(find({ dockerPorts })).toEqual([
      "Docker publishes port 36379/tcp (6379 of container cache) past ufw; publish it on 127.0.0.1, or filter it in DOCKER-USER",
    ]);
  });
});

describe("ports that are forwarded past ufw", () => {
  // Recorded: iptables 1.8.9 with a rule by hand, Docker 20.10's published port, and its resolver inside a container.
  const nat4 = `-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A PREROUTING -p tcp -m tcp --dport 6379 -j DNAT --to-destination 172.18.0.9:6379
-A OUTPUT -d 127.0.0.11/32 -j DOCKER_OUTPUT
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80
-A DOCKER -d 127.0.0.1/32 ! -i docker0 -p tcp -m tcp --dport 9000 -j DNAT --to-destination 172.17.0.3:9000
-A DOCKER_OUTPUT -d 127.0.0.11/32 -p tcp -m tcp --dport 53 -j DNAT --to-destination 127.0.0.11:35513
`;

  it("are found in the nat table, whoever put them there and whether Docker answers or not", () => {
    expect(find({ nat4 }).map((text) => text.split(":").slice(0, 3).join(":"))).toEqual([
      "the kernel forwards port 6379/tcp to 172.18.0.9 before ufw sees them: -A PREROUTING -p tcp -m tcp --dport 6379 -j DNAT --to-destination 172.18.0.9:6379",
      "the kernel forwards port 8080/tcp to 172.17.0.2 before ufw sees them: -A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80",
    ]);
    const told = find({ nat4, dockerPorts: "web 0.0.0.0:8080->80/tcp\n" });
    expect(told.filter((text) => text.includes("8080"))).toEqual([
      expect.stringContaining("Docker publishes port 8080/tcp"),
    ]);
  });

  it("open Redis where they have its port, on the host or in the container", () => {
    const opened = (texts: Partial<ForeignTexts>) => forwarders({ ...NOTHING, ...texts }, [6379]);
    expect(opened({ nat4 })).toHaveLength(1);
    expect(opened({ dockerPorts: "cache 0.0.0.0:16379->6379/tcp\nweb 0.0.0.0:80->80/tcp\n" })).toHaveLength(
      1,
    );
    expect(opened({ dockerPorts: "many 0.0.0.0:6000-7000->6000-7000/tcp\n" })).toHaveLength(1);
    expect(opened({ dockerPorts: "dns 0.0.0.0:6379->53/udp\n" })).toEqual([]);
  });
});

describe("parsePublishedPorts", () => {
  it("reads ranges, and IPv6 with and without brackets", () => {
    const ports = parsePublishedPorts(
      "c\t0.0.0.0:7000-7005->7000-7005/tcp, :::53->53/udp, [fd00::1]:80->8080/tcp\n",
    );
    expect(
      ports.map(({ address, port, containerPort, protocol }) => [address, port, containerPort, protocol]),
    ).toEqual([
      ["0.0.0.0", "7000-7005", "7000-7005", "tcp"],
      ["::", "53", "53", "udp"],
      ["fd00::1", "80", "8080", "tcp"],
    ]);
  });
});
